"""Server-sent events: status, rollouts at a glance, and every new event of the audit log.

A viewer is a loop that looks once a second and writes what is new; it waits until its client has taken that. So there
is no queue that could grow: a slow client sees fewer statuses and gets its events later. One that takes nothing for
`STALL_SECONDS` is let go, and there are never more than `VIEWERS` at a time.

What there is to see is looked up once for all of them (`gateway.admin.overview`). However many rollouts there are, a
viewer gets no more than about 16 KiB of figures and statuses a second: what has moved goes at once, and the figures of
all rows in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.answers import takes_gzip
from gateway.admin.overview import OVERVIEWS_KEY
from gateway.admin.problems import Declined
from gateway.admin.questions import Question
from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.admin.control import Call, Control
    from gateway.admin.overview import Line, Look, Overviews
    from gateway.admin.status import StatusView

VIEWERS: Final = 64
PULSE_SECONDS: Final = 1.0
PING_PULSES: Final = 15
"""A comment after so many silent pulses: proxies between us and the viewer take silence for death."""
STATUS_PULSES: Final = 5
"""A status in which only connections are other than before goes not more often."""
STALL_SECONDS: Final = 30.0
FIGURES_BYTES: Final = 12 * 1024
"""Of rows in which only figures are new, per pulse."""
PACKED_SHARE: Final = 4
"""Packed, so many times more rows go into the same bytes; measured, it is twice that."""

EVENT_STREAM: Final = "text/event-stream"

_PING: Final = b": ping\n\n"
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS


class Viewers:
    """Who watches; and the end of it."""

    def __init__(self) -> None:
        self.count = 0
        self._closing = asyncio.Event()

    async def close(self, _app: web.Application) -> None:
        """Let everybody go."""
        self._closing.set()

    async def rest(self) -> bool:
        """Until the next pulse; False when it is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PULSE_SECONDS):
                await self._closing.wait()
        return not self._closing.is_set()


VIEWERS_KEY: Final = web.AppKey("viewers", Viewers)


class StreamQuery(Question, frozen=True):
    """From where on."""

    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] | msgspec.UnsetType = msgspec.UNSET
    """The events with a larger id; without it, and without a `Last-Event-ID`, those from now on."""


async def stream(call: Call, asked: StreamQuery) -> web.StreamResponse:
    """Follow the gateway: server-sent events.

    `status` (as `/api/v1/status`) when it has changed, at most once a second; `overview` (as `/api/v1/overview`): first
    all rows, then those that have changed, figures every 5 seconds; and `event` (as an item of `/api/v1/events`) for
    each new event of the audit log. The first `overview` has the `id` after which events follow, so that who loses the
    connection before there was any misses none. A comment after 15 seconds of silence.
    """
    viewers = call.request.app[VIEWERS_KEY]
    if viewers.count >= VIEWERS:
        raise Declined(503, f"{VIEWERS} viewers are there already")
    viewers.count += 1
    try:
        return await _follow(call, asked, viewers)
    finally:
        viewers.count -= 1


async def _follow(call: Call, asked: StreamQuery, viewers: Viewers) -> web.StreamResponse:
    after = _read_last_id(call.request) if asked.after is msgspec.UNSET else asked.after
    is_packed = takes_gzip(call.request.headers.get("Accept-Encoding", ""))
    overviews, pack = call.request.app[OVERVIEWS_KEY], Packing() if is_packed else bytes
    view = View(call.control, overviews, after, FIGURES_BYTES * (PACKED_SHARE if is_packed else 1))
    response = web.StreamResponse(headers=_HEADERS | ({"Content-Encoding": "gzip"} if is_packed else {}))
    await response.prepare(call.request)
    configuration, is_wanted = call.control.configuration, call.request.method != "HEAD"
    token = configuration.admin_token
    with contextlib.suppress(ConnectionError, TimeoutError):  # the viewer has left, or sleeps
        while is_wanted:
            if news := await view.look():
                async with asyncio.timeout(STALL_SECONDS):
                    await response.write(pack(news))
            is_wanted = await viewers.rest() and configuration.admin_token == token  # with a new one, it must be shown
    return response


_HEADERS: Final = {
    "Content-Type": EVENT_STREAM,
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
    "X-Accel-Buffering": "no",
}


class Packing:
    """A stream's gzip. What was packed can be unpacked at once, though more is to come (RFC 1951, section 3.2.4)."""

    def __init__(self) -> None:
        self._gzip = zlib.compressobj(level=1, wbits=_GZIP_BITS)

    def __call__(self, text: bytes) -> bytes:
        """The next part."""
        return self._gzip.compress(text) + self._gzip.flush(zlib.Z_SYNC_FLUSH)


class View:
    """What one viewer has seen.

    ``last_id`` is that of the last event, None for those from now on. ``figures_bytes`` bounds the rows of a look in
    which only figures are new.
    """

    def __init__(
        self, control: Control, overviews: Overviews, last_id: int | None, figures_bytes: int = FIGURES_BYTES
    ) -> None:
        self._control = control
        self._overviews = overviews
        self._last_id = last_id
        self._figures_bytes = figures_bytes
        self._status: StatusView | None = None
        self._status_pulses = 0
        self._shown: dict[str, Line] | None = None
        """By rollout, the row that was shown longest ago first; None before the first look."""
        self._silent_pulses = 0

    async def look(self) -> bytes:
        """What is new since the last look, as server-sent events; empty for nothing."""
        seen = await self._overviews.look()
        if self._last_id is None:
            self._last_id = seen.newest_id
        news = b"".join(
            [self._look_at_status(seen.status), self._look_at_rows(seen), *await self._look_at_events(seen)]
        )
        self._silent_pulses = 0 if news else self._silent_pulses + 1
        if self._silent_pulses >= PING_PULSES:
            self._silent_pulses, news = 0, _PING
        return news

    def _look_at_status(self, status: StatusView) -> bytes:
        self._status_pulses += 1
        former, is_due = self._status, self._status_pulses >= STATUS_PULSES
        if former and (is_alike(former, status) if is_due else is_alike(strip_status(former), strip_status(status))):
            return b""
        self._status, self._status_pulses = status, 0
        return write_event("status", msgspec.json.encode(status))

    def _look_at_rows(self, seen: Look) -> bytes:
        """All rows at first; then those that moved, and as many with new figures as there is room for."""
        if self._shown is None:
            self._shown = dict(seen.lines)
            rows = [encode_row(line) for line in self._shown.values()]
            return write_event("overview", write_overview(rows, []), self._last_id)
        gone = [name for name in self._shown if name not in seen.lines]
        for name in gone:
            del self._shown[name]
        changed = list(self._choose_rows(seen, self._shown))
        return write_event("overview", write_overview(changed, gone)) if changed or gone else b""

    def _choose_rows(self, seen: Look, shown: dict[str, Line]) -> Iterator[bytes]:
        moved = [line for name, line in seen.lines.items() if name not in shown or has_moved(shown[name], line)]
        for line in moved:
            yield _show(shown, line)
        room = self._figures_bytes
        renewed = [seen.lines[name] for name, former in shown.items() if seen.lines[name].serial != former.serial]
        for line in renewed:
            if room > 0:
                text = _show(shown, line)
                room -= len(text)
                yield text

    async def _look_at_events(self, seen: Look) -> list[bytes]:
        if self._last_id is None or (seen.newest_id or 0) <= self._last_id:
            return []
        try:
            events = await self._control.store.events(self._last_id)
        except StoreUnavailable:
            return []  # the status says so; the events come when it is back
        if events:
            self._last_id = events[-1].id
        return [write_event("event", msgspec.json.encode(event), event.id) for event in events]


def is_alike(former: StatusView, status: StatusView) -> bool:
    """Whether nothing but time has gone on."""
    return msgspec.structs.replace(former, uptime_s=status.uptime_s) == status


def strip_status(status: StatusView) -> StatusView:
    """The status without what changes all the time."""
    calm = [msgspec.structs.replace(worker, connections=0, in_flight=0) for worker in status.workers]
    return msgspec.structs.replace(status, uptime_s=0.0, workers=calm)


def has_moved(former: Line, line: Line) -> bool:
    """Whether more than figures is new."""
    return former.serial != line.serial and former.standing != line.standing


def _show(shown: dict[str, Line], line: Line) -> bytes:
    """The row's text; it is noted as the one that was shown last."""
    shown.pop(line.row.name, None)
    shown[line.row.name] = line
    return encode_row(line)


def encode_row(line: Line) -> bytes:
    """A row as JSON."""
    return msgspec.json.encode(line.row)


def write_overview(rows: list[bytes], gone: list[str]) -> bytes:
    """The JSON of an `Overview` whose rows are JSON already."""
    return b'{"rows":[%b],"gone":%b}' % (b",".join(rows), msgspec.json.encode(gone))


def write_event(name: str, content: bytes, number: int | None = None) -> bytes:
    """One server-sent event (HTML, section 9.2.6). JSON has no line breaks, so ``content`` is one line of data."""
    lead = b"" if number is None else b"id: %d\n" % number
    return lead + b"event: %b\ndata: %b\n\n" % (name.encode(), content)


def _read_last_id(request: web.Request) -> int | None:
    """What a browser that lost its connection has seen."""
    shown = request.headers.get("Last-Event-ID", "")
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 19 else None  # noqa: PLR2004 - 64 bits
