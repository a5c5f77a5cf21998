"""A pool gives each request a connection to the endpoint that has the least to do, and keeps those that work."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway.core.types import BackendTimeouts, BackendTls, Eject, Endpoint
from gateway.errors import BackendError, BackendTimeout, Overloaded, ProxyError
from gateway.proxy.pool import Pool
from tests.proxy.wiring import Wires, backend, endpoint, table, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway.proxy.backend import BackendConnection


class Asking:
    """What the pool sees of an exchange."""

    def __init__(self) -> None:
        self.is_waiting = True
        self.connection: BackendConnection | None = None
        self.error: ProxyError | None = None

    def on_connection(self, connection: BackendConnection) -> None:
        self.is_waiting, self.connection = False, connection

    def on_no_connection(self, error: ProxyError) -> None:
        self.is_waiting, self.error = False, error

    @property
    def is_answered(self) -> bool:
        return not self.is_waiting


@asynccontextmanager
async def listening(count: int = 1) -> AsyncIterator[list[int]]:
    """Servers that accept and say nothing; their ports."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(asyncio.Protocol, "127.0.0.1", 0) for _ in range(count)]
    yield [server.sockets[0].getsockname()[1] for server in servers]
    for server in servers:
        server.close()


def closed_port() -> int:
    """A port that refuses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pool_of(*ports: int, connections: int = 4, eject: Eject | None = None) -> Wires:
    """A plane whose only backend has these endpoints."""
    endpoints = tuple(endpoint(port) for port in ports)
    return Wires(table(backend(endpoints=endpoints, connections=connections, eject=eject)))


async def close(wires: Wires, *connections: BackendConnection | None) -> None:
    """End the plane, and what it does not know of because no exchange has it."""
    for connection in connections:
        if connection is not None:
            connection.abort()
    await wires.plane.drain(0)
    await until(lambda: wires.pool.connections == 0, wires.plane.loop)


async def ask(wires: Wires) -> Asking:
    """Ask the pool, and wait for what it says."""
    asking = Asking()
    connection = wires.pool.acquire(asking)  # type: ignore[arg-type]
    if connection is not None:
        asking.on_connection(connection)
    await until(lambda: asking.is_answered, wires.plane.loop)
    return asking


async def test_an_idle_connection_is_used_again() -> None:
    """The one that came back last: it is the least likely to have gone stale."""
    async with listening() as ports:
        wires = pool_of(*ports)
        first = (await ask(wires)).connection
        assert first is not None
        first.is_reusable = True

        wires.pool.release(first)

        assert (await ask(wires)).connection is first
        assert wires.pool.connections == 1
        await close(wires, first)


async def test_the_endpoint_with_the_least_in_flight_is_chosen_and_ties_go_round() -> None:
    """Four requests over two endpoints: two each; the one that gets rid of its own gets the next."""
    async with listening(2) as ports:
        wires = pool_of(*ports)

        taken = [(await ask(wires)).connection for _ in range(4)]

        assert [state.in_flight for state in wires.pool.endpoints] == [2, 2]
        freed = taken[0]
        assert freed is not None
        wires.pool.release(freed)
        again = (await ask(wires)).connection
        assert again is not None
        assert again.endpoint is freed.endpoint
        await close(wires, *taken, again)


async def test_a_refused_connection_is_tried_at_the_other_endpoints() -> None:
    """Nothing has been sent: any request may be tried again. The failure counts."""
    async with listening() as ports:
        wires = pool_of(closed_port(), *ports)

        connections = [(await ask(wires)).connection for _ in range(3)]

        assert {connection.endpoint for connection in connections if connection} == {wires.pool.endpoints[1]}
        assert len(connections) == 3
        assert wires.pool.endpoints[0].failures > 0
        await close(wires, *connections)


async def test_without_any_endpoint_the_request_fails() -> None:
    """502, kind ``connect``; the place is free again."""
    wires = pool_of(closed_port(), closed_port())

    asking = await ask(wires)

    assert isinstance(asking.error, BackendError)
    assert asking.error.kind == "connect"
    assert wires.pool.connections == 0
    await wires.plane.drain(0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(), "the backend refused the connection"),
        (ssl.SSLCertVerificationError("10.0.0.1"), "the backend's certificate is not trusted"),
        (ssl.SSLError("10.0.0.1"), "the backend could not be spoken to by TLS"),
        (socket.gaierror("new.internal"), "the backend's name means no address"),
    ],
)
async def test_why_there_is_no_connection_is_told_without_names(error: OSError, told: str) -> None:
    """A certificate that expired is mended elsewhere than a service that is down; clients need not know where."""
    wires = pool_of(9)

    async def fail(_connect: object) -> BackendConnection:
        raise error

    wires.pool.endpoints[0].resolver.reach = fail  # type: ignore[method-assign, assignment]

    assert str((await ask(wires)).error) == told
    await wires.plane.drain(0)


async def test_at_the_bound_requests_wait_for_a_connection_that_comes_back() -> None:
    """The first in the queue gets it."""
    async with listening() as ports:
        wires = pool_of(*ports, connections=1)
        held = (await ask(wires)).connection
        assert held is not None
        waiting = [Asking(), Asking()]
        for each in waiting:
            assert wires.pool.acquire(each) is None  # type: ignore[arg-type]

        held.is_reusable = True
        wires.pool.release(held)

        assert waiting[0].connection is held
        assert waiting[1].is_waiting
        wires.pool.leave(waiting[1])  # type: ignore[arg-type]
        await close(wires, held)


async def test_at_the_bound_requests_wait_no_longer_than_for_a_connection() -> None:
    """Then they are told that everything is busy; one that has left is not."""
    async with listening() as ports:
        wires = pool_of(*ports, connections=1)
        held = (await ask(wires)).connection
        waiting, left = Asking(), Asking()
        for each in (waiting, left):
            wires.pool.acquire(each)  # type: ignore[arg-type]
        wires.pool.leave(left)  # type: ignore[arg-type]

        wires.pass_time(2)

        assert isinstance(waiting.error, Overloaded)
        assert left.error is None
        await close(wires, held)


async def test_a_connection_that_is_lost_makes_room_for_the_queue() -> None:
    """A fresh one is opened for who waits."""
    async with listening() as ports:
        wires = pool_of(*ports, connections=1)
        held = (await ask(wires)).connection
        assert held is not None
        waiting = Asking()
        wires.pool.acquire(waiting)  # type: ignore[arg-type]

        held.abort()
        await until(lambda: waiting.is_answered, wires.plane.loop)

        assert waiting.connection is not None
        assert waiting.connection is not held
        assert wires.pool.connections == 1
        await close(wires, waiting.connection)


async def test_a_connection_for_someone_who_has_left_serves_the_next() -> None:
    """It was opened; it idles."""
    async with listening() as ports:
        wires = pool_of(*ports)
        asking = Asking()
        wires.pool.acquire(asking)  # type: ignore[arg-type]

        asking.is_waiting = False
        await until(lambda: wires.pool.endpoints[0].idle, wires.plane.loop)

        assert wires.pool.endpoints[0].in_flight == 0
        await close(wires, *wires.pool.endpoints[0].idle)


async def test_failures_in_a_row_eject_an_endpoint_but_never_the_last() -> None:
    """It rests for its time, then it is tried again."""
    async with listening(2) as ports:
        wires = pool_of(*ports, eject=Eject(2, 30))
        first, second = wires.pool.endpoints

        for _ in range(2):
            wires.pool.note_failure(first)
            wires.pool.note_failure(second)

        assert [state.is_available(wires.plane.wheel.now) for state in (first, second)] == [False, True]
        connections = [(await ask(wires)).connection for _ in range(3)]
        assert {connection.endpoint for connection in connections if connection} == {second}
        wires.pass_time(31)
        assert first.is_available(wires.plane.wheel.now)
        await close(wires, *connections)


async def test_when_all_are_unhealthy_all_are_used() -> None:
    """An answer that may fail is better than one that surely does."""
    async with listening(2) as ports:
        wires = pool_of(*ports)
        for state in wires.pool.endpoints:
            state.is_healthy = False

        connection = (await ask(wires)).connection

        assert connection is not None
        await close(wires, connection)


async def test_connections_to_addresses_that_a_name_has_left_are_closed() -> None:
    """Idle ones at once, the others when they come back: a busy service must not stay at its old address for ever."""
    async with listening() as ports:
        wires = pool_of(*ports)
        idle, busy = [(await ask(wires)).connection for _ in range(2)]
        assert idle is not None
        assert busy is not None
        idle.is_reusable = busy.is_reusable = True
        wires.pool.release(idle)

        wires.pool.endpoints[0]._drop_other_addresses(frozenset({"10.0.0.9"}))

        assert (idle.is_open, busy.is_open) == (False, True)
        wires.pool.release(busy)
        assert wires.pool.endpoints[0].idle == []
        assert not busy.is_open
        await close(wires)


async def test_a_retired_pool_serves_what_is_under_way_and_keeps_nothing() -> None:
    """Its connections close as they come back."""
    async with listening() as ports:
        wires = pool_of(*ports)
        connection = (await ask(wires)).connection
        assert connection is not None
        connection.is_reusable = True

        wires.pool.retire()
        wires.pool.release(connection)

        assert wires.pool.endpoints[0].idle == []
        await wires.plane.drain(0)


async def test_at_the_bound_an_idle_connection_elsewhere_makes_room() -> None:
    """Connections that idle at one endpoint must not keep requests from another."""
    async with listening(2) as ports:
        wires = pool_of(*ports, connections=1)
        first = (await ask(wires)).connection
        assert first is not None
        first.is_reusable = True
        wires.pool.release(first)
        first.endpoint.is_healthy = False

        second = (await ask(wires)).connection

        assert second is not None
        assert second.endpoint is not first.endpoint
        assert not first.is_open
        await close(wires, second)


async def test_a_connection_that_takes_too_long_is_given_up() -> None:
    """504, kind ``connect``: the backend may be there, but it does not answer."""
    wires = pool_of(1)

    async def never(_connect: object) -> None:
        await asyncio.Event().wait()

    wires.pool.endpoints[0].resolver.reach = never  # type: ignore[method-assign, assignment]
    wires.pool.backend = msgspec.structs.replace(wires.pool.backend, timeouts=BackendTimeouts(0, 1, 1, 1))

    asking = await ask(wires)

    assert isinstance(asking.error, BackendTimeout)
    assert asking.error.kind == "connect"
    assert wires.pool.connections == 0
    await wires.plane.drain(0)


async def test_a_service_that_accepts_and_closes_is_one_that_refuses() -> None:
    """Or the request would be sent into nowhere."""
    async with listening() as ports:
        wires = pool_of(*ports)
        endpoint_state = wires.pool.endpoints[0]
        reach = endpoint_state.resolver.reach

        async def reach_and_lose(connect: Callable[[str], Awaitable[BackendConnection]]) -> BackendConnection:
            connection = await reach(connect)
            connection.close()
            return connection

        endpoint_state.resolver.reach = reach_and_lose  # type: ignore[method-assign, assignment]

        assert isinstance((await ask(wires)).error, BackendError)
        assert wires.pool.connections == 0
        await wires.plane.drain(0)


@pytest.mark.parametrize("verify", [True, False])
async def test_https_endpoints_are_verified_unless_told_otherwise(verify: bool) -> None:
    """Plain ones need no TLS context at all."""
    secure = Endpoint("https://127.0.0.1:1", "127.0.0.1", 1, tls=True)
    wires = Wires(table(backend(endpoints=(secure,), tls=BackendTls(verify=verify)), backend("plain")))
    context = wires.pool.tls
    assert context is not None

    assert context.check_hostname is verify
    assert (context.verify_mode is ssl.CERT_REQUIRED) is verify
    assert wires.plane.generation.pools["plain"].tls is None
    await wires.plane.drain(0)


async def test_a_retired_pool_still_connects_for_who_was_in_its_queue() -> None:
    """They asked before the reload."""
    async with listening() as ports:
        wires = pool_of(*ports, connections=1)
        held = (await ask(wires)).connection
        assert held is not None
        waiting = Asking()
        wires.pool.acquire(waiting)  # type: ignore[arg-type]

        wires.pool.retire()
        held.is_reusable = True
        wires.pool.release(held)
        await until(lambda: waiting.is_answered, wires.plane.loop)

        assert waiting.connection is not None
        assert waiting.connection is not held
        await close(wires, waiting.connection)


async def test_the_kernel_keeps_as_much_unread_as_the_pool_says() -> None:
    """Of copies' connections less than it would; it counts its own bookkeeping, so it says twice as much (tcp(7))."""
    async with listening() as ports:
        wires = pool_of(*ports)
        pool = Pool(wires.pool.backend, wires.plane.wheel, 64 * 1024)
        asking = Asking()
        pool.acquire(asking)  # type: ignore[arg-type]
        await until(lambda: asking.is_answered, wires.plane.loop)
        assert asking.connection is not None

        end = asking.connection.transport.get_extra_info("socket")
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 128 * 1024
        asking.connection.abort()
        await until(lambda: pool.connections == 0, wires.plane.loop)
        await close(wires)
