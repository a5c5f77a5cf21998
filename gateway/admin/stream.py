"""Server-sent events: the status when it has changed, and every new event of the audit log.

A viewer is a loop that looks once a second and writes what is new; it waits until its client has taken that. So there
is no queue that could grow: a slow client sees fewer statuses and gets its events later. One that takes nothing for
`STALL_SECONDS` is let go, and there are never more than `VIEWERS` at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.problems import Declined
from gateway.admin.questions import Question
from gateway.admin.status import view_status
from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from gateway.admin.control import Call, Control
    from gateway.admin.status import StatusView
    from gateway.store.records import Event

VIEWERS: Final = 64
PULSE_SECONDS: Final = 1.0
PING_PULSES: Final = 15
"""A comment after so many silent pulses: proxies between us and the viewer take silence for death."""
STALL_SECONDS: Final = 30.0

EVENT_STREAM: Final = "text/event-stream"

_PAGE: Final = 1000
_PING: Final = b": ping\n\n"


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

    `status` (as `/api/v1/status`) when it has changed, at most once a second, and `event` (as an item of
    `/api/v1/events`) for each new event of the audit log; a comment every 15 seconds.
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
    view = View(call.control, await find_newest(call.control) if after is None else after)
    headers = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(call.request)
    is_wanted = call.request.method != "HEAD"
    with contextlib.suppress(ConnectionError, TimeoutError):  # the viewer has left, or sleeps
        while is_wanted:
            if news := await view.look():
                async with asyncio.timeout(STALL_SECONDS):
                    await response.write(news)
            is_wanted = await viewers.rest()
    return response


class View:
    """What one viewer has seen. ``last_id`` is that of the last event."""

    def __init__(self, control: Control, last_id: int) -> None:
        self._control = control
        self._last_id = last_id
        self._status: StatusView | None = None
        self._silent_pulses = 0

    async def look(self) -> bytes:
        """What is new since the last look, as server-sent events; empty for nothing."""
        news = b"".join([self._look_at_status(), *await self._look_at_events()])
        self._silent_pulses = 0 if news else self._silent_pulses + 1
        if self._silent_pulses >= PING_PULSES:
            self._silent_pulses, news = 0, _PING
        return news

    def _look_at_status(self) -> bytes:
        status = view_status(self._control)
        former, self._status = self._status, status
        if former and msgspec.structs.replace(former, uptime_s=status.uptime_s) == status:
            return b""
        return write_event("status", status)

    async def _look_at_events(self) -> list[bytes]:
        try:
            events = await self._control.store.events(self._last_id)
        except StoreUnavailable:
            return []  # the status says so; the events come when it is back
        if events:
            self._last_id = events[-1].id
        return [write_event("event", event, event.id) for event in events]


def write_event(name: str, view: StatusView | Event, number: int | None = None) -> bytes:
    """One server-sent event (HTML, section 9.2.6). JSON has no line breaks, so its text is one line of data."""
    lead = b"" if number is None else b"id: %d\n" % number
    return lead + b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(view))


async def find_newest(control: Control) -> int:
    """The id of the newest event; 0 without any."""
    newest = 0
    while events := await control.store.events(newest, _PAGE):
        newest = events[-1].id
    return newest


def _read_last_id(request: web.Request) -> int | None:
    """What a browser that lost its connection has seen."""
    shown = request.headers.get("Last-Event-ID", "")
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 19 else None  # noqa: PLR2004 - 64 bits
