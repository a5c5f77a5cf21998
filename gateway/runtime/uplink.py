"""A worker's end of the link: gets tables, says what is applied, how it stands and what it counted.

The comparer has one, too. Its end also says what was found, and hears what was known before.

A worker never waits for its link. If the controller is gone the worker goes on with the table that it has, and knocks
again and again; status messages that a clogged link can't take are dropped and counted. Counts are not dropped: one
batch is under way until it is known to be recorded, and meanwhile the worker goes on counting. Each says under which
table its counting began, so that what was counted before a change is not taken for what came of it. A message that no
link carries is dropped and counted whatever it is: no report ever ends a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from typing import TYPE_CHECKING

import msgspec
import structlog

from gateway.errors import LinkError
from gateway.proxy.counting import MOST_AT_ONCE
from gateway.runtime.channel import Channel
from gateway.runtime.connection import stay_connected
from gateway.runtime.link import (
    Applied,
    Counts,
    Down,
    Failed,
    Hello,
    Known,
    Message,
    NewTable,
    Seen,
    Status,
    Tallied,
    Traced,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.failures import FailedRequest
    from gateway.core.figures import Counted, Subject
    from gateway.core.histogram import Buckets
    from gateway.core.tallies import PathTally
    from gateway.core.trace_context import TracedRequest

log = structlog.get_logger()


class Uplink:
    """The connection of worker ``slot`` to the controller that listens at ``address``.

    ``arrived`` gets each table, ``learnt`` what was found before, on each connection of a comparer. The link is up to
    date with what the worker serves through `applied`.
    """

    def __init__(
        self,
        address: str | bytes,
        slot: int,
        arrived: Callable[[NewTable], None],
        learnt: Callable[[tuple[PathTally, ...]], None] = lambda _paths: None,
    ) -> None:
        self.dropped = 0
        self.traced_dropped = 0
        self._address = address
        self._slot = slot
        self._arrived = arrived
        self._learnt = learnt
        self._revision = ""
        self._channel: Channel[Down] | None = None
        self._ended = asyncio.Event()
        self._last_status: Status | None = None
        self.run_id = secrets.randbits(63)
        self._sequence = 0
        self._serial = 0
        """Of the table that is in force; 0 before the first."""
        self._counting_under = 0
        """Of the one that was when the counting of the next batch began."""
        self._under_way: Counts | None = None
        self._has_waiting = False
        self._is_greeted = False
        self._recorded = asyncio.Event()
        self._decoder: msgspec.msgpack.Decoder[Down] = msgspec.msgpack.Decoder(Down)

    async def run(self) -> None:
        """Hold a connection, for ever."""
        await stay_connected(self._address, self._make_channel, self._ended)

    async def close(self) -> None:
        """End the connection, if there is one; `run` must have ended before."""
        if self._channel is not None:
            self._channel.drop()
            await self._ended.wait()

    def applied(self, table: NewTable) -> None:
        """Say that ``table`` is served from now on."""
        self._revision, self._serial = table.table.revision, table.serial
        self._counting_under = self._counting_under or table.serial  # before the first nothing was counted
        if self._channel is not None:
            self._channel.tell(Applied(table.serial))

    def report(self, status: Status) -> None:
        """Say how the worker stands, if that is news and the link takes it."""
        status = msgspec.structs.replace(status, link_dropped=self.dropped)
        if self._channel is None or status == self._last_status:
            return
        if self._channel.is_clogged:
            self.dropped += 1
            return
        self._last_status = status
        if not _tell(self._channel, status):
            self.dropped += 1

    def send_traced(self, requests: tuple[TracedRequest, ...]) -> None:
        """Send on requests that were traced; what the link can't take is lost, and counted."""
        if not requests:
            return
        if self._channel is None or self._channel.is_clogged or not _tell(self._channel, Traced(requests)):
            self.traced_dropped += len(requests)

    def send_failed(self, requests: tuple[FailedRequest, ...]) -> None:
        """Send on requests that the candidate failed; they are samples, so what the link can't take is no loss."""
        if requests and self._channel is not None and not self._channel.is_clogged:
            _tell(self._channel, Failed(requests))

    def send_seen(self, places: dict[str, tuple[float, ...]]) -> None:
        """Send on the places of users; what the link can't take is seen again in a while."""
        if places and self._channel is not None and not self._channel.is_clogged:
            _tell(self._channel, Seen(places))

    def send_waiting(self, ages: dict[Subject, Buckets]) -> None:
        """Say how long requests wait, if any do or did at the last time; what the link can't take is said again."""
        if (ages or self._has_waiting) and self._channel is not None and not self._channel.is_clogged:
            self._has_waiting = bool(ages)
            _tell(self._channel, Waiting(ages))

    def send_tallied(self, take: Callable[[], tuple[PathTally, ...]]) -> None:
        """Send what ``take`` hands over; it is not asked before the other end has said what it knows."""
        if self._channel is None or not self._is_greeted or self._channel.is_clogged:
            return
        if (paths := take()) and not _tell(self._channel, Tallied(paths)):
            self.dropped += 1

    def send_counts(self, take: Callable[[], tuple[Counted, ...]]) -> None:
        """Send what ``take`` hands over, if the batch before has arrived."""
        if self._channel is None or not self._is_greeted or self._under_way is not None:
            return
        counted, serial = take(), self._counting_under
        if len(counted) < MOST_AT_ONCE:  # else there is a rest, which was counted in the same time
            self._counting_under = self._serial
        if not counted:
            return
        batch = Counts(self._sequence + 1, counted, serial)
        if _tell(self._channel, batch):
            self._sequence, self._under_way = batch.sequence, batch
        else:
            self.dropped += 1

    async def flush_counts(self, take: Callable[[], tuple[Counted, ...]], seconds: float) -> None:
        """Send all that is left, and wait until it is recorded; for at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self.send_counts(take)
                while self._under_way is not None or not self._is_greeted:
                    self._recorded.clear()
                    await self._recorded.wait()
                    self.send_counts(take)

    def _make_channel(self) -> Channel[Down]:
        return Channel(self._decoder, self._receive, self._lose, self._introduce)

    def _introduce(self, channel: Channel[Down]) -> None:
        self._channel, self._last_status = channel, None
        channel.tell(Hello(self._slot, os.getpid(), self._revision, self.run_id))

    def _receive(self, channel: Channel[Down], message: Down) -> None:
        if isinstance(message, NewTable):
            self._arrived(message)
        elif isinstance(message, Known):
            self._learnt(message.paths)
        else:
            self._note_recorded(channel, message.sequence)

    def _note_recorded(self, channel: Channel[Down], sequence: int) -> None:
        if self._under_way is not None and self._under_way.sequence <= sequence:
            self._under_way = None
        if self._under_way is not None and not self._is_greeted:
            channel.tell(self._under_way)  # the connection before broke with it
        self._is_greeted = True
        self._recorded.set()

    def _lose(self, _channel: Channel[Down]) -> None:
        self._channel = None
        self._is_greeted = False
        self._ended.set()


def _tell(channel: Channel[Down], message: Message) -> bool:
    """Send ``message``; False when no link carries it."""
    try:
        channel.tell(message)
    except LinkError as error:
        log.warning("report_lost", reason=str(error))
        return False
    return True
