"""Arrays as multisets: which elements of two arrays equal each other, whatever their order.

Elements that are equal exactly have the same canonical form, so one pass through a dict pairs them off: without
tolerances that is all there is to it, and linear in the size of the arrays. With tolerances equality is not transitive
(1.0 is close to 1.1, and 1.1 to 1.2), so that a greedy choice may leave over what another would have paired; then
augmenting paths complete a maximum matching (Berge 1957; Kuhn 1955), starting from the exact pairs. It asks for each
pair of elements at most once; whoever is asked bounds the number of questions.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final

from gateway.core.comparands import DEPTH, IGNORED, Multiset, Near, is_nan

LIKENESSES: Final = 10_000
"""Pairs of leftovers that are weighed by likeness (100 on each side, about 5 ms). More are paired as they come."""

# What canonical forms have in the place of values that equal others in Python but not in JSON, or not themselves.
_TRUE: Final = object()
_FALSE: Final = object()
_NAN: Final = object()
_MULTISET: Final = object()
_OBJECT: Final = object()
_ARRAY: Final = object()

IsEqual = Callable[[Any, Any], bool]


class Matching:
    """Which elements of two arrays are paired, by index: at first those at the same place, then those equal exactly."""

    __slots__ = ("_baseline", "_candidate", "candidates", "partners")

    def __init__(self, baseline: Sequence[Any], candidate: Sequence[Any], is_equal: IsEqual) -> None:
        self._baseline = baseline
        self._candidate = candidate
        self.partners: dict[int, int] = {}
        """The candidate's index of each of the baseline's that has one."""
        self.candidates: dict[int, int] = {}
        """The other way round."""
        self._pair_aligned(is_equal)
        self._pair_exactly()

    @property
    def leftovers(self) -> tuple[list[int], list[int]]:
        """The indexes that have no partner, of the baseline's elements and of the candidate's."""
        baseline = [index for index in range(len(self._baseline)) if index not in self.partners]
        return baseline, [index for index in range(len(self._candidate)) if index not in self.candidates]

    def complete(self, is_equal: IsEqual, *, is_all_or_nothing: bool = False) -> None:
        """Pair as many as can be paired, also with elements that are only close.

        With ``is_all_or_nothing`` it stops at the first element that has no partner.
        """
        known: dict[tuple[int, int], bool] = {}

        def are_paired(old: int, new: int) -> bool:
            answer = known.get((old, new))
            if answer is None:
                answer = known[old, new] = is_equal(self._baseline[old], self._candidate[new])
            return answer

        for index in self.leftovers[0]:
            if not self._augment(index, are_paired) and is_all_or_nothing:
                return

    def _pair_aligned(self, is_equal: IsEqual) -> None:
        # Most arrays come in the same order. Any matching may be begun with, and this one needs no canonical forms.
        for index, (old, new) in enumerate(zip(self._baseline, self._candidate, strict=False)):
            if is_equal(old, new):
                self._join(index, index)

    def _pair_exactly(self) -> None:
        places: dict[Hashable, deque[int]] = {}
        baseline, candidate = self.leftovers
        for index in candidate if baseline else ():
            places.setdefault(canonize(self._candidate[index]), deque()).append(index)
        for index in baseline if candidate else ():
            free = places.get(canonize(self._baseline[index]))
            if free:
                self._join(index, free.popleft())

    def _join(self, old: int, new: int) -> None:
        self.partners[old] = new
        self.candidates[new] = old

    def _augment(self, start: int, are_paired: Callable[[int, int], bool]) -> bool:
        """Find ``start`` a partner, at the price of others changing theirs: breadth first, so with few changes."""
        reached_from: dict[int, int] = {}
        queue = deque([start])
        while queue:
            old = queue.popleft()
            for new in range(len(self._candidate)):
                if new in reached_from or not are_paired(old, new):
                    continue
                reached_from[new] = old
                if new not in self.candidates:
                    self._change_partners(new, reached_from)
                    return True
                queue.append(self.candidates[new])
        return False

    def _change_partners(self, last: int, reached_from: dict[int, int]) -> None:
        new: int | None = last
        while new is not None:
            old = reached_from[new]
            freed = self.partners.get(old)
            self._join(old, new)
            new = freed


def pair_by_likeness(baseline: Sequence[Any], candidate: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Elements paired so that those with most in common come together; the longer side's rest has no partner."""
    likenesses = _weigh(baseline, candidate) if len(baseline) * len(candidate) <= LIKENESSES else []
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, _, old, new in sorted(likenesses):
        if old not in pairs and new not in taken:
            pairs[old] = new
            taken.add(new)
    rest = (index for index in range(len(candidate)) if index not in taken)
    pairs |= zip((index for index in range(len(baseline)) if index not in pairs), rest, strict=False)
    return [(baseline[old], candidate[new]) for old, new in sorted(pairs.items())]


def _weigh(baseline: Iterable[Any], candidate: Iterable[Any]) -> Iterable[tuple[int, int, int, int, int]]:
    # Among equals those come first that stand at similar places. It is the same from either side.
    marks = [_list_marks(element) for element in candidate]
    for old, element in enumerate(baseline):
        own = _list_marks(element)
        for new, others in enumerate(marks):
            shared = len(own & others)
            if shared:
                yield -shared, abs(old - new), old + new, old, new


def _list_marks(element: Any) -> set[Hashable]:
    """What an element may have in common with another: its members, each as a whole, and its type."""
    if isinstance(element, dict):
        return {(name, canonize(member)) for name, member in element.items()} | {dict}
    if isinstance(element, Multiset):
        return {*Counter(map(canonize, element)).items(), list}
    if isinstance(element, list):
        return {*enumerate(map(canonize, element)), list}
    kind: Hashable = type(element)
    return {kind}


def canonize(value: Any, depth: int = 0) -> Hashable:
    """A form that two values share exactly if they are equal, tolerances left aside."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if depth >= DEPTH:
        return flatten(value)
    if kind is dict:
        return frozenset([(name, canonize(each, depth + 1)) for name, each in value.items() if each is not IGNORED])
    if kind is list:
        return tuple([canonize(each, depth + 1) for each in value])
    if kind is Multiset:
        return _MULTISET, frozenset(Counter([canonize(each, depth + 1) for each in value]).items())
    return _canonize_leaf(value)


def flatten(value: Any) -> tuple[Hashable, ...]:
    """The same for values nested to any depth, without recursion, and without a sense for multisets."""
    tokens: list[Hashable] = []
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            names = sorted(each)
            tokens += (_OBJECT, len(names), *names)
            stack.extend(each[name] for name in names)
        elif isinstance(each, list):
            tokens += (_ARRAY, len(each))
            stack.extend(each)
        else:
            tokens.append(_canonize_leaf(each))
    return tuple(tokens)


def _canonize_leaf(value: Any) -> Hashable:
    if value is True or value is False:
        return _TRUE if value else _FALSE
    number = value.number if isinstance(value, Near) else value
    return _NAN if is_nan(number) else number
