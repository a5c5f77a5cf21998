"""Arrays as multisets: matchings that are maximum, and leftovers paired by likeness."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.comparands import Limit, Multiset, Near, are_close
from gateway.core.forms import Forms
from gateway.core.multisets import LIKENESSES, Matching, Patience, pair_by_likeness

FORMS = Forms()


def find_form(value: Any) -> Any:
    return FORMS.find(value, 0)


def are_near(old: float, new: float) -> bool:
    return abs(old - new) <= 1


def match(baseline: list[int], candidate: list[int]) -> Matching:
    matching = Matching(baseline, candidate)
    matching.pair_aligned(lambda old, new: bool(old == new))
    matching.pair_exact(lambda element: element)
    matching.complete(are_near, type, Patience(1000))
    return matching


@given(st.lists(st.integers(0, 6), max_size=5), st.lists(st.integers(0, 6), max_size=5))
def test_no_other_matching_pairs_more(baseline: list[int], candidate: list[int]) -> None:
    """With tolerances a greedy choice may be wrong; against all permutations ours never pairs fewer."""
    short, long = sorted([baseline, candidate], key=len)
    most = max(sum(map(are_near, short, chosen)) for chosen in permutations(long, len(short)))
    matching = match(baseline, candidate)

    assert len(matching.partners) == most
    assert matching.candidates == {new: old for old, new in matching.partners.items()}
    assert all(are_near(baseline[old], candidate[new]) for old, new in matching.partners.items())
    assert [len(rest) for rest in matching.leftovers] == [len(baseline) - most, len(candidate) - most]


@given(st.lists(st.integers(0, 9), max_size=6), st.lists(st.integers(0, 9), max_size=6))
def test_bare_numbers_are_paired_along_the_line(baseline: list[int], candidate: list[int]) -> None:
    """Sorting alone pairs as many as can be paired, so that large arrays need no more."""
    limit = (Limit(Decimal(1), is_relative=False),)
    old, new = [Near(each, limit) for each in baseline], [Near(each, limit) for each in candidate]
    matching = Matching(old, new)
    matching.pair_sorted(are_close, type, Patience(1000))
    paired = len(matching.partners)
    matching.complete(are_close, type, Patience(1000))

    assert len(matching.partners) == paired


def test_without_patience_nothing_more_is_paired() -> None:
    """The steps are bounded for all that share them."""
    patience = Patience(1)
    matching = Matching([1, 2], [2, 1])
    matching.complete(are_near, type, patience)

    assert matching.partners == {0: 0}
    assert not patience.has_more()


def test_elements_that_are_equal_part_again_where_that_pairs_more() -> None:
    """1 and 1 are equal, but only 0 with 1 and 1 with 2 leave nobody over."""
    assert match([0, 1], [1, 2]).partners == {0: 0, 1: 1}
    assert match([1, 0], [2, 1]).leftovers == ([], [])
    assert match([1, 2, 0], [1, 2, 3]).leftovers == ([], [])


def test_only_what_is_alike_but_for_its_tolerated_numbers_is_asked_for() -> None:
    """Elements with an identifier find each other with a question each, however many there are."""
    asked: list[Any] = []

    def ask(old: Any, new: Any) -> bool:
        asked.append((old, new))
        return True

    baseline = [(name, 1) for name in "abcdef"]
    matching = Matching(baseline, [(name, 2) for name in "fedcba"])
    matching.complete(ask, lambda element: element[0], Patience(len(baseline)))

    assert matching.leftovers == ([], [])
    assert len(asked) == len(baseline)


def test_all_or_nothing_stops_at_the_first_that_has_no_partner() -> None:
    """Whether an array is the other one in another order is often known after one element."""
    asked: list[tuple[int, int]] = []

    def ask(old: int, new: int) -> bool:
        asked.append((old, new))
        return False

    Matching([1, 2, 3], [4, 5, 6]).complete(ask, type, Patience(1000), is_all_or_nothing=True)

    assert asked == [(1, 4), (1, 5), (1, 6)]


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ([{"id": 1, "x": 5}, {"id": 2, "x": 5}], [{"id": 2, "x": 6}, {"id": 1, "x": 6}], [(0, 1), (1, 0)]),
        ([[1, 2], [8, 9]], [[8, 7], [1, 3]], [(0, 1), (1, 0)]),
        ([Multiset([1, 2]), Multiset([8, 9])], [Multiset([7, 8]), Multiset([3, 1])], [(0, 1), (1, 0)]),
        (["a", 1], [2, "b"], [(0, 1), (1, 0)]),
        ([1, 2], [3, 4], [(0, 0), (1, 1)]),
        ([{"id": 1}, {"id": 2}, {"id": 3}], [{"id": 3, "x": 1}], [(2, 0)]),
        ([], [1], []),
    ],
)
def test_those_come_together_that_have_most_in_common(
    baseline: list[Any], candidate: list[Any], expected: list[tuple[int, int]]
) -> None:
    """So that one changed field of an element is one difference, wherever the element has gone."""
    pairs = pair_by_likeness(baseline, candidate, find_form)

    assert [(old, new) for old, new in pairs] == [(baseline[old], candidate[new]) for old, new in expected]


def test_too_many_leftovers_are_paired_as_they_come() -> None:
    """Weighing all pairs is bounded."""
    count = math.isqrt(LIKENESSES) + 1
    elements = [{"id": number} for number in range(count)]

    assert pair_by_likeness(elements, elements[::-1], find_form) == list(zip(elements, elements[::-1], strict=True))
    assert pair_by_likeness(elements[:10], elements[:10][::-1], find_form) == [(each, each) for each in elements[:10]]
