"""What a fleet's leader does beside what every replica does: it adds up all reports, and leaves the sums and verdicts.

Its successor begins with the sums; those who follow show the verdicts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.control.fleet_figures import FleetFigures
from gateway.control.rules import RuleState

if TYPE_CHECKING:
    from gateway.control.fleet_findings import FleetFindings
    from gateway.control.rollouts import Rollouts
    from gateway.core.fleet import Report, Sum
    from gateway.store.fleet import FleetStore

AT_A_TIME: Final = 10
"""Reports are added up between which nobody else has a turn."""

log = structlog.get_logger()

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, list[RuleState]]).decode


class Leading:
    """See the module. ``counting`` is the clock of the windows, ``findings`` has what comparing finds."""

    def __init__(self, meeting: FleetStore, counting: Callable[[], float], findings: FleetFindings) -> None:
        self.fence: int | None = None
        """The number of the lease under which this gateway leads, or led last."""
        self.figures = FleetFigures()
        self.verdicts: Mapping[str, Sequence[RuleState]] = {}
        """What the leader said last, where that is another."""
        self.list_verdicts: Callable[[], dict[str, list[RuleState]]] = dict
        """What the rules of each rollout say, where it is this one."""
        self._meeting = meeting
        self._counting = counting
        self._findings = findings
        self._cursor = ""
        self._unread: Iterator[Report] = iter(())
        """What was fetched and is not added up yet: a gateway may end in the middle of it."""

    async def begin(self, fence: int, rollouts: Rollouts) -> None:
        """Take over what the leader before has left. Raises `StoreUnavailable`."""
        figures, now, upto, table = FleetFigures(), self._counting(), "", rollouts.table
        if table is not None:
            figures.adopt(table)
        async with contextlib.aclosing(self._meeting.sums()) as sums:
            async for age, counted in sums:
                figures.restore(now - age, counted)
                upto = counted.upto
                await asyncio.sleep(0)
        self._cursor = upto or (await self._meeting.reports(""))[1]
        await self._findings.begin()
        if rollouts.table is not None and rollouts.table is not table:
            figures.adopt(rollouts.table)
        for name, progress in rollouts.begun().items():
            figures.begin(name, progress.version)
        self.figures, self.fence, self._unread = figures, fence, iter(())

    async def go_on(self) -> None:
        """Add up what replicas have handed in. Raises `StoreUnavailable`, and `Fenced` for who leads no more."""
        await self._add_up()
        await self._share(self.figures.settle(self._counting()))

    async def close(self) -> None:
        """Leave all of it to who leads next. Raises `StoreUnavailable`, and `Fenced` for who leads no more."""
        await self._add_up()
        now = self._counting()
        counted = self.figures.settle(now) or self.figures.sum_up(now)
        await self._findings.archive.keep_all()
        await self._share(counted)

    async def _add_up(self) -> None:
        await self._take_unread()
        reports, self._cursor = await self._meeting.reports(self._cursor)
        self._unread = iter(reports)
        await self._take_unread()

    async def _take_unread(self) -> None:
        for number, report in enumerate(self._unread, start=1):
            self.figures.take(report)
            self._findings.merge(report)
            if number % AT_A_TIME == 0:
                await asyncio.sleep(0)

    async def _share(self, counted: Sum | None) -> None:
        """What was found is written just before a sum: whoever goes on after that has both of the same reports."""
        assert self.fence is not None  # noqa: S101 - it has begun
        if counted is not None:
            await self._findings.archive.keep()
            counted.upto = self._cursor
        await self._meeting.share(_encode(self.list_verdicts()), counted, fence=self.fence)

    async def read_verdicts(self) -> None:
        """See what the leader says. Raises `StoreUnavailable`."""
        found = await self._meeting.verdicts()
        try:
            self.verdicts = _decode(found) if found else {}
        except msgspec.DecodeError as error:
            log.debug("verdicts_unreadable", reason=str(error))  # a leader of another version
            self.verdicts = {}
