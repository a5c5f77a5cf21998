"""A baseline, a candidate that gets everything, and clients, all in memory."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gateway.core.types import Breaker, Failover, Hash, KeyKind, KeySource, Match, MissingKey, Mode, Rollout, Route
from gateway.proxy.backend import BackendConnection
from tests.proxy.wiring import MemoryTransport, Wires, backend, endpoint, table

if TYPE_CHECKING:
    from gateway.core.figures import PathFigures, Subject
    from gateway.core.shadowing import Shadow
    from gateway.core.types import Table
    from gateway.proxy.client import ClientConnection
    from gateway.proxy.pairs import PairLink
    from gateway.proxy.pool import Pool

ERROR = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\noops"
ALWAYS = Rollout(
    "shop", Mode.LIVE, ((KeySource(KeyKind.CLIENT_IP),),), MissingKey.BASELINE, "shop", Hash.MURMUR3, (), 100.0
)
ROUTE = Route("all", Match(), "legacy", "new", "shop")
KINDS = frozenset({"connect", "timeout", "reset", "protocol"})
FAILOVER = Failover(KINDS, frozenset({500, 503}), frozenset({"GET", "HEAD"}), budget=20, buffer_bytes=100)


def pair_table(
    *,
    failover: Failover | None = None,
    breaker: Breaker | None = None,
    shadow: Shadow | None = None,
    rollout: Rollout = ALWAYS,
    routes: tuple[Route, ...] = (),
    **changes: Any,
) -> Table:
    """Everything goes to ``new``, with this failover and breaker, and is copied like this."""
    route = replace(ROUTE, failover=failover, breaker=breaker, shadow=shadow)
    backends = (backend(), backend("new", endpoints=(endpoint(9002),)))
    return table(*backends, routes=(*routes, route), rollouts=(rollout,), **changes)


def connect(pool: Pool, *, served: int = 0) -> tuple[BackendConnection, MemoryTransport]:
    """A connection that idles in this pool."""
    connection, transport = BackendConnection(pool, pool.endpoints[0]), MemoryTransport()
    connection.connection_made(transport)
    connection.is_counted = True
    connection.served = served
    pool.connections += 1
    pool.endpoints[0].connections.add(connection)
    pool.endpoints[0].idle.append(connection)
    return connection, transport


class Pair(Wires):
    """See the module. ``candidate`` and ``baseline`` are the connections that idle in their pools at the start."""

    def __init__(self, pairs: PairLink | None = None, **fields: Any) -> None:
        super().__init__(pair_table(**fields), pairs)
        self._passed_seconds = 0.0
        self._set_clock()
        self.clients: list[ClientConnection] = []
        self.candidate, self.to_candidate = self.connection("new")
        self.baseline, self.to_baseline = self.connection("legacy")

    def pool_of(self, name: str) -> Pool:
        """The backend's."""
        return self.plane.generation.pools[name]

    def connection(self, name: str, *, served: int = 0) -> tuple[BackendConnection, MemoryTransport]:
        """A further connection that idles in the pool of a backend."""
        return connect(self.pool_of(name), served=served)

    def new_candidate(self) -> None:
        """The candidate's former connection is gone; here is another."""
        self.candidate, self.to_candidate = self.connection("new")

    def ask(self, fields: bytes = b"", *, path: bytes = b"/a", method: bytes = b"GET") -> MemoryTransport:
        """A request on a connection of its own; what is written to its client."""
        return self.send(b"%b %b HTTP/1.1\r\nHost: example.com\r\n%b\r\n" % (method, path, fields))

    def send(self, request: bytes) -> MemoryTransport:
        """As `ask`, with bytes as they are."""
        client, transport = self.client()
        self.clients.append(client)
        client.data_received(request)
        return transport

    def asked_candidate(self) -> int:
        """How many requests the candidate's connection has got since the last `take_asked`."""
        return self.to_candidate.written.count(b" HTTP/1.1\r\n")

    def asked_baseline(self) -> int:
        """How many the baseline's has got."""
        return self.to_baseline.written.count(b" HTTP/1.1\r\n")

    def take_asked(self) -> None:
        """Forget what was asked so far."""
        self.to_candidate.take()
        self.to_baseline.take()

    def take(self) -> dict[Subject, PathFigures]:
        """What was counted since the last call."""
        return {each.subject: each.figures for each in self.plane.counters.take()}

    def pass_time(self, seconds: float) -> None:
        """Breakers read a clock of their own."""
        super().pass_time(seconds)
        self._passed_seconds += seconds

    def _set_clock(self) -> None:
        self.plane.generation.breakers.clock = lambda: monotonic() + self._passed_seconds

    def adopt(self, rules: Table) -> None:
        """Serve by other rules from now on."""
        self.plane.adopt(self.plane.prepare(rules))
        self._set_clock()
