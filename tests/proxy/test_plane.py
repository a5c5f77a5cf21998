"""A worker accepts as many connections as it may have, and ends when the last is gone."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.core.types import AccessLog
from gateway.proxy.listener import Listener
from gateway.proxy.plane import DataPlane
from tests.proxy.wiring import GET, OK, Wires, table, until


def listener() -> Listener:
    """On a free port."""
    opened = socket.create_server(("127.0.0.1", 0), backlog=16)
    opened.setblocking(False)
    return Listener(opened)


async def test_accepting_pauses_at_the_bound_and_goes_on_below_it() -> None:
    """The kernel keeps who comes meanwhile; nobody is turned away."""
    door = listener()
    plane = DataPlane([door])
    await plane.start(table())
    address = door.socket.getsockname()

    writers = [(await asyncio.open_connection(*address))[1] for _ in range(3)]
    await until(lambda: plane.figures()["connections"] == 3, plane.loop)
    reader, late = await asyncio.open_connection(*address)
    late.write(b"GET / HTTP/1.1\r\n\r\n")
    assert plane.figures()["connections"] == 3
    writers[0].close()

    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    for writer in (*writers, late):
        writer.close()
        await writer.wait_closed()
    await plane.drain(0)
    door.socket.close()


async def test_nobody_is_accepted_any_more_once_it_drains() -> None:
    """Not even where accepting was about to begin again."""
    door = listener()
    plane = DataPlane([door])
    await plane.start(table())

    await plane.drain(0)
    await plane._accept_again()

    assert plane._acceptors[0]._server is None
    door.socket.close()


async def test_newcomers_are_refused_while_it_drains() -> None:
    """Who is told at once can go elsewhere; in the kernel's queue they would wait for nobody until all is over."""
    door = listener()
    plane = DataPlane([door])
    await plane.start(table())
    address = door.socket.getsockname()
    _, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /a HTTP/1.1\r\n")
    await until(lambda: plane.figures()["connections"] == 1, plane.loop)

    draining = asyncio.create_task(plane.drain(30))
    await until(lambda: door.socket.fileno() < 0, plane.loop)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)

    writer.transport.abort()
    await draining


async def test_draining_waits_for_what_is_under_way(wires: Wires) -> None:
    """And for nothing else."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    draining = asyncio.create_task(wires.plane.drain(30))
    await until(lambda: client.is_ending, wires.plane.loop)
    backend.data_received(OK)
    client.connection_lost(None)
    await draining

    assert transport.written.endswith(b"ok")


async def test_draining_gives_up_after_its_time(capfd: pytest.CaptureFixture[str]) -> None:
    """What is still under way then is answered, ended on both sides, logged and counted."""
    wires = Wires(table(access_log=AccessLog.ALL))
    _, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    assert await wires.plane.drain(0) == 1

    assert transport.written.startswith(b"HTTP/1.1 503")
    assert upstream.is_aborted
    assert wires.plane.figures()["in_flight"] == 0
    assert '"error":"stopping"' in capfd.readouterr().out


async def test_draining_ends_tunnels_too(wires: Wires) -> None:
    """They have no end of their own."""
    _, transport, _, upstream = wires.tunnel()

    await wires.plane.drain(0)

    assert transport.is_aborted
    assert upstream.is_closed
    assert wires.plane.figures()["in_flight"] == 0


async def test_figures_tell_of_connections_and_endpoints(wires: Wires) -> None:
    """What the controller is told."""
    wires.client()

    figures = wires.plane.figures()

    assert (figures["connections"], figures["in_flight"]) == (1, 0)
    assert figures["endpoints"] == {"legacy": {"http://127.0.0.1:9001": True}}


async def test_an_endpoint_that_was_ejected_is_told_of_as_not_used(wires: Wires) -> None:
    """For as long as it is."""
    (endpoint,) = wires.pool.endpoints
    told = wires.plane.figures()["endpoints"]
    endpoint.ejected_until = wires.pool.wheel.now + 30

    assert list(told["legacy"].values()) == [True]
    assert list(wires.plane.figures()["endpoints"]["legacy"].values()) == [False]
