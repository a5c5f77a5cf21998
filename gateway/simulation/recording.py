"""What a trial looked like over time: both arms in slots, for a picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.conducting import Outcome
from gateway.core.figures import Subject
from gateway.core.histogram import quantile
from gateway.core.types import Arm
from gateway.core.verdicts import Verdict
from gateway.core.windows import Cell

MOST_SLOTS: Final = 600
"""More than a picture has room for; with more, two become one."""

P99: Final = 0.99


class Slot(msgspec.Struct, frozen=True):
    """One stretch of time."""

    second: float
    """When it ended."""
    percent: float
    error_rates: dict[Arm, float | None]
    p99_ms: dict[Arm, float | None]
    broken: frozenset[str]
    """The guards that were broken in it."""


class _Stretch:
    """A slot as long as it can still grow."""

    __slots__ = ("broken", "cells", "percent", "second")

    def __init__(self) -> None:
        self.second = self.percent = 0.0
        self.cells = {arm: Cell() for arm in Arm}
        self.broken: set[str] = set()

    def join(self, later: _Stretch) -> None:
        self.second, self.percent = later.second, later.percent
        self.broken |= later.broken
        for arm, cell in self.cells.items():
            cell.add(later.cells[arm])

    def close(self) -> Slot:
        rates = {arm: cell.error_count / cell.requests if cell.requests else None for arm, cell in self.cells.items()}
        latencies = {arm: quantile(cell.latencies, P99) for arm, cell in self.cells.items()}
        p99_ms = {arm: None if seconds is None else seconds * 1e3 for arm, seconds in latencies.items()}
        return Slot(self.second, self.percent, rates, p99_ms, frozenset(self.broken))


class Recording:
    """Give its `observe` to a trial. However long that is, there are at most 600 slots of equal length."""

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []
        self._seconds_each = 1
        self._running = 0
        """How many seconds the last stretch has."""

    def observe(self, second: float, percent: float, cells: Mapping[Subject, Cell], outcome: Outcome) -> None:
        """Take in a second."""
        if not self._stretches or self._running >= self._seconds_each:
            self._begin()
        stretch = self._stretches[-1]
        self._running += 1
        stretch.second, stretch.percent = second, percent
        for subject, cell in cells.items():
            stretch.cells[Arm(subject.arm)].add(cell)
        stretch.broken |= {judgement.rule for _, judgement in outcome.guards if judgement.verdict is Verdict.BROKEN}

    def slots(self) -> list[Slot]:
        """All of it, in order."""
        return [stretch.close() for stretch in self._stretches]

    def _begin(self) -> None:
        if len(self._stretches) >= MOST_SLOTS:
            for first, second in zip(self._stretches[::2], self._stretches[1::2], strict=True):
                first.join(second)
            self._stretches = self._stretches[::2]
            self._seconds_each *= 2
        self._stretches.append(_Stretch())
        self._running = 0
