"""A data plane without sockets: transports in memory on both sides, and time that moves when a test moves it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gateway.core.types import (
    AccessLog,
    Backend,
    BackendTimeouts,
    ClientTimeouts,
    Eject,
    Endpoint,
    Limits,
    Match,
    Override,
    Rollout,
    Route,
    ServerPolicy,
    Table,
)
from gateway.proxy.backend import BackendConnection
from gateway.proxy.client import ClientConnection
from gateway.proxy.plane import DataPlane

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.proxy.journaling import Journaling
    from gateway.proxy.pairs import PairLink
    from gateway.proxy.pool import Pool

GET = b"GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n"
UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

PATIENCE_SECONDS = 30.0
"""For what happens on real sockets, in its own time."""


def endpoint(port: int = 9001, host: str = "127.0.0.1") -> Endpoint:
    """An endpoint on this machine."""
    return Endpoint(f"http://{host}:{port}", host, port)


def backend(name: str = "legacy", **changes: Any) -> Backend:
    """A backend of one endpoint: 30 s for an answer, 60 s between two parts of one, 1 s for a connection."""
    fields: dict[str, Any] = {
        "name": name,
        "endpoints": (endpoint(),),
        "timeouts": BackendTimeouts(connect=1, response=30, idle=60, tunnel=300),
        "connections": 10,
        "eject": Eject(5, 30),
    }
    return Backend(**fields | changes)


def table(
    *backends: Backend,
    revision: str = "1",
    routes: tuple[Route, ...] = (),
    rollouts: tuple[Rollout, ...] = (),
    **changes: Any,
) -> Table:
    """Everything goes to the first backend, unless there are ``routes``; ``changes`` are the server's."""
    policy: dict[str, Any] = {
        "trusted_proxies": (),
        "override": Override((), ""),
        "expose": False,
        "access_log": AccessLog.OFF,
        "limits": Limits(header_bytes=32768, header_count=100, body=0, connections=3),
        "timeouts": ClientTimeouts(header=10, idle=60, drain=30),
    }
    backends = backends or (backend(),)
    everything = Route("all", Match(), backends[0].name)
    return Table(revision, ServerPolicy(**policy | changes), backends, rollouts, routes or (everything,))


class MemoryTransport(asyncio.Transport):
    """Notes what a connection does to it. That a connection is lost is for the test to say."""

    def __init__(self, peer: str = "127.0.0.1", *, can_half_close: bool = True) -> None:
        super().__init__({"peername": (peer, 4711)})
        self.written = b""
        self.unsent = 0
        """How many bytes of what was written are still in the buffer."""
        self.is_reading = True
        self.is_closed = False
        self.is_aborted = False
        self.has_ended = False
        """Whether nothing more will be written."""
        self.on_write: Callable[[bytes], object] = bytes
        """Called with each piece that was written."""
        self._can_half_close = can_half_close

    def take(self) -> bytes:
        """What was written since the last call."""
        taken, self.written = self.written, b""
        return taken

    def write(self, data: Any) -> None:
        assert not self.has_ended, "written after the end"
        if not self.is_closed:
            self.written += data
            self.on_write(data)

    def can_write_eof(self) -> bool:
        return self._can_half_close

    def write_eof(self) -> None:
        self.has_ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        assert not self.is_closed
        self.is_reading = False

    def resume_reading(self) -> None:
        assert not self.is_closed
        self.is_reading = True

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True


class Wires:
    """A data plane in force, and connections to it."""

    def __init__(self, rules: Table, pairs: PairLink | None = None, journaling: Journaling | None = None) -> None:
        self.plane = DataPlane([], pairs=pairs, journaling=journaling)
        self.plane.wheel.stop()
        self.plane.adopt(self.plane.prepare(rules))

    @property
    def pool(self) -> Pool:
        """Of the table's first backend."""
        return next(iter(self.plane.generation.pools.values()))

    def client(self, peer: str = "127.0.0.1", *, is_tls: bool = False) -> tuple[ClientConnection, MemoryTransport]:
        """A client that has connected."""
        client = ClientConnection(self.plane, is_tls=is_tls)
        transport = MemoryTransport(peer, can_half_close=not is_tls)
        client.connection_made(transport)
        return client, transport

    def backend(self, *, served: int = 0) -> tuple[BackendConnection, MemoryTransport]:
        """A connection that idles in the pool; ``served`` so many requests before."""
        pool = self.pool
        connection = BackendConnection(pool, pool.endpoints[0])
        transport = MemoryTransport()
        connection.connection_made(transport)
        connection.is_counted = True
        connection.served = served
        pool.connections += 1
        pool.endpoints[0].connections.add(connection)
        pool.endpoints[0].idle.append(connection)
        return connection, transport

    def tunnel(self) -> tuple[ClientConnection, MemoryTransport, BackendConnection, MemoryTransport]:
        """Both sides of a switch of protocols, with nothing said yet."""
        backend, upstream = self.backend()
        client, transport = self.client()
        client.data_received(UPGRADE)
        backend.data_received(SWITCHED)
        transport.take()
        upstream.take()
        return client, transport, backend, upstream

    def pass_time(self, seconds: float) -> None:
        """Let time pass, at once."""
        self.plane.wheel.turn(self.plane.wheel.now + seconds)


async def turn_over() -> None:
    """Let the loop take up what has been put off to its next turns."""
    for _ in range(5):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
    """Return when ``condition`` holds; fail when it never does."""
    deadline = loop.time() + PATIENCE_SECONDS
    while not condition():
        assert loop.time() < deadline, "it never came to that"
        await asyncio.sleep(0.001)
