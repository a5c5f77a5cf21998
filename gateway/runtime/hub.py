"""The controller's end of the links: tells every worker the newest table, and control what workers say.

The comparer is one of them, but for its place: it serves nobody, so the roster does not wait for it.

A worker that reads slowly costs the controller no memory: while its channel is clogged nothing more is written to it,
and when it flows again it gets the newest table, not each that it missed.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from gateway.errors import LinkError
from gateway.runtime.channel import Channel
from gateway.runtime.connection import check_caller
from gateway.runtime.link import (
    COMPARER_SLOT,
    Applied,
    Counts,
    Failed,
    Hello,
    Known,
    NewTable,
    Recorded,
    Seen,
    Status,
    Tallied,
    Traced,
    Up,
    Waiting,
    pack,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gateway.control.roster import Roster, Seat
    from gateway.core.failures import FailedRequest
    from gateway.core.tallies import PathTally
    from gateway.core.trace_context import TracedRequest
    from gateway.core.types import Table
    from gateway.runtime.recorder import Recorder

log = structlog.get_logger()


class Hub:
    """The server of the link. ``serial`` numbers the tables; it must begin above what any controller before used.

    ``export`` gets the requests that workers traced, ``sample`` some of those that the candidate failed, ``tallied``
    what the comparer found, ``seen`` the places of users; ``known`` says what any comparer found before.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that is said
        self,
        roster: Roster,
        serial: int,
        recorder: Recorder,
        export: Callable[[tuple[TracedRequest, ...]], None],
        sample: Callable[[tuple[FailedRequest, ...]], None] = lambda _requests: None,
        *,
        tallied: Callable[[tuple[PathTally, ...]], None] = lambda _paths: None,
        known: Callable[[], tuple[PathTally, ...]] = lambda: (),
        seen: Callable[[dict[str, tuple[float, ...]]], None] = lambda _places: None,
    ) -> None:
        self._roster = roster
        self._recorder = recorder
        self._export = export
        self._sample = sample
        self._tallied = tallied
        self._known = known
        self._seen = seen
        self._serial = serial
        self._frame = b""
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._seats: dict[Channel[Up], Seat | None] = {}
        self._sent: dict[Channel[Up], int] = {}
        self._decoder: msgspec.msgpack.Decoder[Up] = msgspec.msgpack.Decoder(Up)

    async def serve(self, listening: socket.socket) -> None:
        """Take connections of workers from ``listening``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._channel, sock=listening)

    def publish(self, table: Table) -> None:
        """Make ``table`` the newest, and send it to every worker. Raises `LinkError` when it is too large to send."""
        frame = pack(NewTable(self._serial + 1, table))
        self._serial += 1
        self._frame = frame
        self._roster.published(self._serial, table.revision)
        for channel in list(self._seats):
            self._bring_up_to_date(channel)

    async def close(self) -> None:
        """End every connection, and take no more."""
        if self._server is not None:
            self._server.close()
        for channel in list(self._seats):
            channel.drop()
        await self._empty.wait()

    def _channel(self) -> Channel[Up]:
        return Channel(self._decoder, self._hear, self._forget, self._meet, self._bring_up_to_date)

    def _meet(self, channel: Channel[Up]) -> None:
        assert channel.transport is not None  # noqa: S101 - it has just been opened
        try:
            check_caller(channel.transport)
        except LinkError as error:
            log.warning("link_refused", reason=str(error))
            channel.drop()
        else:
            self._seats[channel] = None
            self._empty.clear()

    def _hear(self, channel: Channel[Up], message: Up) -> None:
        if isinstance(message, Hello):
            self._welcome(channel, message)
            return
        seat = self._seats.get(channel)
        if seat is None:
            msg = f"{type(message).__name__} before Hello"
            raise LinkError(msg)
        if isinstance(message, Applied):
            self._roster.applied(seat, message.serial)
        elif isinstance(message, Counts):
            self._recorder.record(seat.run, message)
            channel.tell(Recorded(message.sequence))
        elif isinstance(message, Traced):
            self._export(message.requests)
        elif isinstance(message, Failed):
            self._sample(message.requests)
        elif isinstance(message, Waiting):
            seat.waiting = message.ages
        elif isinstance(message, Tallied):
            self._tallied(message.paths)
        elif isinstance(message, Seen):
            self._seen(message.places)
        else:
            self._report(seat, message)

    def _welcome(self, channel: Channel[Up], hello: Hello) -> None:
        is_comparer = hello.slot == COMPARER_SLOT
        join = self._roster.comparer_joined if is_comparer else partial(self._roster.joined, hello.slot)
        self._seats[channel] = join(hello.pid, hello.revision, hello.run)
        if is_comparer:
            self._tell_known(channel)
        # Last: what the comparer finds from now on is not part of what it was told.
        channel.tell(Recorded(self._recorder.last_of(hello.run)))
        self._bring_up_to_date(channel)

    def _tell_known(self, channel: Channel[Up]) -> None:
        try:
            channel.tell(Known(self._known()))
        except LinkError as error:  # it can learn all of it again
            log.warning("known_untold", reason=str(error))

    def tell_known(self) -> None:
        """Tell the comparer anew what was found before: some of it does not count any more."""
        for channel, seat in self._seats.items():
            if seat is not None and seat is self._roster.comparer:
                self._tell_known(channel)

    def _report(self, seat: Seat, status: Status) -> None:
        seat.connections, seat.in_flight, seat.endpoints = status.connections, status.in_flight, status.endpoints
        seat.backend_connections = status.backend_connections
        seat.journal_bytes = status.journal_bytes
        dropped = {
            "link": status.link_dropped,
            "access_log": status.log_dropped,
            "spans": status.traced_dropped,
            "journal": status.journal_dropped,
        }
        self._roster.lost(seat, dropped)
        self._roster.drains(seat, is_draining=status.draining)

    def _bring_up_to_date(self, channel: Channel[Up]) -> None:
        """Send the newest table, if this worker has introduced itself, reads, and was not sent it before."""
        if self._seats.get(channel) is None or channel.is_clogged or self._sent.get(channel) == self._serial:
            return
        if self._frame:
            self._sent[channel] = self._serial
            channel.send(self._frame)

    def _forget(self, channel: Channel[Up]) -> None:
        self._sent.pop(channel, None)
        seat = self._seats.pop(channel, None)
        if seat is not None:
            self._roster.left(seat)
        if not self._seats:
            self._empty.set()
