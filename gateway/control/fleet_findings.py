"""What comparing has found in a whole fleet, and requests that the candidate failed anywhere.

Each gateway compares by itself, and its comparer goes by what that found. But a rare difference is seen by one of them
only. So each hands in with its reports what it found, the leader adds that up, and the store has the sum: whoever is
asked shows what all have found. While the store is away each shows what it knows by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.control.archive import Archive
from gateway.control.mismatches import SETTLING_SECONDS, Mismatches
from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from gateway.control.samples import Samples
    from gateway.core.failures import FailedRequest
    from gateway.core.fleet import Finds, Report
    from gateway.core.tallies import PathTally
    from gateway.core.types import Table
    from gateway.store.interface import Store
    from gateway.store.records import Event, PathRecord

FOUND_BYTES: Final = 512 * 1024
"""So much all replicas together hand in with each beat, …"""
LEAST_FOUND_BYTES: Final = 4 * 1024
"""… and each of them at least so much."""
MOST_FAILED: Final = 20
"""Requests that the candidate failed, in one report: the newest."""
MOST_REPLICAS: Final = 1000
"""Of so many it is known what they said last."""
LOOK_SECONDS: Final = 2.0
"""What was read of the store is shown for so long before it is read again."""
CLEARED: Final = "mismatches_cleared"
"""The event that tells all gateways to begin a route's record anew."""

log = structlog.get_logger()


class FleetFindings:
    """See the module.

    ``replica`` names this gateway, ``own`` has what its comparer found, ``samples`` the requests that the candidate
    failed; ``now`` gives seconds since the epoch, ``leads`` says whether this gateway adds up.
    """

    def __init__(
        self,
        replica: str,
        own: Mismatches,
        samples: Samples,
        store: Store,
        now: Callable[[], float],
        leads: Callable[[], bool],
    ) -> None:
        self.archive = Archive(Mismatches(), store, now, leads)
        self._replica = replica
        self._own = own
        self._samples = samples
        self._store = store
        self._now = now
        self._leads = leads
        self._unsaid = Mismatches()
        """Found here, and not handed in yet."""
        self._unconfirmed: list[Finds] = []
        """Handed in, and perhaps not arrived."""
        self._batch = int(now() * 1000)
        """Its number: above those of a controller before this one, which had far fewer than one in a millisecond."""
        self._taken: dict[str, int] = {}
        """The newest batch of each replica that this one has added up, who said so last comes last."""
        self._failed: deque[FailedRequest] = deque(maxlen=MOST_FAILED)
        self._look = asyncio.Lock()
        self._looked_at = -inf
        self._seen: Sequence[PathRecord] | None = None
        """What the store had then; None when it could not be read."""
        self._begun_anew: dict[str, float] = {}
        """The routes whose records were, and when."""
        self._cleared: set[int] = set()
        """Events of this gateway's own that it has not heard of yet: what they tell is done."""
        self._heard_from: int | None = None
        """The newest event when this gateway heard of events first; None before that."""

    @property
    def _record(self) -> Mismatches:
        """What all have found, where this gateway leads."""
        return self.archive.mismatches

    def adopt(self, table: Table, now: float) -> None:
        """Go by ``table`` from ``now`` on."""
        self._unsaid.adopt(table, now)
        self._record.adopt(table, now)

    # What this gateway hands in.

    def take(self, tallies: Iterable[PathTally], now: float) -> None:
        """Its comparer has found something."""
        self._unsaid.take(tallies, now)

    def fail(self, requests: Iterable[FailedRequest]) -> None:
        """The candidate has failed these."""
        self._failed.extend(requests)

    def hand_in(self, report: Report, replicas: int) -> Report:
        """``report`` with what is new, as much as befits one of so many replicas; first what may not have arrived.

        Requests that failed are said once: others will fail.
        """
        if not self._unconfirmed:
            self._batch += 1
            self._unconfirmed = self._unsaid.drain(max(LEAST_FOUND_BYTES, FOUND_BYTES // max(1, replicas)))
        failed = [*self._failed]
        self._failed.clear()
        return msgspec.structs.replace(report, found=self._unconfirmed, failed=failed, batch=self._batch)

    def confirm(self) -> None:
        """What was handed in last has arrived."""
        self._unconfirmed = []

    # What the leader makes of it.

    async def begin(self) -> None:
        """Go on with what the leader before has left. Raises `StoreUnavailable`."""
        await self.archive.begin()
        for route, at in self._begun_anew.items():
            if self._now() - at < SETTLING_SECONDS:  # what was read may be of before
                self._record.clear(route, at)
        self._taken = {}  # the record is of before the reports that are read now, whoever has read them already

    def merge(self, report: Report) -> None:
        """Add what a replica has handed in. Its own failed requests this one knows."""
        if report.found and self._is_new(report):
            self._record.merge(report.found, self._now())
        if report.replica != self._replica:
            self._samples.take(report.failed)

    def _is_new(self, report: Report) -> bool:
        """Whether what was found was not said before, by a report that came and whose sender did not hear of that."""
        last = self._taken.pop(report.replica, -1)
        self._taken[report.replica] = max(last, report.batch)
        if len(self._taken) > MOST_REPLICAS:
            del self._taken[next(iter(self._taken))]
        return report.batch > last

    # What there is to see.

    def known(self, routes: Collection[str]) -> list[PathTally]:
        """What was found on these routes, as far as it is known without asking anybody."""
        return (self._record if self._leads() else self._own).paths(routes)

    async def paths(self, routes: Collection[str]) -> list[PathTally]:
        """What all gateways found on these routes; what this one knows by itself while the store is away."""
        if self._leads():
            return self.known(routes)
        async with self._look:  # of many who ask at once, one reads
            if self._now() - self._looked_at >= LOOK_SECONDS:
                self._seen, self._looked_at = await self._read(), self._now()
        if self._seen is None:
            return self.known(routes)
        return [record.tally for record in self._seen if record.tally.route in routes]

    async def _read(self) -> Sequence[PathRecord] | None:
        try:
            return await self._store.mismatches()
        except StoreUnavailable as error:
            log.debug("mismatches_unread", reason=str(error))
            return None

    # Beginning anew.

    async def clear(self, route: str, told: Event) -> None:
        """Begin the record of a route anew in the store, too; ``told`` is the event by which others hear of it.

        What can't be forgotten there now is so by the leader, who hears of it as well.
        """
        self._cleared.add(told.id)
        self._forget(route)
        try:
            places = [(record.tally.route, record.tally.path) for record in await self._store.mismatches()]
            await self._store.keep_mismatches([], [place for place in places if place[0] == route])
        except StoreUnavailable as error:
            log.debug("mismatches_not_cleared", reason=str(error))

    def hear(self, events: Iterable[Event], newest: int) -> None:
        """These events happened on some gateway, up to ``newest``; what did before the first time is no news."""
        if self._heard_from is None:
            self._heard_from = newest
        for event in events:
            if event.kind != CLEARED or event.id <= self._heard_from:
                continue
            if event.id in self._cleared:
                self._cleared.discard(event.id)
            else:
                self._forget(str(event.inputs.get("route")))

    def _forget(self, route: str) -> None:
        self._looked_at, self._begun_anew[route] = -inf, self._now()
        self._unconfirmed = [each for each in self._unconfirmed if each[1].route != route]
        for record in (self._own, self._unsaid, self._record):
            record.clear(route, self._now())
