"""A data plane without sockets: in-memory wires on both sides, and time that moves when a test moves it.

A `Wire` stands in for a transport and is stricter than a real one: it raises when something is written after the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from gateway.core.types import (
    AccessLog,
    Backend,
    BackendTimeouts,
    ClientTimeouts,
    Endpoint,
    Limits,
    Match,
    Override,
    Route,
    ServerPolicy,
    Table,
)
from gateway.proxy.backend import BackendConnection
from gateway.proxy.client import ClientConnection
from gateway.proxy.plane import DataPlane

CLIENT = ("203.0.113.9", 40000)

# Nobody listens there: what can't be had from the wires is refused at once.
NOWHERE = Endpoint("http://127.0.0.1:1", "127.0.0.1", 1)


class Wire(asyncio.Transport):
    """A transport in memory. ``written`` is what the other end would have got."""

    def __init__(self, peer: tuple[str, int] = CLIENT) -> None:
        super().__init__({"peername": peer})
        self.written = b""
        self.reads = True
        self.has_eof = False
        self.is_aborted = False
        self.is_lost = False
        self._is_closing = False
        self._protocol: asyncio.Protocol

    def join(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, sent: Any) -> None:
        if self._is_closing or self.has_eof:
            raise RuntimeError("written after the end")
        self.written += bytes(sent)

    def take(self) -> bytes:
        """What was written since the last time."""
        written, self.written = self.written, b""
        return written

    def write_eof(self) -> None:
        self.has_eof = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.lose)

    def abort(self) -> None:
        self.is_aborted = True
        self.close()

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone, as the loop tells it: once."""
        self._is_closing = True
        if not self.is_lost:
            self.is_lost = True
            self._protocol.connection_lost(error)


def table() -> Table:
    """One route for everything, to one backend; limits and time-outs that a test can reach."""
    timeouts = BackendTimeouts(connect=1, response=2, idle=3, tunnel=4)
    legacy = Backend("legacy", (NOWHERE,), timeouts, connections=16, eject=None)
    policy = ServerPolicy(
        trusted_proxies=(),
        override=Override((), ""),
        expose=False,
        access_log=AccessLog.OFF,
        limits=Limits(header_bytes=8192, header_count=50, body=0, connections=100),
        timeouts=ClientTimeouts(header=1, idle=2, drain=1),
    )
    return Table("fuzz", policy, (legacy,), (), (Route("all", Match(), "legacy"),))


class Stage:
    """A data plane that serves a table; clients and backends join by wire."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        plane.wheel.stop()  # time moves by `pass_seconds` only

    def client(self) -> tuple[ClientConnection, Wire]:
        """A client that has just connected."""
        client, wire = ClientConnection(self.plane, is_tls=False), Wire()
        wire.join(client)
        return client, wire

    def backend(self) -> tuple[BackendConnection, Wire]:
        """A connection that idles in the pool; the next request takes it."""
        pool = self.plane.generation.pools["legacy"]
        connection, wire = BackendConnection(pool, pool.endpoints[0]), Wire(("127.0.0.1", 9001))
        wire.join(connection)
        connection.is_counted = True
        pool.connections += 1
        pool.endpoints[0].idle.append(connection)
        return connection, wire

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass; what is due expires."""
        self.plane.wheel.turn(self.plane.wheel.now + seconds)


@contextlib.asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """A stage that serves `table`; nothing of it is left afterwards."""
    plane = DataPlane([])
    await plane.start(table())
    stage = Stage(plane)
    try:
        yield stage
    finally:
        await plane.drain(0)
        await settle()


async def settle(turns: int = 5) -> None:
    """Let the loop carry out what was called for soon."""
    for _ in range(turns):
        await asyncio.sleep(0)
