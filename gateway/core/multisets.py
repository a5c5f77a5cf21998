"""Arrays as multisets: which elements of two arrays equal each other, whatever their order.

Elements that are equal exactly have the same form (`gateway.core.forms`), so one pass through a dict pairs them off:
without tolerances that is all there is to it, and linear in the size of the arrays. With tolerances equality is not
transitive (1.0 is close to 1.1, and 1.1 to 1.2), so that a greedy choice may leave over what another would have paired.
What is left is sorted by its numbers and paired along the line, which is nearly always all; then augmenting paths make
the matching maximum (Berge 1957; Kuhn 1955). They look only at elements that are alike but for their tolerated numbers:
of n elements with an identifier at n, of n bare numbers at up to n squared. Patience with both is bounded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Final

from gateway.core.comparands import Multiset, list_near

LIKENESSES: Final = 10_000
"""Pairs of leftovers that are weighed by likeness (100 on each side, about 5 ms). More are paired as they come."""

IsEqual = Callable[[Any, Any], bool]
Form = Callable[[Any], Hashable]


class Patience:
    """A number of steps, shared by all that takes them."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def has_more(self) -> bool:
        """Whether there is one more; it is taken then."""
        self.left -= 1
        return self.left >= 0


class Matching:
    """Which elements of two arrays are paired, by index: none at first."""

    __slots__ = ("_baseline", "_candidate", "candidates", "partners")

    def __init__(self, baseline: Sequence[Any], candidate: Sequence[Any]) -> None:
        self._baseline = baseline
        self._candidate = candidate
        self.partners: dict[int, int] = {}
        """The candidate's index of each of the baseline's that has one."""
        self.candidates: dict[int, int] = {}
        """The other way round."""

    @property
    def leftovers(self) -> tuple[list[int], list[int]]:
        """The indexes that have no partner, of the baseline's elements and of the candidate's."""
        baseline = [index for index in range(len(self._baseline)) if index not in self.partners]
        return baseline, [index for index in range(len(self._candidate)) if index not in self.candidates]

    def pair_aligned(self, is_equal: IsEqual) -> None:
        """Pair what stands at the same place: most arrays come in the same order. Any matching may be begun with."""
        for index, (old, new) in enumerate(zip(self._baseline, self._candidate, strict=False)):
            if is_equal(old, new):
                self._join(index, index)

    def pair_exact(self, form: Form) -> None:
        """Pair what has the same form, of those that are not aligned with each other only."""
        baseline, candidate = self.leftovers
        if not baseline or not candidate or (baseline == candidate and len(baseline) == 1):
            return
        free = _group(self._candidate, form, candidate)
        for index in baseline:
            places = free.get(form(self._baseline[index]))
            if places:
                self._join(index, places.popleft())

    def pair_sorted(self, is_equal: IsEqual, loose_form: Form, patience: Patience) -> None:
        """Pair what is next to each other by its tolerated numbers. On bare numbers nothing pairs more."""
        baseline, candidate = self.leftovers
        groups = _group(self._candidate, loose_form, candidate)
        for form, indexes in _group(self._baseline, loose_form, baseline).items():
            old = deque(sorted((list_near(self._baseline[index]), index) for index in indexes))
            new = deque(sorted((list_near(self._candidate[index]), index) for index in groups.get(form, ())))
            while old and new and patience.has_more():
                if is_equal(self._baseline[old[0][1]], self._candidate[new[0][1]]):
                    self._join(old.popleft()[1], new.popleft()[1])
                else:
                    (old if old[0] < new[0] else new).popleft()

    def complete(
        self, is_equal: IsEqual, loose_form: Form, patience: Patience, *, is_all_or_nothing: bool = False
    ) -> None:
        """Pair as many as can be paired, of those that have the same ``loose_form``, until out of ``patience``.

        With ``is_all_or_nothing`` it stops at the first element that has no partner.
        """
        groups = _group(self._candidate, loose_form, range(len(self._candidate)))
        known: dict[tuple[int, int], bool] = {}

        def list_partners(old: int) -> Iterator[int]:
            for new in groups.get(loose_form(self._baseline[old]), ()):
                if not patience.has_more():
                    return
                if (old, new) not in known:
                    known[old, new] = is_equal(self._baseline[old], self._candidate[new])
                if known[old, new]:
                    yield new

        for index in self.leftovers[0]:
            if not self._augment(index, list_partners) and is_all_or_nothing:
                return

    def _join(self, old: int, new: int) -> None:
        self.partners[old] = new
        self.candidates[new] = old

    def _augment(self, start: int, list_partners: Callable[[int], Iterator[int]]) -> bool:
        """Find ``start`` a partner, at the price of others changing theirs: breadth first, so with few changes."""
        reached_from: dict[int, int] = {}
        queue = deque([start])
        while queue:
            old = queue.popleft()
            for new in list_partners(old):
                if new in reached_from:
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


def _group(elements: Sequence[Any], form: Form, indexes: Sequence[int]) -> dict[Hashable, deque[int]]:
    groups: dict[Hashable, deque[int]] = {}
    for index in indexes:
        groups.setdefault(form(elements[index]), deque()).append(index)
    return groups


def pair_by_likeness(baseline: Sequence[Any], candidate: Sequence[Any], form: Form) -> list[tuple[Any, Any]]:
    """Elements paired so that those with most in common come together; the longer side's rest has no partner."""
    likenesses = _weigh(baseline, candidate, form) if 1 < len(baseline) * len(candidate) <= LIKENESSES else ()
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, _, old, new in sorted(likenesses):
        if old not in pairs and new not in taken:
            pairs[old] = new
            taken.add(new)
    rest = (index for index in range(len(candidate)) if index not in taken)
    pairs |= zip([index for index in range(len(baseline)) if index not in pairs], rest, strict=False)
    return [(baseline[old], candidate[new]) for old, new in sorted(pairs.items())]


def _weigh(baseline: Sequence[Any], candidate: Sequence[Any], form: Form) -> Iterator[tuple[int, int, int, int, int]]:
    # Among equals those come first that stand at similar places. It is the same from either side.
    marks = [_list_marks(element, form) for element in candidate]
    for old, element in enumerate(baseline):
        own = _list_marks(element, form)
        for new, others in enumerate(marks):
            shared = len(own & others)
            if shared:
                yield -shared, abs(old - new), old + new, old, new


def _list_marks(element: Any, form: Form) -> set[Hashable]:
    """What an element may have in common with another: its members, each as a whole, and its type."""
    if isinstance(element, dict):
        return {(name, form(member)) for name, member in element.items()} | {dict.__name__}
    if isinstance(element, Multiset):
        return {*Counter(map(form, element)).items(), list.__name__}
    if isinstance(element, list):
        return {*enumerate(map(form, element)), list.__name__}
    return {type(element).__name__}
