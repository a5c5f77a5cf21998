"""The worker's end: it comes back when the link breaks, and never waits for it."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

import msgspec

from gateway.runtime.link import Applied, Frames, Hello, NewTable, Status, Up, pack
from gateway.runtime.sockets import open_link
from gateway.runtime.uplink import Uplink
from tests.runtime.test_hub import table


class Hub:
    """The other end, spoken by hand, and the uplink that calls it."""

    def __init__(self) -> None:
        self.link = open_link()
        self.tables: asyncio.Queue[NewTable] = asyncio.Queue()
        self.uplink = Uplink(self.link.getsockname(), 3, self.tables.put_nowait)
        self._task = asyncio.create_task(self.uplink.run())
        self._frames = Frames()
        self._heard: list[Up] = []

    async def accept(self) -> socket.socket:
        """Wait for the worker to knock."""
        caller, _ = await asyncio.get_running_loop().sock_accept(self.link)
        self._frames = Frames()
        return caller

    async def hear(self, caller: socket.socket) -> Up:
        """The next message."""
        while not self._heard:
            chunk = await asyncio.get_running_loop().sock_recv(caller, 65536)
            assert chunk, "the worker hung up"
            self._heard += [msgspec.msgpack.decode(payload, type=Up) for payload in self._frames.feed(chunk)]
        return self._heard.pop(0)

    async def close(self) -> None:
        """End both."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.uplink.close()
        self.link.close()


async def test_a_worker_introduces_itself_and_gets_its_table() -> None:
    """Hello first, then the table, then word that it is applied."""
    hub = Hub()
    caller = await hub.accept()

    assert await hub.hear(caller) == Hello(3, os.getpid(), "")
    await asyncio.get_running_loop().sock_sendall(caller, pack(NewTable(7, table("one"))))
    received = await hub.tables.get()
    hub.uplink.applied(received)
    assert await hub.hear(caller) == Applied(7)
    caller.close()
    await hub.close()


async def test_a_broken_link_is_made_again_and_tells_what_is_served() -> None:
    """A new controller learns at once where this worker stands."""
    hub = Hub()
    caller = await hub.accept()
    await hub.hear(caller)
    hub.uplink.applied(NewTable(7, table("one")))
    caller.close()
    again = await hub.accept()

    assert await hub.hear(again) == Hello(3, os.getpid(), "one")
    again.close()
    await hub.close()


async def test_nonsense_from_the_other_end_starts_the_link_over() -> None:
    """What can't be read is not guessed at."""
    hub = Hub()
    caller = await hub.accept()
    await asyncio.get_running_loop().sock_sendall(caller, b"\xff\xff\xff\xff")
    again = await hub.accept()

    assert isinstance(await hub.hear(again), Hello)
    caller.close()
    again.close()
    await hub.close()


async def test_a_status_is_sent_when_it_is_news() -> None:
    """An idle worker is silent."""
    hub = Hub()
    caller = await hub.accept()
    await hub.hear(caller)
    for connections in (1, 1, 2, 2):
        hub.uplink.report(Status(connections, 0, {}))
    hub.uplink.applied(NewTable(7, table("one")))

    assert [await hub.hear(caller) for _ in range(3)] == [Status(1, 0, {}), Status(2, 0, {}), Applied(7)]
    caller.close()
    await hub.close()


async def test_a_link_that_is_not_read_drops_statuses_and_counts_them() -> None:
    """A controller that hangs costs a worker a bounded buffer, and no time."""
    hub = Hub()
    caller = await hub.accept()
    await hub.hear(caller)
    for number in range(200_000):
        hub.uplink.report(Status(number, 0, {}))
        if hub.uplink.dropped:
            break

    assert hub.uplink.dropped
    caller.close()
    await hub.close()


async def test_without_a_link_a_report_is_nothing() -> None:
    """A worker reports before, between and after connections without looking."""
    hub = Hub()
    hub.uplink.report(Status(1, 0, {}))
    hub.uplink.applied(NewTable(7, table("one")))
    caller = await hub.accept()

    assert await hub.hear(caller) == Hello(3, os.getpid(), "one")
    caller.close()
    await hub.close()
