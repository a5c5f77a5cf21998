"""The comparer: one process that compares the answers of all workers, so that none of them has to.

It has a seat at the controller's link like a worker: it gets tables, and says what it counted and found. Pairs come
from the workers (`gateway.runtime.intake`). It accepts them when it has its first table, and not before: without one
there is no telling what is a difference.

It is the first to give way when the machine is short of anything: it is niced, and the first that the kernel kills for
memory. Nothing but samples is lost with it. What it learns lives on with the controller, which tells its successor.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import signal
import time
from typing import TYPE_CHECKING

import structlog
import uvloop

from gateway.runtime.intake import Intake
from gateway.runtime.link import COMPARER_SLOT, NewTable
from gateway.runtime.process import give_way, release_signals
from gateway.runtime.uplink import Uplink
from gateway.shadow.comparer import Comparer

if TYPE_CHECKING:
    from gateway.core.types import Table
    from gateway.runtime.inheritance import Inheritance

REPORT_SECONDS = 0.25
"""How often it tells what it counted and found."""

TURNS_OF_DECIDING = 4
"""Every how many reports it decides what has waited too long."""

FINISH_SECONDS = 1.0
"""How long it compares on when it is told to end …"""

FLUSH_SECONDS = 1.0
"""… and waits for the controller to record its last counts."""

log = structlog.get_logger()


def run_comparer(inheritance: Inheritance) -> int:
    """The whole life of a comparer; returns its exit status."""
    inheritance.keep_comparing()
    give_way()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_compare(inheritance))


async def _compare(inheritance: Inheritance) -> int:
    return await Comparing(inheritance).run()


class Comparing:
    """The comparer, the way in for pairs and the way out for what it finds, wired together."""

    def __init__(self, inheritance: Inheritance) -> None:
        self._comparer = Comparer()
        self._pairs = inheritance.pairs
        self._intake = Intake(self._comparer.take)
        self._uplink = Uplink(inheritance.link.getsockname(), COMPARER_SLOT, self._adopt, self._comparer.learn)
        inheritance.link.close()
        self._table: Table | None = None
        self._has_table = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Compare until SIGTERM, then what is left; 0 when all went well."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        release_signals()
        tasks = [asyncio.ensure_future(body) for body in (self._uplink.run(), self._report_on(), self._serve())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # this raises what went wrong
        await self._finish()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._uplink.close()
        return 0

    async def _serve(self) -> None:
        """Take pairs from the first table on, until SIGTERM."""
        stop, has_table = (asyncio.ensure_future(event.wait()) for event in (self._stop, self._has_table))
        await asyncio.wait([stop, has_table], return_when=asyncio.FIRST_COMPLETED)
        if self._table is not None:
            await self._intake.serve(self._pairs)
            log.info("comparer_started", revision=self._table.revision)
        await stop
        has_table.cancel()

    def _adopt(self, table: NewTable) -> None:
        """Compare by a newer table. One that fails changes nothing."""
        if table.table != self._table:
            try:
                self._comparer.adopt(table.table)
            except Exception:
                log.exception("table_failed", revision=table.table.revision)
                return
            self._table = table.table
        self._uplink.applied(table)
        self._uplink.send_counts(self._comparer.take_counts)  # so a batch is of one table, where the link takes it
        self._has_table.set()

    async def _report_on(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(REPORT_SECONDS)
            if turn % TURNS_OF_DECIDING == 0:
                self._comparer.tick(time.time())
            self._uplink.send_tallied(self._comparer.take_tallies)
            self._uplink.send_counts(self._comparer.take_counts)

    async def _finish(self) -> None:
        """Compare what is left, decide what waits, and hand it all over."""
        await self._intake.close(FINISH_SECONDS)
        self._comparer.tick(math.inf)
        self._uplink.send_tallied(self._comparer.take_tallies)
        await self._uplink.flush_counts(self._comparer.take_counts, FLUSH_SECONDS)
        log.info("comparer_stopped")
