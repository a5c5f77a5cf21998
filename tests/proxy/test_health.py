"""An endpoint is unhealthy after so many bad checks in a row, and healthy again after so many good ones."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from gateway.core.types import Health
from gateway.proxy.health import is_answering
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
    ("answer", "is_good"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\n\r\n", True),
        (b"HTTP/1.1 404 No\r\n\r\n", False),
        (b"HTTP/1.1 503 No\r\n\r\n", False),
        (b"garbage\r\n", False),
        (b"ICY 200 OK\r\n", False),
        (b"HTTP/1.1 " + b"2" * 10_000 + b"\r\n", False),
        (b"", False),
    ],
)
async def test_a_status_from_200_to_399_is_good(answer: bytes, is_good: bool) -> None:
    """Anything else, and anything that is no answer, is not."""
    async with service() as running:
        running.answer = answer
        wires = Wires(table(backend(endpoints=(endpoint(running.port),))))

        assert await is_answering(wires.pool, wires.pool.endpoints[0], HEALTH) is is_good
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
