"""The controller's end: every worker gets the newest table, and strangers nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from gateway.control.roster import Roster
from gateway.core.failures import FailedRequest
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.tallies import PathTally
from gateway.core.trace_context import TracedRequest
from gateway.core.types import (
    AccessLog,
    ClientTimeouts,
    Limits,
    Override,
    Route,
    ServerPolicy,
    Table,
)
from gateway.core.types import Match as RouteMatch
from gateway.runtime import link
from gateway.runtime.hub import Hub
from gateway.runtime.ledger import Ledger
from gateway.runtime.link import (
    COMPARER_SLOT,
    Applied,
    Counts,
    Down,
    Failed,
    Frames,
    Hello,
    Known,
    Message,
    NewTable,
    Recorded,
    Status,
    Tallied,
    Traced,
    Waiting,
    pack,
)
from gateway.runtime.recorder import Recorder
from gateway.runtime.sockets import open_link
from tests.telemetry.test_spans import traced_request

POLICY = ServerPolicy(
    trusted_proxies=(),
    override=Override((), ""),
    expose=False,
    access_log=AccessLog.OFF,
    limits=Limits(32768, 100, 0, 10000),
    timeouts=ClientTimeouts(10, 75, 30),
)


def table(revision: str, routes: int = 0) -> Table:
    """A table with so many routes."""
    made = tuple(Route(name=f"route-{number}", match=RouteMatch(), baseline="legacy") for number in range(routes))
    return Table(revision, POLICY, backends=(), rollouts=(), routes=made)


class Worker:
    """The other end, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self._frames = Frames()
        self._waiting: list[Down] = []

    async def tell(self, *messages: Message) -> None:
        """Send messages."""
        self._writer.write(b"".join(map(pack, messages)))
        await self._writer.drain()

    async def next_table(self) -> NewTable:
        """Wait for a table, past what else is said."""
        while not isinstance(message := await self.next_message(), NewTable):
            pass
        return message

    async def next_message(self) -> Down:
        """Wait for whatever comes next."""
        while not self._waiting:
            chunk = await self.reader.read(65536)
            assert chunk, "the hub hung up"
            payloads = self._frames.feed(chunk)
            self._waiting += [msgspec.msgpack.decode(payload, type=Down) for payload in payloads]
        return self._waiting.pop(0)

    async def leave(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


class Room:
    """A hub that listens, with its roster."""

    def __init__(self, slots: int) -> None:
        self.roster = Roster(slots)
        self.ledger = Ledger(started_at=0.0)
        self.traced: list[TracedRequest] = []
        self.failed: list[FailedRequest] = []
        self.recorder = Recorder(self.ledger, lambda: 100.0)
        self.known = (PathTally("shop", "/a", compared=7),)
        self.tallied: list[PathTally] = []
        self.hub = Hub(
            self.roster,
            100,
            self.recorder,
            self.traced.extend,
            self.failed.extend,
            tallied=self.tallied.extend,
            known=lambda: self.known,
        )
        self.link = open_link()

    async def worker(self) -> Worker:
        """Connect as a worker would."""
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(self.link.getsockname())
        return Worker(*await asyncio.open_unix_connection(sock=caller))


@asynccontextmanager
async def room(slots: int = 1) -> AsyncIterator[Room]:
    """A hub for so many workers."""
    made = Room(slots)
    await made.hub.serve(made.link)
    try:
        yield made
    finally:
        await made.hub.close()
        made.link.close()
        made.ledger.close()


async def until(roster: Roster, *, ready: bool) -> None:
    """Wait for the roster to say so."""
    while (not roster.lagging()) is not ready:
        await asyncio.sleep(0.005)


async def test_a_worker_that_says_hello_gets_the_newest_table() -> None:
    """A worker that was just started serves what all others do."""
    async with room() as made:
        made.hub.publish(table("old"))
        made.hub.publish(table("new"))
        worker = await made.worker()
        await worker.tell(Hello(0, 4711, "", 7))
        received = await worker.next_table()

        assert (received.serial, received.table.revision) == (102, "new")
        await worker.tell(Applied(102), Status(5, 2, {"legacy": {"http://a": True}}))
        await until(made.roster, ready=True)
        assert made.roster.seats[0].pid == 4711
        await worker.leave()


async def test_a_new_table_goes_to_every_worker() -> None:
    """One publication, all workers; ready again when each has applied it."""
    async with room(slots=2) as made:
        workers = [await made.worker() for _ in range(2)]
        for slot, worker in enumerate(workers):
            await worker.tell(Hello(slot, slot, "", slot))
        while len(made.roster.seats) < 2:
            await asyncio.sleep(0.005)
        made.hub.publish(table("one"))
        for worker in workers:
            assert (await worker.next_table()).table.revision == "one"
            await worker.tell(Applied(101))
        await until(made.roster, ready=True)
        for worker in workers:
            await worker.leave()
        while made.roster.seats:
            await asyncio.sleep(0.005)

        assert made.roster.lagging() == ["worker 0 is not connected", "worker 1 is not connected"]


async def test_who_does_not_say_hello_first_is_hung_up_on() -> None:
    """A message out of order means that one of both is wrong: start over."""
    async with room() as made:
        worker = await made.worker()
        await worker.tell(Applied(101))

        assert await worker.reader.read() == b""
        await worker.leave()


async def test_a_slow_reader_gets_the_newest_table_and_not_each_that_it_missed() -> None:
    """A worker that hangs for a while costs the controller one table of memory, and then serves the newest."""
    async with room() as made:
        worker = await made.worker()
        await worker.tell(Hello(0, 1, "", 7))
        while not made.roster.seats:
            await asyncio.sleep(0.005)
        for number in range(20):
            made.hub.publish(table(f"r{number}", routes=20_000))
        received = [await worker.next_table()]
        while received[-1].table.revision != "r19":
            received.append(await worker.next_table())

        assert len(received) < 5
        await worker.leave()


async def test_counts_are_recorded_once_and_acknowledged() -> None:
    """Also when they come again on a new connection of the same worker."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): 5})
    counts = Counts(1, (Counted(Subject("shop", "/a", "baseline", is_forced=False), figures),))
    async with room() as made:
        for known in (0, 1):
            worker = await made.worker()
            await worker.tell(Hello(0, 4711, "", 7))
            assert await worker.next_message() == Recorded(known)
            await worker.tell(counts)
            assert await worker.next_message() == Recorded(1)
            await worker.leave()

        (total,) = made.recorder.figures.totals.values()
        assert total.requests == 5


async def test_counts_are_recorded_under_the_table_that_their_worker_names() -> None:
    """What was counted before routes began anew is in the totals, and the one who watches does not hear of it."""
    counted = (Counted(Subject("shop", "/a", "baseline", is_forced=False), PathFigures(client_errors=1)),)
    async with room() as made:
        made.recorder.figures.begin({"shop"}, 101)
        worker = await made.worker()
        await worker.tell(Hello(0, 4711, "", 7), Counts(1, counted, serial=100), Counts(2, counted, serial=101))
        while await worker.next_message() != Recorded(2):
            pass

        (total,), (cell,) = made.recorder.figures.totals.values(), made.recorder.figures.drain().values()
        assert (total.client_errors, cell.client_errors) == (2, 1)
        await worker.leave()


async def test_a_worker_tells_what_it_had_to_drop() -> None:
    """So that nobody takes a gap in a log for silence."""
    async with room() as made:
        worker = await made.worker()
        await worker.tell(
            Hello(0, 4711, "", 7),
            Status(
                1,
                0,
                {},
                link_dropped=2,
                log_dropped=3,
                traced_dropped=4,
                journal_dropped=5,
                journal_bytes={"orders": 6},
            ),
        )
        while not made.roster.dropped():
            await asyncio.sleep(0.005)

        assert made.roster.journal_bytes() == {"orders": 6}
        assert made.roster.dropped() == {"link": 2, "access_log": 3, "spans": 4, "journal": 5}
        await worker.leave()


async def test_traced_requests_are_passed_on() -> None:
    """To whoever exports them."""
    async with room() as made:
        worker = await made.worker()
        await worker.tell(Hello(0, 4711, "", 7), Traced((traced_request(),)))
        while not made.traced:
            await asyncio.sleep(0.005)

        assert made.traced == [traced_request()]
        await worker.leave()


async def test_failed_requests_are_passed_on() -> None:
    """To whoever keeps them as samples."""
    failed = FailedRequest(1.5, "id", "shop", "/a", "GET", 503, "5xx")
    async with room() as made:
        worker = await made.worker()
        await worker.tell(Hello(0, 4711, "", 7), Failed((failed,)))
        while not made.failed:
            await asyncio.sleep(0.005)

        assert made.failed == [failed]
        await worker.leave()


async def test_waiting_requests_are_kept_with_the_worker_until_it_says_otherwise() -> None:
    """Each word replaces the one before."""
    ages = {Subject("orders", "/", "candidate", is_forced=False): {700: 2}}
    async with room() as here:
        worker = await here.worker()
        await worker.tell(Hello(0, 1, "", 7), Waiting(ages), Counts(1, ()))
        while await worker.next_message() != Recorded(1):
            pass
        assert here.roster.waiting() == ages

        await worker.tell(Waiting({}), Counts(2, ()))
        while await worker.next_message() != Recorded(2):
            pass
        assert here.roster.waiting() == {}
        await worker.leave()


async def test_a_comparer_hears_what_is_known_before_it_may_tell_anything() -> None:
    """Then tables as workers do. What it tells is passed on and recorded, once; nobody waits for it."""
    figures = PathFigures(copies={("match", ""): 3})
    counts = Counts(1, (Counted(Subject("shop", "/a", "candidate", is_forced=False), figures),))
    async with room() as made:
        made.hub.publish(table("one"))
        for recorded in (0, 1):
            comparer = await made.worker()
            await comparer.tell(Hello(COMPARER_SLOT, 4711, "", 7))

            assert await comparer.next_message() == Known(made.known)
            assert await comparer.next_message() == Recorded(recorded)
            assert (await comparer.next_table()).table.revision == "one"
            await comparer.tell(Applied(101), Tallied(made.known), counts)
            assert await comparer.next_message() == Recorded(1)
            assert made.roster.comparer is not None
            assert made.roster.comparer.revision == "one"
            assert made.roster.lagging() == ["worker 0 is not connected"]
            assert not made.roster.seats
            await comparer.leave()

        assert made.tallied == [*made.known, *made.known]
        (total,) = made.recorder.figures.totals.values()
        assert total.copies == {("match", ""): 3}


async def test_a_comparer_is_told_anew_when_less_is_known() -> None:
    """Somebody has begun a record anew. Workers hear nothing of that."""
    async with room() as made:
        comparer, worker = await made.worker(), await made.worker()
        await comparer.tell(Hello(COMPARER_SLOT, 4711, "", 7))
        await worker.tell(Hello(0, 4712, "", 8))
        messages = [await comparer.next_message(), await comparer.next_message(), await worker.next_message()]
        assert messages == [Known(made.known), Recorded(0), Recorded(0)]
        made.known = ()
        made.hub.tell_known()
        made.hub.publish(table("one"))

        assert await comparer.next_message() == Known(())
        assert (await worker.next_table()).table.revision == "one"
        await comparer.leave()
        await worker.leave()


async def test_a_comparer_begins_with_nothing_when_what_is_known_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can learn again; without a link it could not even do that."""
    async with room() as made:
        made.known = tuple(PathTally("shop", f"/{number}") for number in range(1000))
        comparer = await made.worker()
        monkeypatch.setattr(link, "FRAME_LIMIT_BYTES", 1000)
        await comparer.tell(Hello(COMPARER_SLOT, 4711, "", 7))

        assert await comparer.next_message() == Recorded(0)
        await comparer.leave()
