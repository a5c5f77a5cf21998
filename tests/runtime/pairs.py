"""What tests of the way of pairs share: pairs, and a worker's end that is connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from gateway.core.shadowing import Pair, Reply
from gateway.runtime.pairing import PairSender

HEAD = b"Content-Type: application/json\r\n"


def pair(number: int = 0, body: bytes = b"{}", route: str = "shop") -> Pair:
    """Two equal answers; ``number`` names the request."""
    reply = Reply(200, HEAD, body)
    return Pair(route, "/a", "GET", str(number), 1.5, reply, reply)


async def until(holds: Callable[[], object]) -> None:
    """Wait until ``holds``."""
    while not holds():
        await asyncio.sleep(0.002)


class Lost(list[tuple[str, str, int]]):
    """What a sender says is lost."""

    def note(self, route: str, path: str, count: int) -> None:
        """As the sender calls it."""
        self.append((route, path, count))


@asynccontextmanager
async def sending(address: str | bytes) -> AsyncIterator[tuple[PairSender, Lost]]:
    """A sender that knocks at ``address``, and what it lost."""
    lost = Lost()
    sender = PairSender(address, lost.note)
    task = asyncio.ensure_future(sender.run())
    try:
        yield sender, lost
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sender.close()
