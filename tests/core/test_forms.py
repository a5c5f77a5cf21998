"""Canonical forms: the same exactly for what is equal."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.comparands import IGNORED, Multiset, Near
from gateway.core.forms import Forms, flatten

LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from([0.0, -0.0, 1.0, 0.5, math.nan, "", "a", "1"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


def write(value: Any) -> str:
    """JSON with sorted keys in which equal numbers look the same: an independent canonical form."""
    return json.dumps(value, sort_keys=True, default=str) if not isinstance(value, dict | list) else write_all(value)


def write_all(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{normalize(value[name])}" for name in sorted(value)) + "}"
    return "[" + ",".join(map(normalize, value)) + "]"


def normalize(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return write(float(value) + 0.0 if is_number else value)


def are_same(one: Any, other: Any, *, is_loose: bool = False) -> bool:
    forms = Forms(is_loose=is_loose)
    same: Hashable = forms.find(one, 0)
    return same == forms.find(other, 0)


@given(VALUES, VALUES)
def test_two_values_have_the_same_form_if_and_only_if_they_are_equal(one: Any, other: Any) -> None:
    """Of nested values and of flat ones; ``true`` is no 1, and NaN equals itself."""
    are_equal = normalize(one) == normalize(other)

    assert are_same(one, other) is are_equal
    assert (flatten(one) == flatten(other)) is are_equal


@given(st.lists(VALUES, max_size=4), st.randoms(use_true_random=False))
def test_the_order_within_a_multiset_means_nothing(elements: list[Any], random: Any) -> None:
    """At any depth, but how often an element occurs does mean something."""
    shuffled = random.sample(elements, len(elements))

    assert are_same([Multiset(elements)], [Multiset(shuffled)])
    assert not are_same(Multiset([*elements, 1]), Multiset([*elements, 1, 1]))
    assert not are_same(Multiset(elements), elements)


def test_ignored_members_have_no_part_in_a_form() -> None:
    """Neither present nor absent, and a tolerance leaves the number as it is."""
    assert are_same({"a": 1, "b": IGNORED}, {"a": Near(1, ())})
    assert are_same(Decimal("1.0"), 1)


def test_values_nested_to_any_depth_have_a_form() -> None:
    """No recursion that a hostile answer could exhaust."""
    one: Any = 1
    other: Any = 1
    for _ in range(100_000):
        one, other = [one], [other]

    assert are_same(one, other)
    assert not are_same(one, [one])


def test_loose_forms_do_not_tell_tolerated_numbers_apart() -> None:
    """All else they do."""
    assert are_same([Near(1, ()), "a"], [Near(2, ()), "a"], is_loose=True)
    assert not are_same([Near(1, ()), "a"], [Near(1, ()), "b"], is_loose=True)
    assert not are_same([Near(1, ())], [Near(2, ())])
    assert not are_same([1], [2], is_loose=True)
