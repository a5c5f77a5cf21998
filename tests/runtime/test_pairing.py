"""The worker's end: it takes pairs as long as somebody reads them, and says what is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.core.shadowing import Pair
from gateway.runtime import link, pairing
from gateway.runtime.link import Frames
from gateway.runtime.pairing import BATCH_BYTES, CLOGGED_BYTES, UNSENT_BYTES
from gateway.runtime.sockets import open_link
from tests.runtime.pairs import pair, sending, until

IN_THE_KERNEL_BYTES = 2 * int(Path("/proc/sys/net/core/wmem_default").read_text())
"""What a socket holds, at most."""


class Comparer:
    """The other end, spoken by hand: it accepts when it is told to, and reads when it is told to."""

    def __init__(self) -> None:
        self.listening = open_link()
        self.address = self.listening.getsockname()
        self._frames = Frames()
        self._heard: list[Pair] = []

    async def accept(self, *, greets: bool = True) -> socket.socket:
        """Wait for a worker."""
        caller, _ = await asyncio.get_running_loop().sock_accept(self.listening)
        self._frames = Frames()
        if greets:
            caller.send(b"!")
        return caller

    async def hear(self, caller: socket.socket, count: int) -> list[Pair]:
        """Read until so many pairs have come; they are handed over once."""
        while len(self._heard) < count:
            chunk = await asyncio.get_running_loop().sock_recv(caller, 1 << 20)
            assert chunk, "the worker hung up"
            self._heard += [msgspec.msgpack.decode(payload, type=Pair) for payload in self._frames.feed(chunk)]
        heard, self._heard = self._heard, []
        return heard


@pytest.fixture
def comparer() -> Iterator[Comparer]:
    """One that listens."""
    comparer = Comparer()
    yield comparer
    comparer.listening.close()


async def test_pairs_arrive_as_they_were_offered(comparer: Comparer) -> None:
    """All of them, in their order, byte for byte."""
    async with sending(comparer.address) as (sender, lost):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)
        offered = [pair(number, bytes([number]) * 2000) for number in range(200)]

        assert all(sender.offer(each) for each in offered)
        assert await comparer.hear(caller, 200) == offered
        caller.close()
    assert lost == []


async def test_there_is_no_room_before_somebody_has_accepted(comparer: Comparer) -> None:
    """A listening socket alone compares nothing: the master holds it, whoever is dead."""
    async with sending(comparer.address) as (sender, _):
        caller = await comparer.accept(greets=False)

        assert not sender.has_room
        assert not sender.offer(pair())
        caller.send(b"!")
        await until(lambda: sender.has_room)
        assert sender.offer(pair(7))
        assert await comparer.hear(caller, 1) == [pair(7)]
        caller.close()


async def test_who_does_not_read_costs_a_bound_and_no_more(comparer: Comparer) -> None:
    """Clogged, it asks for no further copies; those under way find room up to the bound; then it flows again."""
    body = bytes(BATCH_BYTES)
    async with sending(comparer.address) as (sender, lost):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)
        taken = 0
        while sender.has_room:
            taken += sender.offer(pair(taken, body))
            await asyncio.sleep(0)
        begun = taken
        while sender.offer(pair(taken, body)):
            taken += 1
            await asyncio.sleep(0)

        assert CLOGGED_BYTES <= begun * 2 * BATCH_BYTES <= CLOGGED_BYTES + IN_THE_KERNEL_BYTES + 4 * BATCH_BYTES
        assert taken * 2 * BATCH_BYTES <= UNSENT_BYTES + IN_THE_KERNEL_BYTES
        heard = await comparer.hear(caller, taken)
        assert [each.request_id for each in heard] == [str(number) for number in range(taken)]
        await until(lambda: sender.has_room)
        caller.close()
    assert lost == []


async def test_a_pair_over_the_bound_goes_alone(comparer: Comparer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it could never be compared, whatever ``shadow.body`` allows."""
    monkeypatch.setattr(pairing, "UNSENT_BYTES", 3000)
    async with sending(comparer.address) as (sender, _):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)

        assert sender.offer(pair(1, bytes(2000)))
        assert not sender.offer(pair(2))
        assert len(await comparer.hear(caller, 1)) == 1
        await until(lambda: sender.offer(pair(3)))
        caller.close()


async def test_a_pair_that_no_frame_holds_is_refused(comparer: Comparer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is skipped like any other; the connection lives on."""
    monkeypatch.setattr(link, "FRAME_LIMIT_BYTES", 1000)
    async with sending(comparer.address) as (sender, _):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)

        assert not sender.offer(pair(1, bytes(2000)))
        assert sender.offer(pair(2))
        assert await comparer.hear(caller, 1) == [pair(2)]
        caller.close()


async def test_a_comparer_that_dies_is_met_again_and_what_had_not_left_is_told(comparer: Comparer) -> None:
    """Nobody takes a gap for silence: each pair has arrived, is in a dead reader's buffer, or is counted as lost."""
    body = bytes(BATCH_BYTES)
    async with sending(comparer.address) as (sender, lost):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)
        taken = 0
        while sender.has_room:
            taken += sender.offer(pair(taken, body, route=("shop", "cart")[taken % 2]))
            await asyncio.sleep(0)
        sender.offer(msgspec.structs.replace(pair(0, route="twin"), is_twin=True))
        caller.close()
        await until(lambda: lost)

        assert not sender.has_room
        assert {(route, path) for route, path, _ in lost} == {("shop", "/a"), ("cart", "/a")}
        assert (sum(count for *_, count in lost) + 1) * 2 * len(body) >= CLOGGED_BYTES
        again = await comparer.accept()
        await until(lambda: sender.has_room)
        assert sender.offer(pair(99))
        assert await comparer.hear(again, 1) == [pair(99)]
        again.close()


async def test_what_was_sent_long_ago_is_not_lost(comparer: Comparer) -> None:
    """A comparer that restarts while nothing is under way costs nothing."""
    async with sending(comparer.address) as (sender, lost):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)
        sender.offer(pair(1))
        await comparer.hear(caller, 1)
        caller.close()
        await until(lambda: not sender.has_room)

        assert lost == []


async def test_closing_sends_what_is_left_first(comparer: Comparer) -> None:
    """A worker that stops takes no answer with it."""
    async with sending(comparer.address) as (sender, lost):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)
        for number in range(20):
            sender.offer(pair(number, bytes(BATCH_BYTES)))
        reading = asyncio.ensure_future(comparer.hear(caller, 20))
        await sender.close()

        assert len(await reading) == 20
        assert not sender.offer(pair())
        assert lost == []
        caller.close()


async def test_closing_waits_for_nobody_for_long(comparer: Comparer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparer that hangs can't keep a worker from ending; what it did not read is counted."""
    monkeypatch.setattr(pairing, "FLUSH_SECONDS", 0.01)
    async with sending(comparer.address) as (sender, lost):
        caller = await comparer.accept()
        await until(lambda: sender.has_room)
        for number in range(20):
            sender.offer(pair(number, bytes(BATCH_BYTES)))
        await sender.close()

        ((route, path, count),) = lost
        assert (route, path) == ("shop", "/a")
        assert 0 < count <= 20
        caller.close()
