"""The worker: one process of the data plane.

It introduces itself to the controller, gets a table, begins to accept, and from then on swaps tables as they come. The
heavy part of a swap (building the indexes) runs in a thread; the swap itself is one assignment on the loop. Tables that
arrive meanwhile wait in a place for one: only the newest is built next.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from typing import TYPE_CHECKING

import structlog
import uvloop

from gateway.journal.segments import journal_of
from gateway.journal.writer import JournalWriter
from gateway.proxy.copying import COMPARER_BUSY
from gateway.proxy.journaling import Journaling
from gateway.proxy.listener import Listener
from gateway.proxy.order import Tickets
from gateway.proxy.plane import DataPlane
from gateway.runtime.link import NewTable, Status
from gateway.runtime.pairing import PairSender
from gateway.runtime.process import release_signals
from gateway.runtime.uplink import Uplink

if TYPE_CHECKING:
    from gateway.runtime.inheritance import Inheritance

REPORT_SECONDS = 0.25
"""How often a worker tells how it stands, if that has changed."""

TURNS_OF_WAITING = 4
"""Every how many reports it tells how long requests wait."""

FLUSH_SECONDS = 1.0
"""How long a stopping worker waits for the controller to record its last counts."""

log = structlog.get_logger()


def run_worker(inheritance: Inheritance, slot: int) -> int:
    """The whole life of worker ``slot``; returns its exit status. Raises what goes wrong before it serves."""
    inheritance.keep_slot(slot)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(inheritance, slot))


async def _serve(inheritance: Inheritance, slot: int) -> int:
    return await Worker(inheritance, slot).run()


class Worker:
    """A data plane, and the link that tells it by which table to serve. Made within a running loop."""

    def __init__(self, inheritance: Inheritance, slot: int) -> None:
        self._pairs = PairSender(inheritance.pairs.getsockname(), self._lose_pairs)
        journal = journal_of(inheritance.source.started_with.store, inheritance.source.started_with.store_cache)
        self._journal = JournalWriter(journal, slot, asyncio.get_running_loop())
        self._plane = DataPlane(
            [Listener(door.sockets[slot], door.tls) for door in inheritance.doors],
            inheritance.log_turns,
            self._pairs,
            Tickets(inheritance.order, slot),
            Journaling(self._journal, inheritance.clock.now),
        )
        self._uplink = Uplink(inheritance.link.getsockname(), slot, self._arrive)
        inheritance.link.close()
        inheritance.pairs.close()
        self._newest: NewTable | None = None
        self._served: NewTable | None = None
        self._arrived = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until SIGTERM, then drain; 0 when all went well."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        release_signals()
        self._sending = asyncio.ensure_future(self._pairs.run())
        bodies = (self._sending, self._uplink.run(), self._report_on(), self._adopt_tables())
        tasks = [asyncio.ensure_future(body) for body in bodies]
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # none of them ends by itself: this raises what went wrong
        tasks.pop().cancel()  # no new tables from here on; the link and the reports go on to the last
        await self._drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pairs.close()  # again, for one that never began
        await self._uplink.close()
        return 0

    async def _end_sending(self) -> None:
        self._sending.cancel()
        await asyncio.wait([self._sending])
        await self._pairs.close()

    def _lose_pairs(self, route: str, path: str, count: int) -> None:
        """Pairs were on their way to the comparer when it went."""
        for _ in range(count):
            self._plane.counters.count_copy(route, path, "skipped", COMPARER_BUSY)

    def _arrive(self, table: NewTable) -> None:
        self._newest = table
        self._arrived.set()

    async def _adopt_tables(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._newest is None:
                continue
            table, self._newest = self._newest, None
            if await self._serve_by(table):
                self._served = table
                self._uplink.applied(table)
                self._report()

    async def _serve_by(self, table: NewTable) -> bool:
        """Whether ``table`` is in force. A first one that fails ends the worker; a later one changes nothing."""
        if self._served is None:
            await self._plane.start(table.table)
            self._plane.counters.crowding.adopt(table.table.rollouts)
            log.info("worker_started", revision=table.table.revision)
            return True
        if self._served.table == table.table:
            self._plane.counters.crowding.begin_anew()  # it is another controller's
            return True
        try:
            prepared = await asyncio.get_running_loop().run_in_executor(None, self._plane.prepare, table.table)
            self._plane.adopt(prepared)
            self._plane.counters.crowding.adopt(table.table.rollouts)
        except Exception:
            log.exception("table_failed", revision=table.table.revision, served=self._served.table.revision)
            return False
        return True

    async def _report_on(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(REPORT_SECONDS)
            self._report()
            if turn % TURNS_OF_WAITING == 0:
                self._uplink.send_waiting(self._plane.waiting())
                self._uplink.send_seen(self._plane.counters.crowding.take())
                self._tell_lacks()

    def _tell_lacks(self) -> None:
        lacking = self._plane.counters.lacking_writes
        for (route, reason), count in lacking.items():
            log.warning("writes_lacking", route=route, reason=reason, count=count)
        lacking.clear()

    def _report(self) -> None:
        if self._served is None:
            return
        figures = self._plane.figures()
        self._uplink.report(
            Status(
                connections=figures["connections"],
                in_flight=figures["in_flight"],
                endpoints=figures["endpoints"],
                draining=self._stop.is_set(),
                backend_connections=figures["backend_connections"],
                log_dropped=figures["log_dropped"],
                journal_bytes=self._journal.used_bytes,
                journal_dropped=self._journal.dropped,
                traced_dropped=self._plane.traced.dropped + self._uplink.traced_dropped,
            )
        )
        self._uplink.send_counts(self._plane.counters.take)
        self._uplink.send_traced(self._plane.traced.take())
        self._uplink.send_failed(self._plane.counters.failures.take())

    async def _drain(self) -> None:
        if self._served is None:  # it never began
            return
        seconds = self._served.table.server.timeouts.drain
        log.info("worker_draining", drain_seconds=seconds)
        self._report()
        cut = await self._plane.drain(seconds)
        await self._end_sending()
        self._uplink.send_traced(self._plane.traced.take())
        await self._uplink.flush_counts(self._plane.counters.take, FLUSH_SECONDS)
        log.info("worker_stopped", requests_cut=cut)
