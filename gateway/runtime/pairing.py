"""The worker's end of the way to the comparer: pairs go out in batches, and nothing here ever waits or raises.

The bytes are those of the link (`gateway.runtime.link`): frames, each with the msgpack of a `Pair`. They go one way
only, but for one byte by which the comparer says that it is there: a connection alone says little, because the master
listens on also while no comparer lives. Without that byte, or while the comparer reads more slowly than pairs come,
there is no room, and whoever has a pair counts it as skipped. What was under way when a connection broke is counted by
``on_lost``: it is a sample, so it is not sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from typing import TYPE_CHECKING, cast

import msgspec

from gateway.errors import LinkError
from gateway.runtime.connection import stay_connected
from gateway.runtime.link import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.shadowing import Pair

BATCH_BYTES = 64 * 1024
"""So much is written at once; less waits for the loop's next turn only."""

CLOGGED_BYTES = 1024 * 1024
"""With so much unsent no further copies are begun, until three quarters of it are gone …"""

UNSENT_BYTES = 8 * 1024 * 1024
"""… and for those under way there is room up to this. Only a pair that is larger by itself may be over it, alone."""

FLUSH_SECONDS = 1.0
"""How long a stopping worker waits for the comparer to read what is left."""


class PairSender(asyncio.Protocol):
    """The connection to the comparer that listens at ``address``; a `gateway.proxy.pairs.PairLink`.

    ``on_lost`` gets route, path and number of pairs that were taken but did not leave this process. Twins are not among
    them: they are nobody's copies.
    """

    def __init__(self, address: str | bytes, on_lost: Callable[[str, str, int], None]) -> None:
        self.has_room = False
        """Whether it takes another pair now."""
        self._address = address
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._is_greeted = False
        self._is_closing = False
        self._ended = asyncio.Event()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._offered_bytes = 0
        self._unsent: deque[tuple[int, str, str]] = deque()
        """Of each pair that may not have left yet: where it ends in all that was offered, its route, its path."""
        self._encode = msgspec.msgpack.Encoder().encode

    async def run(self) -> None:
        """Hold a connection, for ever."""
        await stay_connected(self._address, lambda: self, self._ended)

    async def close(self) -> None:
        """End the connection when all is sent, at the latest after `FLUSH_SECONDS`; `run` must have ended before."""
        self.has_room = False
        if self._transport is None:
            return
        self._flush()
        self._is_closing = True
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._ended.wait()
                return
        self._settle()
        self._report_lost()
        self._transport.abort()
        await self._ended.wait()

    def offer(self, pair: Pair) -> bool:
        """Send a pair; False when there is no room, or no link carries it."""
        if self._transport is None or not self._is_greeted or self._is_closing:
            return False
        try:
            packed = frame(self._encode(pair), "Pair")
        except (LinkError, ValueError):
            return False
        unsent = self._batch_bytes + self._transport.get_write_buffer_size()
        if unsent and unsent + len(packed) > UNSENT_BYTES:
            return False
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append(packed)
        self._batch_bytes += len(packed)
        self._offered_bytes += len(packed)
        if not pair.is_twin:
            self._unsent.append((self._offered_bytes, pair.route, pair.path))
        if self._batch_bytes >= BATCH_BYTES:
            self._flush()
        return True

    def _flush(self) -> None:
        """Write the batch."""
        if self._transport is None or not self._batch:
            return
        self._settle()
        batch = b"".join(self._batch)
        self._batch.clear()
        self._batch_bytes = 0
        self._transport.write(batch)

    def _settle(self) -> None:
        """Forget the pairs that have left."""
        assert self._transport is not None  # noqa: S101 - those who call have looked
        sent_bytes = self._offered_bytes - self._batch_bytes - self._transport.get_write_buffer_size()
        while self._unsent and self._unsent[0][0] <= sent_bytes:
            self._unsent.popleft()

    def _report_lost(self) -> None:
        lost = Counter((route, path) for _, route, path in self._unsent)
        self._unsent.clear()
        for (route, path), count in lost.items():
            self._on_lost(route, path, count)

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nobody has accepted yet."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        self._transport.set_write_buffer_limits(high=CLOGGED_BYTES)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - that it speaks is all it says
        """The comparer is there."""
        self._is_greeted = self.has_room = True

    def pause_writing(self) -> None:
        """It reads more slowly than pairs come."""
        self.has_room = False

    def resume_writing(self) -> None:
        """It has caught up."""
        self.has_room = self._is_greeted and not self._is_closing

    def eof_received(self) -> None:
        """It is gone: the last moment in which we can tell what has left."""
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever had not left is lost."""
        if exc is None and self._is_closing:
            self._unsent.clear()
        self._transport = None
        self.has_room = self._is_greeted = False
        self._batch.clear()
        self._batch_bytes = self._offered_bytes = 0
        self._report_lost()
        self._ended.set()
