"""The worker's end: it comes back when the link breaks, and never waits for it."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from functools import partial

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.core.failures import FailedRequest
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.tallies import PathTally
from gateway.proxy.counting import MOST_AT_ONCE
from gateway.runtime import link
from gateway.runtime.link import (
    Applied,
    Counts,
    Failed,
    Frames,
    Hello,
    Known,
    NewTable,
    Recorded,
    Status,
    Tallied,
    Traced,
    Up,
    Waiting,
    pack,
)
from gateway.runtime.sockets import open_link
from gateway.runtime.uplink import Uplink
from tests.runtime.test_hub import table
from tests.telemetry.test_spans import traced_request


class Hub:
    """The other end, spoken by hand, and the uplink that calls it."""

    def __init__(self) -> None:
        self.link = open_link()
        self.tables: asyncio.Queue[NewTable] = asyncio.Queue()
        self.learnt: list[tuple[PathTally, ...]] = []
        self.uplink = Uplink(self.link.getsockname(), 3, self.tables.put_nowait, self.learnt.append)
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

    async def greet(self, caller: socket.socket) -> None:
        """Say that nothing of this worker is recorded yet, and wait until it has heard."""
        await self.acknowledge(caller, 0)

    async def meet(self) -> socket.socket:
        """Wait for the worker to knock, and greet it."""
        caller = await self.accept()
        await self.hear(caller)
        await self.greet(caller)
        return caller

    async def acknowledge(self, caller: socket.socket, sequence: int) -> None:
        """Say that counts are recorded up to ``sequence``, and wait until the worker has heard: the table tells."""
        news = pack(Recorded(sequence)) + pack(NewTable(1, table("heard")))
        await asyncio.get_running_loop().sock_sendall(caller, news)
        await self.tables.get()

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

    assert await hub.hear(caller) == Hello(3, os.getpid(), "", hub.uplink.run_id)
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

    assert await hub.hear(again) == Hello(3, os.getpid(), "one", hub.uplink.run_id)
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

    assert await hub.hear(caller) == Hello(3, os.getpid(), "one", hub.uplink.run_id)
    caller.close()
    await hub.close()


def counted(requests: int) -> tuple[Counted, ...]:
    """So many good answers."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): requests})
    return (Counted(Subject("shop", "/a", "baseline", is_forced=False), figures),)


async def test_counts_wait_until_the_controller_has_said_what_it_knows() -> None:
    """A batch that it might have already must not be sent as another."""
    hub = Hub()
    caller = await hub.accept()
    hello = await hub.hear(caller)
    hub.uplink.send_counts(lambda: counted(1))
    hub.uplink.report(Status(1, 0, {}))

    assert isinstance(hello, Hello)
    assert await hub.hear(caller) == Status(1, 0, {})  # and no counts before it
    await hub.greet(caller)
    hub.uplink.send_counts(lambda: counted(1))
    assert await hub.hear(caller) == Counts(1, counted(1))
    caller.close()
    await hub.close()


async def test_one_batch_is_under_way_at_a_time() -> None:
    """The next is taken when the one before is known to be recorded; meanwhile the worker counts on."""
    hub = Hub()
    caller = await hub.meet()
    hub.uplink.send_counts(lambda: counted(1))
    hub.uplink.send_counts(lambda: counted(2))
    assert await hub.hear(caller) == Counts(1, counted(1))

    await hub.acknowledge(caller, 1)
    hub.uplink.send_counts(lambda: counted(3))

    assert await hub.hear(caller) == Counts(2, counted(3))
    caller.close()
    await hub.close()


async def test_a_batch_that_was_not_recorded_is_sent_again() -> None:
    """To a new controller, as it was, whatever table has come meanwhile; what was counted since is of the old, too."""
    hub = Hub()
    caller = await hub.meet()
    hub.uplink.applied(NewTable(7, table("one")))
    hub.uplink.send_counts(lambda: counted(1))
    assert [await hub.hear(caller), await hub.hear(caller)] == [Applied(7), Counts(1, counted(1), 7)]
    caller.close()

    again = await hub.accept()
    await hub.hear(again)
    hub.uplink.applied(NewTable(8, table("two")))
    await hub.greet(again)
    assert [await hub.hear(again), await hub.hear(again)] == [Applied(8), Counts(1, counted(1), 7)]
    await hub.acknowledge(again, 1)
    hub.uplink.send_counts(lambda: counted(2))

    assert await hub.hear(again) == Counts(2, counted(2), 7)
    again.close()
    await hub.close()


async def test_a_batch_that_was_recorded_is_not_sent_again() -> None:
    """Though the answer to it was lost with the controller."""
    hub = Hub()
    caller = await hub.meet()
    hub.uplink.send_counts(lambda: counted(1))
    await hub.hear(caller)
    caller.close()

    again = await hub.accept()
    await hub.hear(again)
    await hub.acknowledge(again, 1)
    hub.uplink.send_counts(lambda: counted(5))

    assert await hub.hear(again) == Counts(2, counted(5))
    again.close()
    await hub.close()


async def test_a_batch_says_under_which_table_its_counting_began() -> None:
    """One that began before a new table is the old one's, and so is what a full one leaves; no counts are nobody's."""
    full = counted(1) * MOST_AT_ONCE
    hub = Hub()
    caller = await hub.meet()
    for serial in (6, 7):
        hub.uplink.applied(NewTable(serial, table("one")))
        assert await hub.hear(caller) == Applied(serial)
    hub.uplink.send_counts(tuple)
    served = [(7, counted(1), 7), (8, counted(2), 7), (9, full, 8), (9, counted(4), 8), (9, counted(5), 9)]
    for sequence, (serial, what, under) in enumerate(served, 1):
        hub.uplink.applied(NewTable(serial, table("one")))
        assert await hub.hear(caller) == Applied(serial)
        hub.uplink.send_counts(partial(tuple, what))
        assert await hub.hear(caller) == Counts(sequence, what, under)
        await hub.acknowledge(caller, sequence)

    caller.close()
    await hub.close()


async def test_a_last_flush_waits_until_all_is_recorded() -> None:
    """A worker that stops in good order loses no count."""
    hub = Hub()
    caller = await hub.accept()
    await hub.hear(caller)
    left = [counted(1), counted(2)]
    flushing = asyncio.create_task(hub.uplink.flush_counts(lambda: left.pop(0) if left else (), 30))
    await hub.greet(caller)
    for sequence in (1, 2):
        assert await hub.hear(caller) == Counts(sequence, counted(sequence))
        await hub.acknowledge(caller, sequence)

    await flushing
    caller.close()
    await hub.close()


async def test_a_last_flush_does_not_wait_for_ever() -> None:
    """Without a controller the worker stops all the same."""
    hub = Hub()

    await hub.uplink.flush_counts(lambda: counted(1), 0.01)

    await hub.close()


async def test_traced_requests_are_sent_or_counted_as_lost() -> None:
    """A link that is not there loses them; they are not worth waiting for."""
    hub = Hub()
    hub.uplink.send_traced((traced_request(), traced_request()))
    caller = await hub.accept()
    await hub.hear(caller)
    hub.uplink.send_traced(())
    hub.uplink.send_traced((traced_request(),))

    assert hub.uplink.traced_dropped == 2
    assert await hub.hear(caller) == Traced((traced_request(),))
    caller.close()
    await hub.close()


async def test_a_report_that_no_link_carries_is_lost_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a flood puts into it, the worker counts the loss and goes on."""
    hub = Hub()
    caller = await hub.meet()
    monkeypatch.setattr(link, "FRAME_LIMIT_BYTES", 100)
    with capture_logs() as logs:
        hub.uplink.send_traced((traced_request(), traced_request()))
        hub.uplink.send_counts(lambda: counted(1) * 10)
        hub.uplink.report(Status(1, 0, {"legacy": {"http://127.0.0.1": True}}))
    monkeypatch.undo()

    assert [record["event"] for record in logs] == ["report_lost"] * 3
    assert (hub.uplink.traced_dropped, hub.uplink.dropped) == (2, 2)
    hub.uplink.send_counts(lambda: counted(2))
    assert await hub.hear(caller) == Counts(1, counted(2))
    caller.close()
    await hub.close()


async def test_failed_requests_are_sent_when_there_is_a_link() -> None:
    """They are samples: without a link they are not worth keeping."""
    hub, failed = Hub(), FailedRequest(1.5, "id", "shop", "/a", "GET", 503, "5xx")
    hub.uplink.send_failed((failed,))
    caller = await hub.accept()
    await hub.hear(caller)
    hub.uplink.send_failed(())
    hub.uplink.send_failed((failed,))

    assert await hub.hear(caller) == Failed((failed,))
    caller.close()
    await hub.close()


async def test_waiting_requests_are_told_while_there_are_any_and_once_more() -> None:
    """The last word is that nobody waits."""
    hub = Hub()
    ages = {Subject("orders", "/", "candidate", is_forced=False): {700: 2}}
    hub.uplink.send_waiting(ages)
    caller = await hub.accept()
    await hub.hear(caller)
    for said in ({}, ages, ages, {}, {}):
        hub.uplink.send_waiting(said)
    hub.uplink.send_traced((traced_request(),))

    heard = [await hub.hear(caller) for _ in range(4)]
    assert heard == [Waiting(ages), Waiting(ages), Waiting({}), Traced((traced_request(),))]
    caller.close()
    await hub.close()


async def test_what_was_found_is_asked_for_when_what_is_known_was_heard() -> None:
    """So nothing is told twice or forgotten: what a comparer is told is all that was found until it first tells."""
    known, found = (PathTally("shop", "/a", compared=7),), (PathTally("shop", "/a", compared=1),)
    taken: list[str] = []

    def take() -> tuple[PathTally, ...]:
        taken.append("once")
        return found

    hub = Hub()
    hub.uplink.send_tallied(take)
    caller = await hub.accept()
    await hub.hear(caller)
    hub.uplink.send_tallied(take)
    assert not taken

    await asyncio.get_running_loop().sock_sendall(caller, pack(Known(known)))
    await hub.greet(caller)
    assert hub.learnt == [known]
    hub.uplink.send_tallied(take)
    assert await hub.hear(caller) == Tallied(found)
    hub.uplink.send_tallied(lambda: ())
    hub.uplink.applied(NewTable(7, table("one")))
    assert await hub.hear(caller) == Applied(7)
    caller.close()
    await hub.close()
