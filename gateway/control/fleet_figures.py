"""What the requests of a whole fleet did: what a replica hands in, and what its leader makes of all of that.

A rollout's figures are those of one version of its progress. What a replica has counted and not handed in when the
rollout moves is dropped; what it hands in under an older version than the leader has begun anew with is left out. Both
would be taken for what the move led to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.control.admission import Admission
from gateway.core.fleet import SUM_SECONDS, Portion, Report, Sum
from gateway.core.histogram import Buckets, merge
from gateway.core.windows import Cell, Windows

if TYPE_CHECKING:
    from gateway.core.figures import Subject
    from gateway.core.types import Table

WAITING_SECONDS: Final = 3.0
"""What a replica said to wait counts for so long, if it says nothing more."""

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

    def empty(self, replica: str, versions: Mapping[str, int]) -> Report:
        """All of it, as the report of ``replica``."""
        portions = {
            rollout: Portion(versions[rollout], list(cells.items()), list(self._waiting.get(rollout, {}).items()))
            for rollout, cells in self._cells.items()
            if rollout in versions and (cells or self._waiting.get(rollout))
        }
        self._cells, self._waiting = {}, {}
        return Report(replica, portions)


class FleetFigures:
    """See the module.

    Of a large fleet that is a hundred thousand cells a second. So a cell that is handed in is added once, to what was
    gathered since the last call of `settle`; only those sums go on to all who want them.
    """

    def __init__(self) -> None:
        self.windows = Windows()
        self._admission = Admission()
        self._gathered: dict[str, Cells] = {}
        """By rollout."""
        self._waiting: dict[str, dict[str, Portion]] = {}
        """What waits where something was handed in since the last call of `settle`, by replica and rollout."""
        self._fresh: dict[str, Cells] = {}
        self._said: dict[str, tuple[float, dict[str, Portion]]] = {}
        """What each replica said last that waits, and when that settled."""
        self._unshared: Cells = {}
        self._shared_at = -inf
        self._begun: dict[str, int] = {}
        """The versions by which rollouts have begun anew."""

    def adopt(self, table: Table) -> None:
        """Serve by ``table`` from now on: the paths that it names have places."""
        self._admission.adopt(table)

    def restore(self, at: float, counted: Sum) -> None:
        """Begin with what the leader before has left of the time up to ``at``, the oldest first."""
        self.windows.add(at, [(self._admission.admit(subject), cell) for subject, cell in counted.cells])

    def take(self, report: Report) -> None:
        """Gather what a replica has handed in; its cells become part of that."""
        for rollout, portion in report.portions.items():
            if not self._is_late(rollout, portion):
                self._gather(self._gathered.setdefault(rollout, {}), portion.cells)
        self._waiting[report.replica] = {name: each for name, each in report.portions.items() if each.waiting}

    def _gather(self, into: Cells, cells: Iterable[tuple[Subject, Cell]]) -> None:
        for subject, cell in cells:
            found = into.get(subject) or into.get(place := self._admission.admit(subject))
            if found is None:
                into[place] = cell
            else:
                found.add(cell)

    def settle(self, now: float) -> Sum | None:
        """Let what was gathered be drained and looked back on. Every few seconds, the sum for whoever leads next."""
        gathered, self._gathered = self._gathered, {}
        for rollout, cells in gathered.items():
            _merge(self._fresh.setdefault(rollout, {}), cells.items())
            _merge(self._unshared, cells.items())
            self.windows.add(now, cells.items())
        self._settle_waiting(now)
        return self.sum_up(now) if now - self._shared_at >= SUM_SECONDS else None

    def sum_up(self, now: float) -> Sum:
        """What has settled since the last sum."""
        self._shared_at, (counted, self._unshared) = now, (self._unshared, {})
        return Sum(list(counted.items()))

    def _settle_waiting(self, now: float) -> None:
        """Whoever is silent for a while is gone, or has nothing that waits."""
        self._said |= {replica: (now, waiting) for replica, waiting in self._waiting.items()}
        self._said = {replica: said for replica, said in self._said.items() if now - said[0] <= WAITING_SECONDS}
        self._waiting = {}

    def begin(self, rollout: str, version: int) -> None:
        """A rollout begins anew with ``version``."""
        self._begun[rollout] = version
        self._gathered.pop(rollout, None)
        self._fresh.pop(rollout, None)

    def drain(self, rollout: str) -> Cells:
        """What was counted of a rollout's requests and has settled since the last call."""
        return self._fresh.pop(rollout, {})

    def waiting(self, rollout: str) -> dict[Subject, Buckets]:
        """How long a rollout's requests wait for their backend's header, as all said last."""
        total: dict[Subject, Buckets] = {}
        for _, portions in self._said.values():
            portion = portions.get(rollout)
            if portion is not None and not self._is_late(rollout, portion):
                for subject, ages in portion.waiting:
                    merge(total.setdefault(subject, {}), ages)
        return total

    def _is_late(self, rollout: str, portion: Portion) -> bool:
        """Whether it tells of requests from before the rollout began anew."""
        return portion.version < self._begun.get(rollout, 0)


def _merge(into: Cells, cells: Iterable[tuple[Subject, Cell]]) -> None:
    """Add cells, which stay as they are."""
    for subject, cell in cells:
        found = into.get(subject)
        if found is None:
            into[subject] = cell.copy()
        else:
            found.add(cell)
