"""The comparer's end: it reads as fast as it compares, and survives whatever comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.core.shadowing import Pair
from gateway.runtime import connection, intake
from gateway.runtime.intake import FULL_BYTES, GREETING, Intake
from gateway.runtime.link import FRAME_LIMIT_BYTES, frame
from gateway.runtime.sockets import open_link
from tests.runtime.pairs import pair, sending, until


@asynccontextmanager
async def taking(take: Callable[[Pair], None]) -> AsyncIterator[tuple[Intake, bytes]]:
    """An intake, and its address."""
    listening = open_link()
    made = Intake(take)
    await made.serve(listening)
    yield made, listening.getsockname()
    await made.close(0)
    listening.close()


async def greeted(address: bytes) -> socket.socket:
    """A connection spoken by hand, once it is accepted."""
    caller = socket.socket(socket.AF_UNIX)
    caller.setblocking(False)
    caller.connect(address)
    assert await asyncio.get_running_loop().sock_recv(caller, 10) == GREETING
    return caller


def pack(number: int, body: bytes = b"{}") -> bytes:
    """A pair's frame."""
    return frame(msgspec.msgpack.encode(pair(number, body)), "Pair")


async def test_what_workers_send_is_compared() -> None:
    """Over a real socket, from more than one."""
    taken: list[Pair] = []
    async with taking(taken.append) as (_, address), sending(address) as (one, _), sending(address) as (other, _):
        await until(lambda: one.has_room and other.has_room)
        assert all(sender.offer(pair(number)) for number in range(100) for sender in (one, other))
        await until(lambda: len(taken) == 200)

        assert sorted(int(each.request_id) for each in taken) == sorted([*range(100), *range(100)])


async def test_a_pair_that_cannot_be_compared_ends_nothing() -> None:
    """It is logged without what it holds, the first of many only; all others are compared."""
    taken: list[str] = []

    def take(each: Pair) -> None:
        if each.request_id == "0":
            raise ValueError("hunter2")
        taken.append(each.request_id)

    async with taking(take) as (_, address), sending(address) as (sender, _):
        await until(lambda: sender.has_room)
        with capture_logs() as logs:
            for number in (0, 0, 1):
                sender.offer(pair(number))
            await until(lambda: taken)

    (entry,) = [entry for entry in logs if entry["event"] == "pair_failed"]
    assert (entry["error"], entry["route"], entry["path"], entry["request_id"]) == ("ValueError", "shop", "/a", "0")
    assert "hunter2" not in str(logs)


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff\xff\xff\xff", (FRAME_LIMIT_BYTES + 1).to_bytes(4), frame(b"\xc1", "x"), frame(b"\x01", "x")],
    ids=["a length", "too large", "not msgpack", "no pair"],
)
async def test_who_speaks_nonsense_is_hung_up_on(nonsense: bytes) -> None:
    """What it said before counts; others are not touched."""
    taken: list[Pair] = []
    async with taking(taken.append) as (_, address), sending(address) as (sender, _):
        caller = await greeted(address)
        await asyncio.get_running_loop().sock_sendall(caller, pack(1) + nonsense)
        assert await asyncio.get_running_loop().sock_recv(caller, 10) == b""
        caller.close()
        await until(lambda: sender.has_room)
        sender.offer(pair(2))
        await until(lambda: len(taken) == 2)

        assert taken == [pair(1), pair(2)]


async def test_strangers_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any local user could connect to an abstract socket."""
    monkeypatch.setattr(connection.os, "geteuid", lambda: -1)
    async with taking(lambda _pair: None) as (_, address):
        caller = socket.socket(socket.AF_UNIX)
        caller.setblocking(False)
        caller.connect(address)

        assert await asyncio.get_running_loop().sock_recv(caller, 10) == b""
        caller.close()


async def test_it_reads_no_faster_than_it_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that sends more than can be compared is clogged, the queue stays bounded, and nothing is lost."""
    monkeypatch.setattr(intake, "SLICE_SECONDS", 0.0)  # one pair each turn
    body, held = bytes(32_768), 0
    taken: list[str] = []
    async with taking(lambda each: taken.append(each.request_id)) as (made, address):
        callers = [await greeted(address) for _ in range(2)]
        tasks = [asyncio.ensure_future(send_many(caller, body)) for caller in callers]
        turns_full = 0
        while len(taken) < 400:
            held = max(held, made.waiting_bytes)
            turns_full += made.is_full
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        for caller in callers:
            caller.close()

    assert turns_full
    assert held < FULL_BYTES + 2 * (256 * 1024 + 2 * len(body) + 1000)
    assert sorted(taken, key=int) == sorted([*map(str, range(200))] * 2, key=int)


async def send_many(caller: socket.socket, body: bytes) -> None:
    """200 pairs, as fast as they are read."""
    for number in range(200):
        await asyncio.get_running_loop().sock_sendall(caller, pack(number, body))


async def test_others_have_their_turn_under_full_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports go on while pairs wait."""
    monkeypatch.setattr(intake, "SLICE_SECONDS", 0.0)
    taken: list[Pair] = []
    async with taking(taken.append) as (_, address):
        caller = await greeted(address)
        await asyncio.get_running_loop().sock_sendall(caller, b"".join(pack(number) for number in range(500)))
        turns = set()
        while len(taken) < 500:
            turns.add(len(taken))
            await asyncio.sleep(0)
        caller.close()

    assert len(turns) > 100


async def test_closing_compares_what_is_still_on_its_way() -> None:
    """Of workers that have ended, all; who is still there when the time is over is hung up on."""
    taken: list[Pair] = []
    async with taking(taken.append) as (made, address):
        gone, there = await greeted(address), await greeted(address)
        await asyncio.get_running_loop().sock_sendall(gone, b"".join(pack(number) for number in range(20)))
        gone.close()
        await made.close(0.05)

        assert len(taken) == 20
        assert await asyncio.get_running_loop().sock_recv(there, 10) == b""
        there.close()
