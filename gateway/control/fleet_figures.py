"""What the requests of a whole fleet did: what a replica hands in, and what its leader makes of all of that.

A rollout's figures are those of one version of its progress. What a replica has counted and not handed in when the
rollout moves is dropped; what it hands in under an older version than the leader has begun anew with is left out. Both
would be taken for what the move led to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.control.admission import Admission
from gateway.core.fleet import Portion, Report, Second
from gateway.core.histogram import Buckets, merge
from gateway.core.windows import Cell, Windows

if TYPE_CHECKING:
    from gateway.core.figures import Subject
    from gateway.core.types import Table

Cells = dict["Subject", Cell]


class Outbox:
    """What a replica has counted since its last report, by rollout."""

    def __init__(self) -> None:
        self._cells: dict[str, Cells] = {}
        self._waiting: dict[str, Mapping[Subject, Buckets]] = {}

    def put(self, rollout: str, cells: Mapping[Subject, Cell], waiting: Mapping[Subject, Buckets]) -> None:
        """Add what was counted of a rollout's requests, and how long those under way wait now."""
        _merge(self._cells.setdefault(rollout, {}), cells.items())
        self._waiting[rollout] = waiting

    def forget(self, rollout: str) -> None:
        """The rollout has moved: nothing of before is to be handed in."""
        self._cells.pop(rollout, None)
        self._waiting.pop(rollout, None)

    def empty(self, replica: str, versions: Mapping[str, int]) -> Report | None:
        """All of it, as the report of ``replica``; None when there is nothing to report."""
        portions = {
            rollout: Portion(versions[rollout], list(cells.items()), list(self._waiting.get(rollout, {}).items()))
            for rollout, cells in self._cells.items()
            if rollout in versions and (cells or self._waiting.get(rollout))
        }
        self._cells, self._waiting = {}, {}
        return Report(replica, portions) if portions else None


class FleetFigures:
    """See the module."""

    def __init__(self) -> None:
        self.windows = Windows()
        self._admission = Admission()
        self._fresh: dict[str, Cells] = {}
        self._unshared: Cells = {}
        self._waiting: dict[str, dict[str, Sequence[tuple[Subject, Buckets]]]] = {}
        """By rollout and replica, as it was said last."""
        self._begun: dict[str, int] = {}
        """The versions by which rollouts have begun anew."""

    def adopt(self, table: Table) -> None:
        """Serve by ``table`` from now on: the paths that it names have places."""
        self._admission.adopt(table, ())

    def restore(self, seconds: Sequence[tuple[float, Second]], now: float) -> None:
        """Begin with what the leader before has left, each with its age in seconds; ``now`` is the windows' time."""
        for age, second in seconds:
            self.windows.add(now - age, [(self._admission.admit(subject), cell) for subject, cell in second.cells])

    def take(self, report: Report, now: float) -> None:
        """Add what a replica has handed in at ``now``."""
        for rollout, portion in report.portions.items():
            if portion.version < self._begun.get(rollout, 0):
                continue
            cells = [(self._admission.admit(subject), cell) for subject, cell in portion.cells]
            _merge(self._fresh.setdefault(rollout, {}), cells)
            _merge(self._unshared, cells)
            self._waiting.setdefault(rollout, {})[report.replica] = portion.waiting
            self.windows.add(now, cells)

    def begin(self, rollout: str, version: int) -> None:
        """A rollout begins anew with ``version``."""
        self._begun[rollout] = version
        self._fresh.pop(rollout, None)
        self._waiting.pop(rollout, None)

    def drain(self, rollout: str) -> Cells:
        """What was counted of a rollout's requests since the last call."""
        return self._fresh.pop(rollout, {})

    def waiting(self, rollout: str) -> dict[Subject, Buckets]:
        """How long a rollout's requests wait for their backend's header, as all said last."""
        total: dict[Subject, Buckets] = {}
        for said in self._waiting.get(rollout, {}).values():
            for subject, ages in said:
                merge(total.setdefault(subject, {}), ages)
        return total

    def share(self) -> Second:
        """What was counted since the last call, for whoever leads next."""
        unshared, self._unshared = self._unshared, {}
        return Second(list(unshared.items()))


def _merge(into: Cells, cells: Iterable[tuple[Subject, Cell]]) -> None:
    """Add cells, which stay as they are."""
    for subject, cell in cells:
        found = into.get(subject)
        if found is None:
            into[subject] = cell.copy()
        else:
            found.add(cell)
