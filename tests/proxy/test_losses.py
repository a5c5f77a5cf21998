"""When one side is lost: a request is sent again where that is safe, else it fails; who left costs nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.proxy.wiring import GET, OK, Wires, backend, endpoint, table, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Brittle(asyncio.Protocol):
    """A service that closes connections instead of answering, so many times."""

    def __init__(self, heard: list[bytes], refusals: list[int]) -> None:
        self._heard = heard
        self._refusals = refusals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, received: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._heard.append(received)
        if self._refusals[0]:
            self._refusals[0] -= 1
        else:
            self._transport.write(OK)
            return
        self._transport.close()


@asynccontextmanager
async def brittle(refusals: int) -> AsyncIterator[tuple[Wires, list[bytes]]]:
    """A plane before such a service, and what the service hears."""
    heard: list[bytes] = []
    left = [refusals]
    server = await asyncio.get_running_loop().create_server(lambda: Brittle(heard, left), "127.0.0.1", 0)
    wires = Wires(table(backend(endpoints=(endpoint(server.sockets[0].getsockname()[1]),))))
    yield wires, heard
    await wires.plane.drain(0)
    server.close()
    await until(lambda: not wires.pool.connections, wires.plane.loop)


async def test_a_stale_connection_is_replaced_once_for_what_may_be_repeated(wires: Wires) -> None:
    """A pooled connection that closes before a byte of the answer: GET waits for a fresh one."""
    backend, _ = wires.backend(served=1)
    client, transport = wires.client()
    client.data_received(GET)

    backend.connection_lost(None)

    assert not transport.written
    assert client.exchange is not None
    assert client.exchange.is_waiting


@pytest.mark.parametrize(
    ("request_bytes", "served", "received"),
    [
        (GET, 0, b""),
        (GET, 1, b"HTTP/1.1 2"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 1, b""),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 1, b""),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 1, b""),
    ],
)
async def test_what_may_have_had_an_effect_is_not_sent_again(
    wires: Wires, request_bytes: bytes, served: int, received: bytes
) -> None:
    """A fresh connection, a begun answer, a method with effects, a consumed body: 502."""
    backend, _ = wires.backend(served=served)
    client, transport = wires.client()
    client.data_received(request_bytes)
    if received:
        backend.data_received(received)

    backend.connection_lost(ConnectionResetError())

    assert transport.written.startswith(b"HTTP/1.1 502 ")


async def test_an_answer_that_breaks_off_breaks_the_connection(wires: Wires) -> None:
    """The client must not take it for the whole."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)
    backend.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")

    backend.connection_lost(None)

    assert transport.is_aborted
    assert wires.plane.generation.in_flight == 0


async def test_a_client_that_is_gone_takes_the_backend_s_connection_along(wires: Wires) -> None:
    """Its answer is for nobody, and must not be taken for the next one's."""
    _, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)

    client.connection_lost(None)

    assert upstream.is_aborted
    assert wires.pool.endpoints[0].idle == []
    assert wires.pool.endpoints[0].in_flight == wires.plane.generation.in_flight == 0


@pytest.mark.parametrize(("refusals", "status", "heard_times"), [(0, b"200", 1), (1, b"502", 1)])
async def test_sent_again_the_request_is_heard_once_more_and_never_a_third_time(
    refusals: int, status: bytes, heard_times: int
) -> None:
    """The fresh connection answers, or its failure is the client's answer."""
    async with brittle(refusals) as (wires, heard):
        stale, _ = wires.backend(served=1)
        client, transport = wires.client()
        client.data_received(GET)

        stale.connection_lost(None)
        await until(lambda: transport.written, wires.plane.loop)

        assert transport.written.startswith(b"HTTP/1.1 " + status)
        assert len(heard) == heard_times
        assert wires.plane.generation.in_flight == wires.pool.endpoints[0].in_flight == 0


async def test_a_client_that_leaves_while_a_connection_is_made_leaves_the_connection_behind() -> None:
    """It serves the next; the request was never sent."""
    async with brittle(0) as (wires, heard):
        client, _ = wires.client()
        client.data_received(GET)
        client.connection_lost(None)

        await until(lambda: wires.pool.endpoints[0].idle, wires.plane.loop)

        assert heard == []
        assert wires.plane.generation.in_flight == wires.pool.endpoints[0].in_flight == 0


async def test_a_client_that_leaves_the_queue_is_passed_over() -> None:
    """The connection that comes back goes to the next in it."""
    wires = Wires(table(backend(connections=1)))
    connection, upstream = wires.backend()
    (first, _), (second, _), (third, _) = (wires.client() for _ in range(3))
    for client, path in ((first, b"1"), (second, b"2"), (third, b"3")):
        client.data_received(GET.replace(b"/a", b"/" + path))
    upstream.take()

    second.connection_lost(None)
    connection.data_received(OK)

    assert upstream.take().startswith(b"GET /3 ")
    await wires.plane.drain(0)


async def test_a_client_that_leaves_in_the_middle_of_its_answer_ends_the_backend_s_too(wires: Wires) -> None:
    """Nobody reads the rest; the connection can't serve another request before it."""
    connection, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")

    client.connection_lost(ConnectionResetError())

    assert upstream.is_aborted
    assert wires.plane.generation.in_flight == wires.pool.endpoints[0].in_flight == 0


async def test_without_a_backend_there_is_an_answer_and_the_connection_stays() -> None:
    """502, and the next request may fare better."""
    wires = Wires(table(backend(endpoints=(endpoint(1),))))
    client, transport = wires.client()

    client.data_received(GET)
    await until(lambda: transport.written, wires.plane.loop)

    assert transport.written.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"Connection: close" not in transport.written
    assert not transport.is_closed
    await wires.plane.drain(0)
