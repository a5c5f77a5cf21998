"""Answers that went well, as HTTP responses; and how times are written in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from http import HTTPStatus

NDJSON: Final = "application/x-ndjson"
"""A JSON object on each line."""


def answer_json(view: msgspec.Struct, status: HTTPStatus | int = 200) -> web.Response:
    """A view as JSON. It is of this moment, so nobody may keep it."""
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(view), status=status, content_type="application/json", headers=headers)


def prefers(accept: str, media_type: str) -> bool:
    """Whether a client names a media type and does not refuse it: a wildcard is a program that wants JSON."""
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        if name == media_type:
            return not any(parameter.replace(" ", "") in {"q=0", "q=0.0"} for parameter in parameters)
    return False


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client says that it unpacks gzip, or anything (RFC 9110, section 12.5.3)."""
    weights: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        weights[name.strip()] = re.fullmatch(r"q=0(\.0*)?", weight.strip()) is None
    return weights.get("gzip", weights.get("*", False))


def show_time(at: datetime) -> str:
    """RFC 3339, in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_epoch(seconds: float) -> str:
    """The same for seconds since the epoch."""
    return show_time(datetime.fromtimestamp(seconds, UTC))
