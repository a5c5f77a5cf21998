"""An endpoint is unhealthy after so many bad checks in a row, and healthy again after so many good ones."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from gateway.core.types import Health
from gateway.proxy.health import find_fault
from tests.proxy.wiring import Wires, backend, endpoint, table, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEALTH = Health("/healthz", interval=0.01, timeout=30.0, unhealthy_after=3, healthy_after=2)


class Service:
    """Answers checks with what it is told."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        self.asked: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """A running one."""
    running = Service()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 302 Found\r\n\r\n", None),
        (b"HTTP/1.1 404 No\r\n\r\n", "status 404"),
        (b"HTTP/1.1 503 No\r\n\r\n", "status 503"),
        (b"garbage\r\n", "an answer that is not HTTP/1.1"),
        (b"ICY 200 OK\r\n", "an answer that is not HTTP/1.1"),
        (b"HTTP/1.1 " + b"2" * 10_000 + b"\r\n", "an answer that is not HTTP/1.1"),
        (b"", "an answer that is not HTTP/1.1"),
    ],
)
async def test_a_status_from_200_to_399_is_good(answer: bytes, fault: str | None) -> None:
    """Anything else, and anything that is no answer, is not."""
    async with service() as running:
        running.answer = answer
        wires = Wires(table(backend(endpoints=(endpoint(running.port),))))

        assert await find_fault(wires.pool, wires.pool.endpoints[0], HEALTH) == fault
        assert running.asked[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:")
        await wires.plane.drain(0)


async def test_checks_take_an_endpoint_down_and_up_again() -> None:
    """The generation learns of both."""
    async with service() as running:
        wires = Wires(table(backend(endpoints=(endpoint(running.port),), health=HEALTH)))
        generation = wires.plane.generation

        running.answer = b"HTTP/1.1 503 No\r\n\r\n"
        await until(lambda: generation.down, wires.plane.loop)
        failed = len(running.asked)
        running.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        await until(lambda: not generation.down, wires.plane.loop)

        assert failed >= HEALTH.unhealthy_after
        await wires.plane.drain(0)


async def test_checks_go_on_over_a_reload_that_leaves_the_backend_alone() -> None:
    """The new generation learns of what the old one's checks find."""
    async with service() as running:
        rules = backend(endpoints=(endpoint(running.port),), health=HEALTH)
        wires = Wires(table(rules))
        wires.plane.adopt(wires.plane.prepare(table(rules, revision="2")))

        running.answer = b""
        await until(lambda: wires.plane.generation.down, wires.plane.loop)

        assert wires.plane.generation.table.revision == "2"
        await wires.plane.drain(0)


async def test_who_can_not_be_asked_is_told_apart() -> None:
    """Nobody listens, or nobody answers in time: each is mended elsewhere."""
    wires = Wires(table(backend(endpoints=(endpoint(1),))))
    refusing = wires.pool.endpoints[0]

    assert "connect" in str(await find_fault(wires.pool, refusing, HEALTH)).lower()
    assert await find_fault(wires.pool, refusing, replace(HEALTH, timeout=0.0)) == "no answer in time"
    await wires.plane.drain(0)
