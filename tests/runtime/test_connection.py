"""Connections between our processes: made again for ever, and to nobody else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from socket import socket

import pytest

from gateway.errors import LinkError
from gateway.runtime import connection
from gateway.runtime.connection import check_caller, stay_connected
from gateway.runtime.sockets import open_link


@pytest.fixture
def listening() -> Iterator[socket]:
    """Where they connect to."""
    link = open_link()
    yield link
    link.close()


@asynccontextmanager
async def caller_of(address: bytes) -> AsyncIterator[list[str]]:
    """Somebody who stays connected; what becomes of it."""
    diary: list[str] = []
    ended = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            diary.append("made")
            self.transport = transport

        def connection_lost(self, exc: Exception | None) -> None:
            diary.append("lost" if exc is None else "broken")
            ended.set()

    task = asyncio.ensure_future(stay_connected(address, Protocol, ended))
    yield diary
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def accept(listening: socket) -> socket:
    """The next connection."""
    caller, _ = await asyncio.get_running_loop().sock_accept(listening)
    return caller


async def test_a_connection_that_breaks_is_made_again(listening: socket) -> None:
    """Whoever dies at the other end."""
    async with caller_of(listening.getsockname()) as diary:
        (await accept(listening)).close()
        last = await accept(listening)
        last.close()
        while len(diary) < 4:
            await asyncio.sleep(0.002)

    assert diary == ["made", "lost", "made", "lost"]


async def test_where_nobody_listens_it_knocks_until_somebody_does() -> None:
    """The address of a gateway that is gone is taken by the next."""
    before = open_link()
    address = before.getsockname()
    before.close()
    async with caller_of(address) as diary:
        await asyncio.sleep(0)
        after = socket(before.family, before.type)
        after.bind(address)
        after.listen()
        after.setblocking(False)
        (await accept(after)).close()
        after.close()
        while len(diary) < 2:
            await asyncio.sleep(0.002)

    assert diary == ["made", "lost"]


async def test_a_stranger_who_listens_there_is_not_spoken_to(
    listening: socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any local user could take an abstract address that is free."""
    monkeypatch.setattr(connection.os, "geteuid", lambda: os.getuid() + 1)
    async with caller_of(listening.getsockname()) as diary:
        refused = await accept(listening)

        assert await asyncio.get_running_loop().sock_recv(refused, 10) == b""
        refused.close()
    assert diary == []


async def test_who_calls_is_looked_at(listening: socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own user may, and nobody else."""
    async with caller_of(listening.getsockname()):
        ours = await accept(listening)
        transport, _ = await asyncio.get_running_loop().create_unix_connection(asyncio.Protocol, sock=ours)
        check_caller(transport)
        monkeypatch.setattr(connection.os, "geteuid", lambda: os.getuid() + 1)

        with pytest.raises(LinkError, match="not part of this gateway"):
            check_caller(transport)
        monkeypatch.undo()
        transport.abort()
