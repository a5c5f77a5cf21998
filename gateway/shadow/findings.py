"""What was found on one path: how often each field differed, whether that is noise, and which pairs wait to be judged.

Everything is kept twice: as the total that judgements rest on, and as what came since it was sent on last. What was
found before, by a comparer that has ended, becomes a part of the total (`Findings.learn`).

As long as too little is known of a path, pairs that differ wait for twins, or a time stamp would count as a mismatch
until somebody learns what it is. What waits is only which fields differed: no bodies, no values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.core.jsonpaths import check_path
from gateway.core.noise import FIELD_LENGTH, FIELDS_LIMIT, TWINS_NEEDED, is_noise, mirror
from gateway.core.tallies import FieldTally, PathTally, Sample
from gateway.core.templates import OTHER

_LOOKS: Final = 32
"""A field is judged again when its differences, or its twins', have grown by one part in so many: a close judgement
takes over a millisecond, and whoever looks less often is not misled more often."""

Key = tuple[str, str]
"""A field, and the kind of its difference."""


class Waiting(NamedTuple):
    """A pair that differs and is not judged yet."""

    time: float
    """Seconds since the epoch."""
    findings: tuple[Finding, ...]
    is_forced: bool
    """Whether the request chose its arm itself."""


class Finding:
    """One field that differs in one kind."""

    __slots__ = ("_next_count", "_next_noisy", "fresh", "key", "total", "was_noise")

    def __init__(self, key: Key, total: FieldTally) -> None:
        self.key = key
        self.total = total
        self.fresh: FieldTally | None = None
        """What came since it was taken last."""
        self.was_noise = False
        """By the last judgement."""
        self._next_count = self._next_noisy = 0
        """What there has to be before it is looked at again."""

    def note(self, time: float) -> None:
        """A pair of baseline and candidate differed so."""
        fresh = self.freshen()
        fresh.count += 1
        fresh.first_at = min(fresh.first_at or time, time)
        fresh.last_at = max(fresh.last_at, time)
        self.total.count += 1

    def note_twin(self) -> None:
        """Two baseline answers did."""
        self.freshen().noisy += 1
        self.total.noisy += 1

    def note_counted(self) -> None:
        """It was judged to be a mismatch."""
        self.freshen().counted += 1
        self.total.counted += 1

    def keep(self, sample: Sample) -> None:
        """One pair for people to look at."""
        self.freshen().samples.append(sample)

    def freshen(self) -> FieldTally:
        """The tally of what comes from now on."""
        if self.fresh is None:
            self.fresh = FieldTally()
        return self.fresh

    def judge(self, path: PathTally) -> bool:
        """Whether it is noise, by what is known of its path."""
        count, noisy = self.total.count, self.total.noisy
        if count >= self._next_count or noisy >= self._next_noisy:
            self.was_noise = is_noise(path, *self.key)
            self._next_count = count + max(1, count // _LOOKS)
            self._next_noisy = noisy + max(1, noisy // _LOOKS)
        return self.was_noise

    def reconsider(self) -> None:
        """Judge it anew when it is asked for next: something else than its own tally has changed."""
        self._next_count = 0


class Findings:
    """See the module. At most `FIELDS_LIMIT` fields, by kind, are told apart; ``{other}`` is what comes after them, and
    what has a longer name than `FIELD_LENGTH`.
    """

    def __init__(self, route: str, path: str) -> None:
        self.total = PathTally(route, path)
        self.waiting: deque[Waiting] = deque()
        self.shuffled: tuple[str, ...] = ()
        """The arrays that the baseline itself answers in one order now and in another then, as JSONPath."""
        self._fresh = PathTally(route, path)
        self._findings: dict[Key, Finding] = {}

    @property
    def is_known(self) -> bool:
        """Whether there were twins enough to tell noise from the rest."""
        return self.total.twins >= TWINS_NEEDED

    def learn(self, known: PathTally | None) -> None:
        """Take what was found before for all that was found until the last `take`."""
        found = PathTally(self.total.route, self.total.path)
        for tally in (known, self._gather()):
            if tally is not None:
                _add(found, tally)
        self.total = found
        for key, finding in self._findings.items():
            finding.total = found.fields.setdefault(key, FieldTally())
            finding.reconsider()
        self.shuffled = _list_shuffled(found)

    def find(self, key: Key) -> Finding:
        """What is known of this field and kind; of ``{other}`` where there are fields enough."""
        finding = self._findings.get(key)
        if finding is not None:
            return finding
        fields = self.total.fields
        if key not in fields and key[0] != OTHER and (len(fields) >= FIELDS_LIMIT or len(key[0]) > FIELD_LENGTH):
            return self.find((OTHER, key[1]))
        finding = self._findings[key] = Finding(key, fields.setdefault(key, FieldTally()))
        return finding

    def note_pair(self, found: Iterable[Finding], time: float) -> None:
        """A pair of baseline and candidate was compared, and differs in these, each once."""
        self.total.compared += 1
        self._fresh.compared += 1
        for finding in found:
            finding.note(time)

    def note_twin(self, found: Iterable[Finding]) -> None:
        """Two answers of the baseline were."""
        self.total.twins += 1
        self._fresh.twins += 1
        for finding in found:
            finding.note_twin()
            if finding.total.noisy == 1:
                self._note_noisy(*finding.key)

    def _note_noisy(self, field: str, kind: str) -> None:
        """It is the first time: this bears on more than the field's own rate."""
        self.shuffled = _list_shuffled(self.total)
        mirrored = self._findings.get((field, mirror(kind) or kind))
        if mirrored is not None:
            mirrored.reconsider()

    def judge(self, found: Iterable[Finding]) -> bool:
        """Whether a pair that differs in these is a mismatch. Those that count are noted."""
        counting = [finding for finding in found if not finding.judge(self.total)]
        for finding in counting:
            finding.note_counted()
        return bool(counting)

    def take(self) -> PathTally | None:
        """What was found since the last time; None: nothing."""
        fresh = self._gather()
        self._fresh = PathTally(fresh.route, fresh.path)
        for finding in self._findings.values():
            finding.fresh = None
        return fresh if fresh.compared or fresh.twins or fresh.fields else None

    def _gather(self) -> PathTally:
        fresh = self._fresh
        fresh.fields = {key: each.fresh for key, each in self._findings.items() if each.fresh is not None}
        return fresh


def _list_shuffled(path: PathTally) -> tuple[str, ...]:
    """In the order in which they were found; without those that no rule could name."""
    orders = (field for (field, kind), tally in path.fields.items() if kind == "order" and tally.noisy)
    return tuple(field for field in orders if _can_be_named(field))


def _can_be_named(field: str) -> bool:
    """Whether it is a JSONPath: ``{other}`` is none, nor is what has half a character in it."""
    try:
        check_path(field)
    except ValueError:
        return False
    return True


def _add(total: PathTally, tally: PathTally) -> None:
    """Only what judgements need: not the samples, nor the times."""
    total.compared += tally.compared
    total.twins += tally.twins
    for key, field in tally.fields.items():
        mine = total.fields.setdefault(key, FieldTally())
        mine.count += field.count
        mine.counted += field.counted
        mine.noisy += field.noisy
