"""The comparer's end of the way that pairs come: read no faster than they are compared.

What has been read waits in one queue, and is compared in slices of the loop's time, so that reports go on under any
load. While the queue is full nothing more is read: then the kernel's buffers fill, and then the worker's own, up to a
bound, and from there on workers skip. So the memory that pairs take here is at most `FULL_BYTES`, and for each worker
one read of the loop (256 KiB) and one frame that has begun, besides the one pair that is being compared.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

import msgspec
import structlog

from gateway.core.shadowing import Pair
from gateway.errors import LinkError
from gateway.runtime.connection import check_caller
from gateway.runtime.link import Frames

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

FULL_BYTES = 4 * 1024 * 1024
"""With so much waiting nothing more is read …"""

LOW_BYTES = 1024 * 1024
"""… until no more than this is left."""

SLICE_SECONDS = 0.02
"""So long pairs are compared before others have their turn: those who read, and those who report."""

FAILURE_LOG_SECONDS = 10.0
"""What fails for one pair may fail for all: so often it is logged, with how many there were."""

GREETING: Final = b"\x01"
"""Says to a worker that there is somebody. What it says does not matter."""

log = structlog.get_logger()


class Intake:
    """The server of workers' pairs. ``take`` compares one; what it raises is logged."""

    def __init__(self, take: Callable[[Pair], None]) -> None:
        self.waiting_bytes = 0
        self.is_full = False
        """Whether nothing more is to be read now."""
        self._take = take
        self._server: asyncio.Server | None = None
        self._sources: set[Source] = set()
        self._waiting: deque[tuple[Source, bytes]] = deque()
        self._is_working = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._failures = Failures()
        self._decode = msgspec.msgpack.Decoder(Pair).decode

    async def serve(self, listening: socket.socket) -> None:
        """Take connections of workers from ``listening``, and say so to each."""
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Source(self), sock=listening)

    async def close(self, seconds: float) -> None:
        """Take no new connections, compare what still comes over those that are open, for at most ``seconds``."""
        if self._server is not None:
            self._server.close()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            for source in list(self._sources):
                source.drop()
            self._waiting.clear()
            self.waiting_bytes = 0
            self._note_idle()
            await self._idle.wait()

    def put(self, source: Source, payload: bytes) -> None:
        """Queue what a worker sent."""
        self._waiting.append((source, payload))
        self.waiting_bytes += len(payload)
        if self.waiting_bytes >= FULL_BYTES and not self.is_full:
            self.is_full = True
            for each in self._sources:
                each.pause()
        if not self._is_working:
            self._is_working = True
            asyncio.get_running_loop().call_soon(self._work)

    def join(self, source: Source) -> None:
        """A worker has connected."""
        self._sources.add(source)
        self._idle.clear()

    def leave(self, source: Source) -> None:
        """A worker has gone; what it sent is compared all the same."""
        self._sources.discard(source)
        self._note_idle()

    def _work(self) -> None:
        """One slice."""
        end = monotonic() + SLICE_SECONDS
        while self._waiting:
            source, payload = self._waiting.popleft()
            self.waiting_bytes -= len(payload)
            self._compare(source, payload)
            if monotonic() >= end:
                break
        if self.is_full and self.waiting_bytes <= LOW_BYTES:
            self.is_full = False
            for each in self._sources:
                each.resume()
        self._is_working = bool(self._waiting)
        if self._is_working:
            asyncio.get_running_loop().call_soon(self._work)
        self._note_idle()

    def _compare(self, source: Source, payload: bytes) -> None:
        try:
            pair = self._decode(payload)
        except msgspec.DecodeError as error:
            source.refuse(str(error))
            return
        try:
            self._take(pair)
        except Exception as error:  # noqa: BLE001 - one pair that can't be compared must not cost all others
            self._failures.note(pair, error)

    def _note_idle(self) -> None:
        if not self._sources and not self._waiting:
            self._idle.set()


class Source(asyncio.Protocol):
    """A worker's connection."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def refuse(self, reason: str) -> None:
        """End the connection of one who can't be understood."""
        log.warning("pairs_refused", reason=reason)
        self.drop()

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A greeting, for our own."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        try:
            check_caller(transport)
        except LinkError as error:
            self.refuse(str(error))
            return
        self._intake.join(self)
        self._transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        """Some bytes of the stream."""
        try:
            for payload in self._frames.feed(data):
                self._intake.put(self, payload)
        except LinkError as error:
            self.refuse(str(error))
        if self._intake.is_full:  # also for one who came meanwhile
            self.pause()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a worker may go as it likes
        """Gone."""
        self._transport = None
        self._intake.leave(self)


class Failures:
    """Says what failed, now and then. Only where, and as what: an exception's own words may hold what users sent."""

    def __init__(self) -> None:
        self._count = 0
        self._logged_at = float("-inf")

    def note(self, pair: Pair, error: Exception) -> None:
        """A pair could not be compared."""
        self._count += 1
        now = monotonic()
        if now - self._logged_at < FAILURE_LOG_SECONDS:
            return
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "pair_failed",
            error=type(error).__name__,
            place=f"{place.filename}:{place.lineno}",
            route=pair.route,
            path=pair.path,
            request_id=pair.request_id,
            count=self._count,
        )
        self._count, self._logged_at = 0, now
