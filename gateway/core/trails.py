"""Sliding sums of what was counted of one group of requests, for each window that a rule looks back over.

`Windows` answers any question about the last day, at a price; a trail answers the same few every second for next to
nothing. It adds what is new and takes away what has left the window. Slots are of a second for windows up to a minute,
of ten seconds up to an hour, of a minute beyond; a window ends with the slot under way and is never longer than asked
for. Finished slots are packed into bytes: a trail with windows of 5 s, 1 min and 5 min takes about 20 KiB.

Time is seconds since the first of a row of trails began, passed in; a trail never looks behind its own beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from typing import Final, NamedTuple

import msgspec

from gateway.core.histogram import Buckets
from gateway.core.windows import HOUR, MINUTE, SECOND, TEN_SECONDS, Cell

STARTS_PER_WINDOW: Final = 8
"""Evidence is sought from so many places in a window on: what began late in it is not thinned by what was before."""

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Cell).decode


_EMPTY: Final = Cell()
"""Nobody adds to it."""


class Since(NamedTuple):
    """What was counted from one beginning up to now."""

    start: int
    """The number of the beginning, from 0 at second 0."""
    cell: Cell


def slot_width(window_seconds: float) -> int:
    """How fine a window of this length is, in seconds."""
    if window_seconds <= MINUTE:
        return SECOND
    return TEN_SECONDS if window_seconds <= HOUR else MINUTE


def start_step(window_seconds: float) -> int:
    """How far apart the beginnings are from which evidence is sought, in seconds: whole slots."""
    width = slot_width(window_seconds)
    return max(1, round(window_seconds / STARTS_PER_WINDOW / width)) * width


class _Sum:
    """The running sum of one window."""

    __slots__ = ("blocks", "cell", "slots", "step", "tail")

    def __init__(self, slots: int, step: int) -> None:
        self.slots = slots
        """How many it spans, the one under way included."""
        self.step = step
        """How many are between two beginnings."""
        self.tail = 0
        """The first slot that is in it."""
        self.cell = Cell()
        self.blocks: dict[int, bytes] = {}
        """The sums of the slots from one beginning to the next, as far as anybody asked."""


class _Lane:
    """The slots of one width, and the windows that are made of them."""

    __slots__ = ("begins", "number", "packed", "running", "sums", "width")

    def __init__(self, width: int, windows: Iterable[float], begins: float) -> None:
        self.width = width
        self.begins = begins
        self.number = 0
        self.running = Cell()
        self.packed: dict[int, bytes] = {}
        self.sums = {window: _Sum(max(1, int(window // width)), start_step(window) // width) for window in windows}

    def turn(self, second: float) -> None:
        """Let time pass: finish the slot under way, and let go of those that have left their windows."""
        number = int(second // self.width)
        if number <= self.number:
            return
        if self.running != _EMPTY:
            self.packed[self.number] = _pack(self.running)
            self.running = Cell()
        self.number = number
        for each in self.sums.values():
            self._shorten(each)
        tail = min(each.tail for each in self.sums.values())
        while self.packed and (oldest := next(iter(self.packed))) < tail:
            del self.packed[oldest]

    def _shorten(self, window: _Sum) -> None:
        tail = self.number - window.slots + 1
        if tail - window.tail > len(self.packed):
            leaving = [slot for slot in self.packed if window.tail <= slot < tail]
        else:
            leaving = [slot for slot in range(window.tail, tail) if slot in self.packed]
        for slot in leaving:
            window.cell.subtract(_unpack(self.packed[slot]))
        window.tail = max(tail, window.tail)

    def take(self, cell: Cell) -> None:
        self.running.add(cell)
        for each in self.sums.values():
            each.cell.add(cell)

    def blocks(self, window: _Sum) -> Iterator[tuple[int, Cell]]:
        """What was counted from each beginning in the window up to the next, the latest first."""
        start = self.number // window.step
        earliest = ceil(max(window.tail, self.begins / self.width) / window.step)
        if start < earliest:
            return
        cell = self._add_up(start * window.step, self.number)
        cell.add(self.running)
        yield start, cell
        for former in range(start - 1, earliest - 1, -1):
            yield former, self._finished(window, former)

    def _finished(self, window: _Sum, start: int) -> Cell:
        """A block that nothing is added to any more: summed once, for as long as the window has it."""
        packed = window.blocks.get(start)
        if packed is not None:
            return _unpack(packed)
        cell = self._add_up(start * window.step, (start + 1) * window.step)
        for gone in [each for each in window.blocks if each * window.step < window.tail]:
            del window.blocks[gone]
        window.blocks[start] = _pack(cell)
        return cell

    def _add_up(self, first: int, end: int) -> Cell:
        """The finished slots from ``first`` up to ``end``."""
        total = Cell()
        for slot in range(first, end):
            if slot in self.packed:
                total.add(_unpack(self.packed[slot]))
        return total


class Trail:
    """See the module. ``windows`` are the lengths, in seconds, that will be asked for; it begins at ``begins``."""

    __slots__ = ("_lanes", "stage")

    def __init__(self, windows: Iterable[float], begins: float = 0.0) -> None:
        by_width: dict[int, list[float]] = {}
        for window in dict.fromkeys(windows):
            by_width.setdefault(slot_width(window), []).append(window)
        self._lanes = {width: _Lane(width, lengths, begins) for width, lengths in by_width.items()}
        self.stage = Cell()
        """Everything since the stage began."""

    def take(self, second: float, cell: Cell) -> None:
        """Add what was counted up to ``second``. ``cell`` is only read."""
        self.stage.add(cell)
        for lane in self._lanes.values():
            lane.turn(second)
            lane.take(cell)

    def begin_stage(self) -> None:
        """Count anew for the stage; the windows go on."""
        self.stage = Cell()

    def window(self, window: float, second: float) -> Cell:
        """What was counted in the trailing window. Only to be read, and only until the next call of `take`."""
        lane = self._lanes[slot_width(window)]
        lane.turn(second)
        return lane.sums[window].cell

    def sinces(self, window: float) -> Iterator[Since]:
        """What was counted from each beginning in the window up to now, the latest beginning first.

        Beginnings are `start_step` apart, counted from second 0, whatever the window: so what is counted from
        one only ever grows. The cell is the same object from one to the next, to be read before the next is asked for.
        """
        lane = self._lanes[slot_width(window)]
        total = Cell()
        for start, cell in lane.blocks(lane.sums[window]):
            total.add(cell)
            yield Since(start, total)


def with_waiting(cell: Cell, waiting: Buckets) -> Cell:
    """The cell with the ages of requests that still wait among its latencies."""
    if not waiting:
        return cell
    both = cell.copy()
    both.add(Cell(latencies=waiting))
    return both
