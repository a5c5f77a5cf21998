"""What each route's arms did over the last minute, for views that are renewed every few seconds.

Summing a minute anew each time would be ten times the work: so the whole ten seconds in it are summed once and kept,
and only those under way are looked up again. What is summed are arms of routes: paths are taken together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.core.windows import TEN_SECONDS, Cell, Cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.core.windows import Windows

WHOLE_SLOTS: Final = 6
"""Of ten seconds each; with those under way a minute, and up to twelve seconds more."""

_LATE_SECONDS: Final = 2
"""A slot counts as under way for so long after its end: a report may have come in the moment before."""

RouteArm = tuple[str, str]
"""A route and one of its arms."""


@dataclass(frozen=True, slots=True)
class Minute:
    """What was counted, and in how many seconds."""

    cells: Mapping[RouteArm, Cell]
    seconds: float

    def take(self, routes: Iterable[str], arm: str) -> Cell:
        """What an arm did on several routes."""
        total = Cell()
        for route in routes:
            cell = self.cells.get((route, arm))
            if cell is not None:
                total.add(cell)
        return total


class LastMinute:
    """See the module. ``started_at`` is when the figures begin, in seconds since the epoch."""

    def __init__(self, windows: Windows, started_at: float) -> None:
        self._windows = windows
        self._started_at = started_at
        self._whole: dict[int, dict[RouteArm, Cell]] = {}

    def look(self, now: float) -> Minute:
        """The minute before ``now``, in seconds since the epoch. May be called from a thread, by one at a time."""
        running = int(now - _LATE_SECONDS) // TEN_SECONDS
        numbers = range(running - WHOLE_SLOTS, running)
        self._whole = {number: self._whole.get(number) or self._sum(number) for number in numbers}
        under_way = _take_together(self._windows.sum(running * TEN_SECONDS, now))
        since = max(numbers.start * TEN_SECONDS, self._started_at)
        return Minute(_add_up([*self._whole.values(), under_way]), max(1.0, now - since))

    def _sum(self, number: int) -> dict[RouteArm, Cell]:
        begin = number * TEN_SECONDS
        return _take_together(self._windows.sum(begin, begin + TEN_SECONDS - 1))


def _take_together(cells: Cells) -> dict[RouteArm, Cell]:
    """The paths of each route as one; the cells are used up."""
    together: dict[RouteArm, Cell] = {}
    for subject, cell in cells.items():
        total = together.setdefault((subject.route, subject.arm), cell)
        if total is not cell:
            total.add(cell)
    return together


def _add_up(parts: Iterable[Mapping[RouteArm, Cell]]) -> dict[RouteArm, Cell]:
    added: dict[RouteArm, Cell] = {}
    for part in parts:
        for place, cell in part.items():
            added.setdefault(place, Cell()).add(cell)
    return added
