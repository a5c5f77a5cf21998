"""Both arms of one group of requests, side by side, as rules compare them.

What an open breaker or the candidate's health kept away from it counts as its error, though the baseline answered it:
who rests is not well. But where the baseline itself fails as often as opens breakers, resting says nothing of the
candidate: then what was kept away counts as it fared at the baseline, or a fault that both arms share would look like
the candidate's alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from gateway.core.histogram import Buckets
from gateway.core.judging import KEPT_AWAY
from gateway.core.trails import Trail, with_waiting
from gateway.core.windows import Cell

SHARED_ERROR_RATE: Final = 0.2
"""From here on a baseline would open breakers, too: ten errors in a row come by chance within minutes or hours."""


class Pair:
    """See the module. ``windows`` are the lengths, in seconds, that will be asked for."""

    __slots__ = ("_windows", "baseline", "baseline_waiting", "candidate", "candidate_waiting")

    def __init__(self, windows: Collection[float]) -> None:
        self._windows = windows
        self.begin(0.0)
        self.candidate_waiting: Buckets = {}
        self.baseline_waiting: Buckets = {}

    def begin(self, since: float) -> None:
        """Forget what was before."""
        self.candidate = Trail(self._windows, since)
        self.baseline = Trail(self._windows, since)

    def take(self, since: float, cell: Cell, *, is_candidate: bool) -> None:
        """Add what an arm was counted for; what was kept away from the candidate was counted for the baseline."""
        if is_candidate:
            self.candidate.take(since, cell)
            return
        self.baseline.take(since, cell)
        if cell.kept_away:
            self.candidate.take(since, Cell(kept_away=cell.kept_away))

    def window(self, window: float, second: float) -> tuple[Cell, Cell]:
        """Both arms in the trailing window, those who still wait included."""
        return self._complete(self.candidate.window(window, second), self.baseline.window(window, second))

    def sinces(self, window: float) -> Iterator[tuple[int, Cell, Cell]]:
        """Both arms from each beginning in the window on, the latest first."""
        for (start, candidate), (_, baseline) in zip(
            self.candidate.sinces(window), self.baseline.sinces(window), strict=True
        ):
            yield start, *self._complete(candidate, baseline)

    def stage(self) -> tuple[Cell, Cell]:
        """Both arms since the stage began."""
        return self._complete(self.candidate.stage, self.baseline.stage)

    def _complete(self, candidate: Cell, baseline: Cell) -> tuple[Cell, Cell]:
        """Both, with those who still wait and those who were kept away."""
        baseline = with_waiting(baseline, self.baseline_waiting)
        return with_kept_away(with_waiting(candidate, self.candidate_waiting), baseline), baseline

    def begin_stage(self) -> None:
        """What counts from the stage's beginning on begins anew; windows go on."""
        self.candidate.begin_stage()
        self.baseline.begin_stage()


def with_kept_away(candidate: Cell, baseline: Cell) -> Cell:
    """The candidate's cell with what was kept away from it: all errors, or as many as failed at an ill baseline."""
    kept = candidate.kept_away
    if not kept:
        return candidate
    share = baseline.error_count / baseline.requests if baseline.requests else 0.0
    both = candidate.copy()
    both.requests += kept
    both.errors[KEPT_AWAY] = round(kept * share) if share > SHARED_ERROR_RATE else kept
    return both
