"""The data plane of one worker: its connections, its present generation, and how both come and go."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Final, TypedDict

from gateway.errors import Stopping
from gateway.proxy.copying import Means
from gateway.proxy.counting import Counters
from gateway.proxy.generation import Generation
from gateway.proxy.listener import Acceptor, Listener
from gateway.proxy.order import Order, Tickets
from gateway.proxy.tee import Allowance
from gateway.proxy.tracing import TracedRequests
from gateway.proxy.turnstile import Turnstile
from gateway.proxy.waiting import measure_waiting
from gateway.proxy.wheel import TICK_SECONDS, TimerWheel
from gateway.telemetry.access_log import AccessLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.figures import Subject
    from gateway.core.histogram import Buckets
    from gateway.core.types import Table
    from gateway.proxy.client import ClientConnection
    from gateway.proxy.journaling import Journaling
    from gateway.proxy.pairs import PairLink
    from gateway.telemetry.turns import Turns

# The descriptor itself: `sys.stdout` is None when it was closed at the start.
_STDOUT: Final = 1

# However long the clients took, their copies have so long: some may be writes that only one arm has had.
_LAST_COPIES_SECONDS: Final = 1.0

# How long a stopping worker still takes what the kernel had accepted for it.
_LAST_CALL_SECONDS: Final = 0.05


class Figures(TypedDict):
    """What a worker tells of itself: ``endpoints`` says of each backend which of its endpoints are healthy."""

    connections: int
    backend_connections: int
    in_flight: int
    endpoints: dict[str, dict[str, bool]]
    log_dropped: int


class DataPlane:
    """Accepts on ``listeners`` and serves by the table that it was given last. Made within a running loop.

    ``log_turns`` are those of all processes that write an access log to the same standard output. Nothing is copied
    without ``pairs``; ``tickets`` are this worker's in the order of all workers' copies. No writes are kept without
    ``journaling``.
    """

    generation: Generation

    def __init__(
        self,
        listeners: Sequence[Listener],
        log_turns: Turns | None = None,
        pairs: PairLink | None = None,
        tickets: Tickets | None = None,
        journaling: Journaling | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.wheel = TimerWheel(self.loop)
        self._acceptors = [Acceptor(self, listener) for listener in listeners]
        self.counters = Counters()
        self.traced = TracedRequests()
        self._allowance = Allowance()
        self._means: Means | None = None
        if pairs is not None:
            turnstile = Turnstile(tickets or Tickets(Order(1), 0))
            self._means = Means(pairs, turnstile, self._allowance, self.counters, set(), journaling)
        self._journaling = journaling
        self._clients: set[ClientConnection] = set()
        self._retired: list[Generation] = []
        self._access_log = AccessLog(_STDOUT, log_turns)
        self._is_accepting = False
        self._is_draining = False
        self._is_empty = asyncio.Event()
        self._accepting: asyncio.Task[None] | None = None

    # Tables.

    def prepare(self, table: Table) -> Generation:
        """Make ``table`` ready: the costly part of a reload, which may run in another thread."""
        former = getattr(self, "generation", None)
        return Generation(table, former, self.wheel, self.counters, self.traced, self._means)

    def adopt(self, generation: Generation) -> None:
        """Serve new requests by ``generation``; those under way end by the one that they began with."""
        former = getattr(self, "generation", None)
        self.generation = generation
        generation.start(self._access_log.write)
        if self._means is not None:
            self._means.adopt(generation.table)
        if self._journaling is not None:
            self._journaling.adopt(generation.table)
        if former is not None:
            former.retire(generation)
            self._retired = [old for old in [*self._retired, former] if old.in_flight]

    async def start(self, table: Table) -> None:
        """Serve by ``table`` and begin to accept."""
        self.adopt(self.prepare(table))
        self._is_accepting = True
        for acceptor in self._acceptors:
            await acceptor.start()

    # Connections.

    def admit(self, client: ClientConnection) -> None:
        """A connection was accepted."""
        self._clients.add(client)
        if self._is_draining:
            client.drain()
        elif self._is_accepting and len(self._clients) >= self.generation.limits.connections:
            self._is_accepting = False
            self._pause()

    def _pause(self) -> None:
        for acceptor in self._acceptors:
            acceptor.pause()

    def dismiss(self, client: ClientConnection) -> None:
        """A connection is gone."""
        self._clients.discard(client)
        if not self._clients:
            self._is_empty.set()
        has_room = len(self._clients) < self.generation.limits.connections
        if not self._is_accepting and has_room and not self._is_draining:
            self._is_accepting = True
            self._accepting = self.loop.create_task(self._accept_again())

    async def _accept_again(self) -> None:
        for acceptor in self._acceptors:
            if self._is_accepting:
                await acceptor.start()
        if not self._is_accepting:  # they came faster than this
            self._pause()

    # The end.

    async def drain(self, seconds: float | None = None) -> int:
        """Take nothing new, finish what is under way for at most ``seconds`` (by default the table's), then end.

        Returns how many requests were cut off.
        """
        await asyncio.sleep(_LAST_CALL_SECONDS)
        self._is_draining = True
        self._is_accepting = False
        self._is_empty.clear()
        for acceptor in self._acceptors:
            acceptor.stop()
        for client in [*self._clients]:
            client.drain()
        bound = self.generation.timeouts.drain if seconds is None else seconds
        ends_at = self.loop.time() + bound
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(ends_at):
                if self._clients:
                    await self._is_empty.wait()
        cut = await self._cut_off()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(max(ends_at, self.loop.time() + _LAST_COPIES_SECONDS)):
                await self._end_copies()
        self.generation.retire(None)
        if self._journaling is not None:
            await asyncio.to_thread(self._journaling.close)
        self.wheel.stop()
        self._access_log.close()
        return cut

    async def _end_copies(self) -> None:
        """Wait until none is under way."""
        while self._allowance.copies:  # noqa: ASYNC110 - it is counted on the hot path, and nobody waits but this
            await asyncio.sleep(TICK_SECONDS)

    async def _cut_off(self) -> int:
        """End the requests that are still under way: with an answer where none has begun."""
        exchanges = [client.exchange for client in self._clients if client.exchange is not None]
        for exchange in exchanges:
            exchange.fail(Stopping("the gateway stops"))
        await asyncio.sleep(0)  # for what was just written
        for client in [*self._clients]:
            client.abort()
        return len(exchanges)

    # Figures.

    def waiting(self) -> dict[Subject, Buckets]:
        """How long requests have waited for their backend's header, those of over a second; by what they count for."""
        exchanges = [client.exchange for client in self._clients if client.exchange is not None]
        return measure_waiting(exchanges, monotonic())

    def figures(self) -> Figures:
        """How it stands."""
        self._retired = [old for old in self._retired if old.in_flight]
        pools = {id(pool): pool for old in (self.generation, *self._retired) for pool in old.pools.values()}
        return {
            "connections": len(self._clients),
            "backend_connections": sum(pool.connections for pool in pools.values()),
            "log_dropped": self._access_log.dropped,
            "in_flight": self.generation.in_flight + sum(old.in_flight for old in self._retired),
            "endpoints": {
                name: {state.endpoint.url: state.is_available(pool.wheel.now) for state in pool.endpoints}
                for name, pool in self.generation.pools.items()
            },
        }
