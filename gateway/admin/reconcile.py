"""Reconciling over the API: a call that tells line by line how it goes, for as long as somebody listens."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.answers import NDJSON
from gateway.admin.problems import Declined
from gateway.admin.questions import Question
from gateway.control.delivery import FRAMING
from gateway.control.replay import Wish
from gateway.errors import BadValue
from gateway.settings.names import check_header_name, check_header_value

if TYPE_CHECKING:
    from gateway.admin.control import Call
    from gateway.control.replay import Line

STALL_SECONDS: Final = 30.0
"""Whoever takes no line for so long has left: the run ends then, and another may begin."""


class ReconcileWish(Question, frozen=True):
    """What is to be replayed, and how."""

    since: str = ""
    """RFC 3339: only writes that the candidate answered then or later; empty: all."""
    dry_run: bool = False
    """Send nothing, only tell what would be sent."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Sent with every write, in place of those of the same names: the journal has no credentials."""
    rate: Annotated[float, Meta(gt=0, le=10_000)] = 50.0
    """Writes per second."""


async def reconcile(call: Call, wish: ReconcileWish) -> web.StreamResponse:
    """Replay onto the baseline the writes that only the candidate took.

    Answers with a JSON object per line: one of `kind` `begin` (`total`, `skipped`, `is_live`, `dry_run`, `unreadable`),
    one `entry` per write (`request_id`, `route`, `method`, `target` without its query, `time` and `time_ns` of the
    candidate's answer, `result`, `status`, `reason`, `is_again`) and one `end` (`applied`, `refused`, `failed`,
    `skipped`, `left`, `stopped`). A `result` is `applied`, `refused` (4xx, not tried again), `failed` (the next call
    tries again) or, in a dry run, `planned`.
    Writes of one key are sent in order, with their `X-Request-ID` and an `Idempotency-Key`. It ends early when the
    caller leaves, and the next call goes on from there; nothing is applied twice.
    """
    report = Report(call.request)
    try:
        end = await call.control.reconciling.run(call.name, read_wish(wish), call.operator, report.write)
    except OSError as error:
        if report.response is not None:
            raise
        raise Declined(503, f"the journal can't be read: {error.strerror or error}") from error
    with contextlib.suppress(ConnectionError, TimeoutError):
        await report.write(end)
    assert report.response is not None  # noqa: S101 - the last line was written, if nobody has left
    return report.response


class Report:
    """Lines to whoever called; ``response`` is there from the first one on."""

    def __init__(self, request: web.Request) -> None:
        self.response: web.StreamResponse | None = None
        self._request = request

    async def write(self, line: Line) -> None:
        """Raises ConnectionError or TimeoutError when nobody listens."""
        if self.response is None:
            self.response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
            await self.response.prepare(self._request)
        async with asyncio.timeout(STALL_SECONDS):
            await self.response.write(msgspec.json.encode(line) + b"\n")


def read_wish(wish: ReconcileWish) -> Wish:
    """The wish with its values read. Raises BadValue."""
    headers = {_read_name(name): _read_value(name, value) for name, value in wish.headers.items()}
    return Wish(since_ns=_read_time(wish.since), dry_run=wish.dry_run, headers=headers, per_second=wish.rate)


def _read_time(text: str) -> int:
    if not text:
        return 0
    try:
        found: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadValue("since", "is not a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z")
    return max(0, int(found.timestamp() * 1e9))


def _read_name(name: str) -> str:
    try:
        check_header_name(name)
    except ValueError as error:
        raise BadValue("headers", str(error)) from error
    if name.lower().encode() in FRAMING:
        raise BadValue("headers", f"`{name}` is the gateway's own and can't be set")
    return name


def _read_value(name: str, value: str) -> str:
    try:
        return check_header_value(value)
    except ValueError:
        # The value itself is not quoted: it may be a secret.
        raise BadValue("headers", f"the value of `{name}` can't be a header's") from None
