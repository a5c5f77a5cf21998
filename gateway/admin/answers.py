"""Answers that went well, as HTTP responses; and how times are written in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from http import HTTPStatus


def answer_json(view: msgspec.Struct, status: HTTPStatus | int = 200) -> web.Response:
    """A view as JSON. It is of this moment, so nobody may keep it."""
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(view), status=status, content_type="application/json", headers=headers)


def show_time(at: datetime) -> str:
    """RFC 3339, in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_epoch(seconds: float) -> str:
    """The same for seconds since the epoch."""
    return show_time(datetime.fromtimestamp(seconds, UTC))
