"""The figures of the whole gateway: what all its workers counted, since it started and over the last day.

Workers report in numbered batches, and repeat a batch until they hear that it was recorded; so each is taken once,
whatever dies in between. `freeze` and `thaw` carry the figures from a controller to its successor.

The number of subjects is bounded: a route has at most `TEMPLATES_PER_ROUTE` paths, here as in each worker: those that
the configuration names, then those that the workers saw first. When a reload names others, what has no place any more
becomes part of ``{other}``. What routes that are gone had counted is forgotten at the reload that follows their end.

Workers report a moment later than they count. What they counted before a transition and report after it is part of
totals and windows like all else, but the one who watches is not told: it would take it for what the transition led to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.control.admission import Admission
from gateway.core.figures import Counted, PathFigures, Subject
from gateway.core.windows import Cell, Windows

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.core.types import Table

_RUNS_REMEMBERED: Final = 4096
"""Of worker processes, the newest: one that died long ago has nothing to repeat."""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What one worker counted between two reports."""

    run: int
    """Names the process: no two have had the same."""
    sequence: int
    """Numbers the batches of a run, from 1."""
    at: float
    """When it was recorded, in seconds since the epoch."""
    counted: tuple[Counted, ...]
    serial: int = 0
    """Of the table that the worker served by when the counting of this batch began; 0 where that is not known."""


class _Frozen(msgspec.Struct, array_like=True):
    started_at: float
    runs: dict[int, int]
    totals: list[Counted]
    windows: bytes


class Figures:
    """See the module. ``started_at`` is when the gateway did, in seconds since the epoch."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.totals: dict[Subject, PathFigures] = {}
        self.windows = Windows()
        self._fresh: dict[int, dict[Subject, Cell]] = {}
        """By the serial of their batches."""
        self._begun: dict[str, int] = {}
        """Of routes that began anew the serial of the table by which they did."""
        self._runs: dict[int, int] = {}
        self._admission = Admission()
        self._routes: frozenset[str] = frozenset()

    def last_of(self, run: int) -> int:
        """The number of the last batch of ``run`` that was recorded; 0 for none."""
        return self._runs.get(run, 0)

    def record(self, batch: Batch) -> bool:
        """Take in a batch; False when it was recorded before."""
        if batch.sequence <= self.last_of(batch.run):
            return False
        self._runs.pop(batch.run, None)
        self._runs[batch.run] = batch.sequence  # the newest run last
        while len(self._runs) > _RUNS_REMEMBERED:
            del self._runs[next(iter(self._runs))]
        counted = [Counted(self._admission.admit(each.subject), each.figures) for each in batch.counted]
        self.windows.take(batch.at, counted)
        fresh = self._fresh.setdefault(batch.serial, {})
        for each in counted:
            total = self.totals.get(each.subject)
            if total is None:
                total = self.totals[each.subject] = PathFigures()
            total.add(each.figures)
            _add(fresh, each.subject, Cell.of(each.figures))
        return True

    def drain(self) -> dict[Subject, Cell]:
        """What was counted since the last call, for the one who watches: without what `begin` has made past."""
        drained: dict[Subject, Cell] = {}
        for serial, cells in self._fresh.items():
            for subject, cell in cells.items():
                if serial >= self._begun.get(subject.route, 0):
                    _add(drained, subject, cell)
        self._fresh = {}
        return drained

    def begin(self, routes: Collection[str], serial: int) -> None:
        """These routes begin anew by the table ``serial``: what was counted under one before is not drained any more.

        That holds for what was recorded already and for what is still to come. A request is counted when it is over,
        under the table that is in force then. No successor has to know of this: the serials of its tables are greater
        than any before, and its first `drain`, which brings all that was found, is before it watches anything.
        """
        for route in routes:
            self._begun[route] = max(serial, self._begun.get(route, 0))

    def adopt(self, table: Table) -> None:
        """Serve by ``table`` from now on: its templates come first, and routes that were gone before are forgotten."""
        routes = frozenset(route.name for route in table.routes)
        kept = routes | self._routes | {""}
        self.totals = {subject: total for subject, total in self.totals.items() if subject.route in kept}
        self._begun = {route: serial for route, serial in self._begun.items() if route in kept}
        self._admission.begin(self.totals)
        self._admission.adopt(table)
        self._routes = routes
        self._fold()

    def _fold(self) -> None:
        """Make the totals of paths that have no place any more a part of ``{other}``: no request is forgotten."""
        former, self.totals = self.totals, {}
        for subject, total in former.items():
            place = self._admission.admit(subject)
            if place in self.totals:
                self.totals[place].add(total)
            else:
                self.totals[place] = total

    # From a controller to its successor.

    def freeze(self) -> bytes:
        """Everything, as bytes."""
        totals = [Counted(subject, figures) for subject, figures in self.totals.items()]
        return msgspec.msgpack.encode(_Frozen(self.started_at, self._runs, totals, self.windows.freeze()))

    @classmethod
    def thaw(cls, frozen: bytes) -> Figures:
        """What was frozen. Raises msgspec.DecodeError when it is not that."""
        record = msgspec.msgpack.decode(frozen, type=_Frozen)
        figures = cls(record.started_at)
        figures._runs = record.runs
        figures.windows = Windows.thaw(record.windows)
        figures.totals = {each.subject: each.figures for each in record.totals}  # they were admitted before
        figures._admission.begin(figures.totals)
        return figures


def _add(cells: dict[Subject, Cell], subject: Subject, cell: Cell) -> None:
    """Add a cell, which becomes part of ``cells``."""
    found = cells.get(subject)
    if found is None:
        cells[subject] = cell
    else:
        found.add(cell)
