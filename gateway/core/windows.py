"""What happened over the last day, in slots: of 1 s for ten minutes, of 10 s for an hour, of a minute for a day.

A slot holds a `Cell` for each subject that had requests in it. The second under way is added to; a finished one is
packed into bytes, and ten of them are rolled up into a slot of the next tier when their time is over. A window is the
sum of the largest whole slots inside it: five minutes are about thirty slots, not three hundred.

Memory is bounded by `BUDGET_BYTES`, a third for each tier; beyond its share a tier gives up its oldest slots, and a
window that reaches behind them is answered from the next tier, rounded outwards. A cell is taken for 120 bytes and four
for each bucket that its latencies are in; measured, it is a sixth to a quarter less, as subjects are kept once. With 30
buckets in each, 130 pairs of path and arm that have requests in every second keep everything; 1,000 keep three minutes
by the second, half an hour by ten seconds, and three hours by the minute.

Time comes from outside, in seconds since the epoch. It may stand still or go back: what comes late is counted in the
second under way. A long look back takes a while, so `Windows.sum` and `Windows.steps` may be called from threads while
one loop goes on with `Windows.take`: finished slots never change, and the second under way is copied piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.core.figures import Counted, PathFigures, Subject
from gateway.core.histogram import Buckets, merge

BUDGET_BYTES: Final = 128 * 1024 * 1024
"""Of all slots together."""

SECOND, TEN_SECONDS, MINUTE, HOUR = 1, 10, 60, 3600
DAY: Final = 86_400
SECONDS_SPAN: Final = 600
"""How far back there are slots of a second, in seconds."""
TENS_SPAN: Final = HOUR
"""How far back there are slots of ten seconds, in seconds."""

_SLACK: Final = MINUTE  # kept beyond what is promised: a question is a moment old, or its clock a little behind

_CELL_BYTES: Final = 120  # what a dictionary's entry and a bytes object take beside the packed figures

Wanted = Callable[[Subject], bool]


class Cell(msgspec.Struct, array_like=True):
    """What one subject did in one slot, or in a window."""

    requests: int = 0
    client_errors: int = 0
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """By kind."""
    latencies: Buckets = msgspec.field(default_factory=dict)
    failovers: int = 0
    kept_away: int = 0
    compared: int = 0
    """Copies whose answer was held against the user's."""
    mismatches: int = 0
    """Those of them that differed in more than noise."""

    @classmethod
    def of(cls, figures: PathFigures) -> Cell:
        """The part of ``figures`` that windows keep."""
        return cls(
            figures.requests,
            figures.client_errors,
            figures.errors.copy(),
            figures.latencies.copy(),
            sum(figures.failovers.values()),
            figures.kept_away,
            figures.compared,
            figures.mismatches,
        )

    @property
    def error_count(self) -> int:
        """Of all kinds."""
        return sum(self.errors.values())

    def copy(self) -> Cell:
        """The same, which stays as it is."""
        return msgspec.structs.replace(self, errors=self.errors.copy(), latencies=self.latencies.copy())

    def add(self, other: Cell) -> None:
        """Take in another time, or another worker."""
        self.requests += other.requests
        self.client_errors += other.client_errors
        for kind, count in other.errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + count
        merge(self.latencies, other.latencies)
        self.failovers += other.failovers
        self.kept_away += other.kept_away
        self.compared += other.compared
        self.mismatches += other.mismatches

    def subtract(self, other: Cell) -> None:
        """Take out what was taken in."""
        self.requests -= other.requests
        self.client_errors -= other.client_errors
        for kind, count in other.errors.items():
            self.errors[kind] -= count
        latencies = self.latencies
        for bucket, count in other.latencies.items():
            left = latencies[bucket] - count
            if left:
                latencies[bucket] = left
            else:
                del latencies[bucket]
        self.failovers -= other.failovers
        self.kept_away -= other.kept_away
        self.compared -= other.compared
        self.mismatches -= other.mismatches


def add_up(cells: Sequence[Cell]) -> Cell:
    """What several, at least one, come to together; only to be read, as it may be one of them."""
    if len(cells) == 1:
        return cells[0]
    total = cells[0].copy()
    for cell in cells[1:]:
        total.add(cell)
    return total


Cells = dict[Subject, Cell]
Packed = dict[Subject, bytes]
_FrozenTier = tuple[int, list[tuple[int, list[tuple[Subject, bytes]]]]]

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Cell).decode


@dataclass(frozen=True, slots=True)
class Steps:
    """A span of time, cut into equal steps."""

    step_seconds: int
    times: list[float]
    """Where each step begins."""
    cells: list[Cells]


class _Tier:
    """Finished slots of one width, by their number: that of the second in which they begin, over the width."""

    __slots__ = ("_bytes", "_slots", "gone_before", "kept", "width")

    def __init__(self, width: int, kept: int) -> None:
        self.width = width
        self.kept = kept
        """How many slots."""
        self.gone_before = 0
        """The first number of which it is known whether there was anything."""
        self._slots: dict[int, Packed] = {}
        self._bytes = 0

    def put(self, number: int, cells: Packed, budget_bytes: int, needed_from: int) -> None:
        """Add the newest slot; what is too much goes. Slots from ``needed_from`` on stay in any case."""
        if cells:
            self._slots[number] = cells
            self._bytes += _size(cells)
        while self._bytes > budget_bytes and self._slots and (oldest := next(iter(self._slots))) < needed_from:
            self.forget_before(oldest + 1)

    def forget_before(self, number: int) -> None:
        """Let go of all slots below ``number``."""
        self.gone_before = max(self.gone_before, number)
        while self._slots and (oldest := next(iter(self._slots))) < number:
            self._bytes -= _size(self._slots.pop(oldest))

    def get(self, number: int) -> Packed:
        """The cells of a slot; empty when nothing was there, or it is gone."""
        return self._slots.get(number, {})

    def roll_up(self, number: int, into_width: int) -> Packed:
        """The slots that make up slot ``number`` of a tier of ``into_width``, as one."""
        ratio = into_width // self.width
        parts = [self.get(part) for part in range(number * ratio, (number + 1) * ratio)]
        return {subject: _pack(cell) for subject, cell in _merge(parts).items()}

    def freeze(self) -> _FrozenTier:
        """As plain values."""
        return self.gone_before, [(number, list(cells.items())) for number, cells in self._slots.items()]

    def thaw(self, frozen: _FrozenTier, intern: Callable[[Subject], Subject]) -> None:
        """Take over what was frozen."""
        self.gone_before, slots = frozen
        self._slots = {number: {intern(subject): cell for subject, cell in cells} for number, cells in slots}
        self._bytes = sum(map(_size, self._slots.values()))

    @property
    def size_bytes(self) -> int:
        """About how much memory the slots take."""
        return self._bytes


class _Subjects:
    """One object for each subject, however often it is reported: a cell's key costs a pointer, not four strings.

    What was not seen for a day or two is forgotten, as its cells are.
    """

    __slots__ = ("_day", "_former", "_seen")

    def __init__(self) -> None:
        self._day = 0
        self._seen: dict[Subject, Subject] = {}
        self._former: dict[Subject, Subject] = {}

    def turn(self, day: int) -> None:
        """Begin a day."""
        if day != self._day:
            self._day, self._former, self._seen = day, self._seen, {}

    def intern(self, subject: Subject) -> Subject:
        """The object that stands for all that equal ``subject``."""
        found = self._seen.get(subject)
        if found is None:
            found = self._seen[subject] = self._former.get(subject, subject)
        return found


class _Frozen(msgspec.Struct, array_like=True):
    second: int
    running: list[tuple[Subject, Cell]]
    tiers: tuple[_FrozenTier, _FrozenTier, _FrozenTier]


class Windows:
    """See the module."""

    __slots__ = ("_budget_bytes", "_minutes", "_now", "_seconds", "_subjects", "_tens")

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes // 3
        self._now: tuple[int, Cells] = (0, {})
        """The second under way and what was in it: one value, so that a thread never sees half of a turn."""
        self._subjects = _Subjects()
        self._seconds, self._tens, self._minutes = (
            _Tier(width, (spanned + _SLACK) // width)
            for width, spanned in ((SECOND, SECONDS_SPAN), (TEN_SECONDS, TENS_SPAN), (MINUTE, DAY))
        )

    @property
    def memory_bytes(self) -> int:
        """About how much memory all finished slots take."""
        return sum(tier.size_bytes for tier in self._tiers)

    @property
    def _tiers(self) -> tuple[_Tier, _Tier, _Tier]:
        return self._seconds, self._tens, self._minutes

    def take(self, at: float, counted: Iterable[Counted]) -> None:
        """Add what was counted until ``at``."""
        self.add(at, ((each.subject, Cell.of(each.figures)) for each in counted))

    def add(self, at: float, cells: Iterable[tuple[Subject, Cell]]) -> None:
        """The same of what others have counted; the cells become part of it."""
        second = int(at)
        if second > self._now[0]:
            self._turn(second)
        running = self._now[1]
        for subject, cell in cells:
            found = running.get(subject)
            if found is None:
                running[self._subjects.intern(subject)] = cell
            else:
                found.add(cell)

    def _turn(self, second: int) -> None:
        """Finish the second under way, and the slots of the other tiers that end with it or before ``second``."""
        former, running = self._now
        tens, minutes = former // TEN_SECONDS, former // MINUTE
        packed = {subject: _pack(cell) for subject, cell in running.items()}
        self._seconds.put(former, packed, self._budget_bytes, tens * TEN_SECONDS)
        if second // TEN_SECONDS > tens:
            rolled = self._seconds.roll_up(tens, TEN_SECONDS)
            self._tens.put(tens, rolled, self._budget_bytes, minutes * MINUTE // TEN_SECONDS)
        if second // MINUTE > minutes:
            rolled = self._tens.roll_up(minutes, MINUTE)
            self._minutes.put(minutes, rolled, self._budget_bytes, minutes)
        self._now = (second, {})
        self._subjects.turn(second // DAY)
        for tier in self._tiers:
            tier.forget_before(second // tier.width - tier.kept)

    # Looking back.

    def sum(self, since: float, until: float, wanted: Wanted | None = None) -> Cells:
        """What each subject (that is ``wanted``) did from the second of ``since`` to that of ``until``, inclusive."""
        second, running = self._now
        end = int(until) + 1
        start = max(int(since), second - DAY - MINUTE)
        parts = [slot for slot in self._cover(start, min(end, second), second) if slot]
        cells = _merge(parts, wanted)
        if start <= second < end:
            for subject, cell in list(running.items()):
                if wanted is None or wanted(subject):
                    cells.setdefault(subject, Cell()).add(cell.copy())
        return cells

    def _cover(self, start: int, end: int, second: int) -> Iterator[Packed]:
        """The fewest slots, finished before ``second``, that make up the seconds from ``start`` up to ``end``."""
        at = start
        while at < end:
            tier = self._widest(at, end, second)
            number = at // tier.width
            yield tier.get(number)
            at = (number + 1) * tier.width

    def _widest(self, at: int, end: int, second: int) -> _Tier:
        """The tier that answers for the time from ``at``: the widest whose slot fits in, or one that still has it."""
        for tier, finer in ((self._minutes, self._tens), (self._tens, self._seconds)):
            number = at // tier.width
            is_finished = number < second // tier.width
            fits = at % tier.width == 0 and at + tier.width <= end
            if is_finished and (fits or at // finer.width < finer.gone_before):
                return tier
        return self._seconds

    def steps(self, since: float, until: float, wanted: Wanted | None = None) -> Steps:
        """The same in steps, for a chart: of a second up to ten minutes, of ten up to an hour, else of a minute.

        The steps are longer where slots as short were given up: a slot never counts in two steps.
        """
        width, times = self.cut(since, until)
        return Steps(width, times, [self.sum(at, at + width - 1, wanted) for at in times])

    def cut(self, since: float, until: float) -> tuple[int, list[float]]:
        """The same steps without what is in them: how many seconds each is long, and where it begins."""
        start = max(int(since), self._now[0] - DAY)
        width = self._step_width(start, until - since)
        return width, [float(at) for at in range(start // width * width, int(until) + 1, width)]

    def _step_width(self, start: int, span: float) -> int:
        for tier, longest in ((self._seconds, SECONDS_SPAN), (self._tens, TENS_SPAN)):
            if span <= longest and start // tier.width >= tier.gone_before:
                return tier.width
        return MINUTE

    # From one controller to the next.

    def freeze(self) -> bytes:
        """Everything, as bytes."""
        return msgspec.msgpack.encode(
            _Frozen(
                self._now[0],
                list(self._now[1].items()),
                (self._seconds.freeze(), self._tens.freeze(), self._minutes.freeze()),
            )
        )

    @classmethod
    def thaw(cls, frozen: bytes) -> Windows:
        """What was frozen. Raises msgspec.DecodeError when it is not that."""
        record = msgspec.msgpack.decode(frozen, type=_Frozen)
        windows = cls()
        intern = windows._subjects.intern
        windows._now = (record.second, {intern(subject): cell for subject, cell in record.running})
        for tier, state in zip(windows._tiers, record.tiers, strict=True):
            tier.thaw(state, intern)
        return windows


def _merge(slots: Iterable[Mapping[Subject, bytes]], wanted: Wanted | None = None) -> Cells:
    """The sum of packed slots, by subject."""
    merged: Cells = {}
    for slot in slots:
        for subject, packed in slot.items():
            if wanted is not None and not wanted(subject):
                continue
            cell = merged.get(subject)
            if cell is None:
                merged[subject] = _unpack(packed)
            else:
                cell.add(_unpack(packed))
    return merged


def _size(cells: Packed) -> int:
    return sum(_CELL_BYTES + len(packed) for packed in cells.values())
