"""What differs between two answers: two JSON values walked side by side, each difference named by kind and JSONPath.

Keys may come in any order. Numbers are compared as numbers (1, 1.0 and 1e0 are equal, however large; -0.0 equals 0, NaN
equals NaN), strings by their characters: Unicode forms are not normalized. ``true`` is no 1, and null is neither absent
nor a value: null and absent differ as `missing` or `extra`, null and a value as `type`.

Of an array one difference is reported rather than a flood: its `length`, or its `order` where the same elements come in
another one. Only then do elements differ, each within its own path, in which indexes are ``[*]``: aggregated over many
answers, the same field is the same difference.

The cost is linear in the size of the values, or n log n, but where tolerances leave elements that have changed places
without a partner: looking for one (`gateway.core.multisets`) ends after 20,000 steps, and what has none then differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile
from typing import Any, Final, NamedTuple

from gateway.core.comparands import (
    ABSENT,
    DEPTH,
    IGNORED,
    NUMBERS,
    Multiset,
    Near,
    Rules,
    are_close,
    may_have_near,
    undress,
)
from gateway.core.forms import Forms, flatten
from gateway.core.multisets import Matching, Patience, pair_by_likeness

__all__ = ["ABSENT", "DEPTH", "Difference", "Kind", "Rules", "find_differences"]

MOST: Final = 100
"""Differences that are looked for, each of another field or kind; an answer with more is not looked at further."""

_STEPS: Final = 20_000  # per comparison, of matching elements within tolerances: a fraction of a second


class Kind(StrEnum):
    """In which way a field differs."""

    STATUS = "status"
    HEADER = "header"
    MISSING = "missing"
    """The baseline has it, the candidate lacks it."""
    EXTRA = "extra"
    """The candidate has it, the baseline lacks it."""
    TYPE = "type"
    VALUE = "value"
    ORDER = "order"
    """The same elements, in another order."""
    LENGTH = "length"
    BODY = "body"


class Difference(NamedTuple):
    """One difference, with what each side has: `ABSENT` on the side that lacks it, of a `length` the two lengths."""

    field: str
    """In a body a JSONPath with ``[*]`` for each index; else ``status`` or the header's name as configured."""
    kind: Kind
    baseline: object
    candidate: object


_ANY: Final = Difference("", Kind.VALUE, None, None)
"""What a question finds: which difference it is, nobody asks."""

# Types whose values are equal if Python says so and the type is the same.
_PLAIN: Final = frozenset({str, int, float, bool, Near, Decimal})
_ARRAYS: Final = frozenset({list, Multiset})
_CONTAINERS: Final = _ARRAYS | {dict}
_TYPES: Final = {list: "array", Multiset: "array", **dict.fromkeys(NUMBERS, "number")}

_Step = str | None
"""A member's name; None for any element of an array."""

_PLAIN_NAME: Final = re.compile(r"[^\W\d]\w*")
_ESCAPES: Final = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", "'": r"\'", "\\": r"\\"}
# Lone surrogates, too: JSON can have them, UTF-8 can't.
_ESCAPED: Final = re.compile(r"[\x00-\x1f'\\\ud800-\udfff]")


def find_differences(baseline: object, candidate: object, rules: Rules, most: int = MOST) -> list[Difference]:
    """What differs between two values as `json.loads` gives them; [] if they are equal under ``rules``.

    Each field is named once for each kind, with the first of its values that differ.
    """
    walk = _Walk(most, _Memory())
    walk.compare(rules.dress(baseline), rules.dress(candidate))
    return list(walk.found.values())


def name_field(steps: Sequence[_Step]) -> str:
    """The JSONPath of a field, from the names on the way to it; None is any element of an array.

    Names that are no plain words are written as in a normalized path (RFC 9535, section 2.7).
    """
    return "$" + "".join(map(_write_step, steps))


def _write_step(step: _Step) -> str:
    if step is None:
        return "[*]"
    if _PLAIN_NAME.fullmatch(step):
        return f".{step}"
    return f"['{_ESCAPED.sub(_escape, step)}']"


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"


def _type_of(value: object) -> object:
    kind = type(value)
    return _TYPES.get(kind, kind)


def _judge(baseline: Any, candidate: Any) -> Kind | None:
    """How two values differ that are not both objects or both arrays."""
    if baseline is IGNORED or candidate is IGNORED:
        return None
    if candidate is ABSENT:
        return Kind.MISSING
    if baseline is ABSENT:
        return Kind.EXTRA
    if type(baseline) in NUMBERS and type(candidate) in NUMBERS:
        return None if are_close(baseline, candidate) else Kind.VALUE
    if _type_of(baseline) != _type_of(candidate):
        return Kind.TYPE
    return None if baseline == candidate else Kind.VALUE


def _list_leftovers(baseline: list[Any], candidate: list[Any], matching: Matching) -> tuple[list[Any], list[Any]]:
    old, new = matching.leftovers
    return [baseline[index] for index in old], [candidate[index] for index in new]


class _Memory:
    """What a comparison has found out already, so that nested arrays are not asked about again on every level."""

    __slots__ = ("answers", "forms", "loose_forms", "patience")

    def __init__(self) -> None:
        self.patience = Patience(_STEPS)
        self.answers: dict[tuple[int, int], bool] = {}
        """Whether two containers are equal, by their identities: they live as long as the comparison."""
        self.forms = Forms()
        self.loose_forms = Forms(is_loose=True)


class _Walk:
    """One comparison, or the question whether two elements of it are equal: that one stops at the first difference."""

    __slots__ = ("_depth", "_is_question", "_memory", "_most", "_trail", "found", "reported")

    def __init__(self, most: int, memory: _Memory, asked_at: int | None = None) -> None:
        self.found: dict[tuple[tuple[_Step, ...], Kind], Difference] = {}
        """By the way to the field, and the kind."""
        self.reported = 0
        """How often any was met."""
        self._most = most
        self._memory = memory
        self._is_question = asked_at is not None
        self._depth = asked_at or 0
        self._trail: list[_Step] = []

    def compare(self, baseline: Any, candidate: Any) -> None:
        """Add what differs below the place where the walk stands."""
        compare: Callable[[Any, Any], None]
        old_kind, new_kind = type(baseline), type(candidate)
        if old_kind is dict and new_kind is dict:
            compare = self._compare_objects
        elif old_kind in _ARRAYS and new_kind in _ARRAYS:
            is_multiset = old_kind is Multiset or new_kind is Multiset
            compare = self._compare_multisets if is_multiset else self._compare_arrays
        else:
            kind = _judge(baseline, candidate)
            if kind is not None:
                self._report(kind, baseline, candidate)
            return
        if self._level < DEPTH:
            compare(baseline, candidate)
        elif flatten(baseline) != flatten(candidate):
            self._report(Kind.VALUE, baseline, candidate)

    def _compare_objects(self, baseline: dict[str, Any], candidate: dict[str, Any]) -> None:
        shared = 0
        for name, old in baseline.items():
            new = candidate.get(name, ABSENT)
            if new is not ABSENT:
                shared += 1
            kind = type(old)
            if old is new or (kind is type(new) and kind in _PLAIN and old == new):
                continue
            self._step(name, old, new)
            if len(self.found) >= self._most:
                return
        if shared < len(candidate):
            for name, new in candidate.items():
                if name not in baseline:
                    self._step(name, ABSENT, new)

    def _compare_arrays(self, baseline: list[Any], candidate: list[Any]) -> None:
        if len(baseline) != len(candidate):
            self._report(Kind.LENGTH, len(baseline), len(candidate))
            if len(self.found) < self._most:
                self._compare_middles(baseline, candidate)
            return
        found, reported = len(self.found), self.reported
        first, differing = self._compare_elements(baseline, candidate)
        is_settled = differing == 0 or self._is_question or (differing == 1 and len(self.found) < self._most)
        if not is_settled and self._is_permutation(baseline[first:], candidate[first:]):
            while len(self.found) > found:
                self.found.popitem()
            self.reported = reported
            self._report(Kind.ORDER, baseline, candidate)

    def _compare_elements(self, baseline: list[Any], candidate: list[Any]) -> tuple[int, int]:
        """Element by element. The first index that differs, and how many do of those that were looked at."""
        first = differing = 0
        for index, (old, new) in enumerate(zip(baseline, candidate, strict=True)):
            kind = type(old)
            if old is new or (kind is type(new) and kind in _PLAIN and old == new):
                continue
            before = self.reported
            self._step(None, old, new)
            if self.reported > before:
                first = first if differing else index
                differing += 1
                if len(self.found) >= self._most:
                    break
        return first, differing

    def _compare_middles(self, baseline: list[Any], candidate: list[Any]) -> None:
        """Arrays of different lengths: without what they begin and end with alike."""
        start = self._count_equal(zip(baseline, candidate, strict=False))
        old, new = baseline[start:], candidate[start:]
        end = self._count_equal(zip(reversed(old), reversed(new), strict=False))
        for pair in zip(old[: len(old) - end], new[: len(new) - end], strict=False):
            self._step(None, *pair)

    def _count_equal(self, pairs: Any) -> int:
        return sum(1 for _ in takewhile(lambda pair: self._is_equal(*pair), pairs))

    def _compare_multisets(self, baseline: list[Any], candidate: list[Any]) -> None:
        if len(baseline) != len(candidate):
            self._report(Kind.LENGTH, len(baseline), len(candidate))
            if len(self.found) >= self._most:
                return
        matching = self._match(baseline, candidate, is_all_or_nothing=self._is_question)
        leftovers = _list_leftovers(baseline, candidate, matching)
        if self._is_question and any(leftovers):
            self._report(Kind.VALUE, baseline, candidate)
            return
        for pair in pair_by_likeness(*leftovers, self._find_form):
            self._step(None, *pair)
            if len(self.found) >= self._most:
                return

    def _is_permutation(self, baseline: list[Any], candidate: list[Any]) -> bool:
        return len(self._match(baseline, candidate, is_all_or_nothing=True).partners) == len(baseline)

    def _match(self, baseline: list[Any], candidate: list[Any], *, is_all_or_nothing: bool) -> Matching:
        matching = Matching(baseline, candidate)
        matching.pair_aligned(self._is_equal)
        matching.pair_exact(self._find_form)
        old, new = _list_leftovers(baseline, candidate, matching)
        if old and new and self._memory.patience.left > 0 and any(map(may_have_near, old + new)):
            patience = self._memory.patience
            matching.pair_sorted(self._is_equal, self._find_loose_form, patience)
            matching.complete(self._is_equal, self._find_loose_form, patience, is_all_or_nothing=is_all_or_nothing)
        return matching

    def _find_form(self, value: Any) -> Hashable:
        return self._memory.forms.find(value, self._level + 1)

    def _find_loose_form(self, value: Any) -> Hashable:
        return self._memory.loose_forms.find(value, self._level + 1)

    def _is_equal(self, baseline: Any, candidate: Any) -> bool:
        if type(baseline) not in _CONTAINERS or type(candidate) not in _CONTAINERS:
            return _judge(baseline, candidate) is None
        answers, pair = self._memory.answers, (id(baseline), id(candidate))
        answer = answers.get(pair)
        if answer is None:
            question = _Walk(1, self._memory, asked_at=self._level + 1)
            question.compare(baseline, candidate)
            answer = answers[pair] = not question.found
        return answer

    @property
    def _level(self) -> int:
        return self._depth + len(self._trail)

    def _step(self, step: _Step, baseline: Any, candidate: Any) -> None:
        self._trail.append(step)
        self.compare(baseline, candidate)
        self._trail.pop()

    def _report(self, kind: Kind, baseline: Any, candidate: Any) -> None:
        self.reported += 1
        key = tuple(self._trail), kind
        if key in self.found or len(self.found) >= self._most:
            return
        if self._is_question:
            self.found[key] = _ANY
        else:
            self.found[key] = Difference(name_field(self._trail), kind, undress(baseline), undress(candidate))
