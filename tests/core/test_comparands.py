"""Values made ready to be compared."""

from __future__ import annotations

import copy
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.comparands import (
    IGNORED,
    Limit,
    Multiset,
    Near,
    Number,
    Rules,
    are_close,
    list_near,
    may_have_near,
    undress,
)
from gateway.core.shadowing import Tolerance

ORDER = {"id": 7, "at": "now", "items": [{"price": 1.5, "tags": ["a"]}, {"price": 2, "tags": []}], "paid": True}


def test_what_no_rule_concerns_stays_the_same_object() -> None:
    """Values are not copied: only what leads to a place that a rule means is."""
    dressed = Rules.of(ignore=["$.at"], unordered=["$.items[0].tags"]).dress(ORDER)

    assert dressed["items"][1] is ORDER["items"][1]
    assert Rules.of().dress(ORDER) is ORDER
    assert Rules.of(ignore=["$.nothing", "$..none"]).dress(ORDER) is ORDER


def test_the_rules_are_written_into_the_value() -> None:
    """Ignored members leave their place, ignored elements none; arrays become multisets, numbers get their limits."""
    rules = Rules.of(["$.at", "$.items[1]"], ["$..tags"], [Tolerance(path="$..price", value=0.1)])
    before = copy.deepcopy(ORDER)
    dressed = rules.dress(ORDER)

    assert dressed == {
        "id": 7,
        "at": IGNORED,
        "items": [{"price": Near(1.5, (Limit(Decimal("0.1"), is_relative=False),)), "tags": ["a"]}],
        "paid": True,
    }
    assert type(dressed["items"][0]["tags"]) is Multiset
    assert before == ORDER


def test_what_is_shown_is_json_again() -> None:
    """Without what was ignored, and without any of our own types."""
    rules = Rules.of(["$.at"], ["$.items", "$..tags"], [Tolerance(path="$..price", value=0.1)])
    shown = undress(rules.dress(ORDER))

    assert shown == {name: value for name, value in ORDER.items() if name != "at"}
    assert type(shown["items"]) is list
    assert type(shown["items"][0]["price"]) is float


def test_tolerance_is_for_numbers_only() -> None:
    """Strings that look like numbers, booleans and arrays keep to themselves."""
    rules = Rules.of(tolerances=[Tolerance(path="$.*", value=1)])
    value = {"text": "1", "truth": True, "none": None, "list": [1]}

    assert rules.dress(value) is value
    assert may_have_near(rules.dress({"list": [1], "number": 1}))
    assert not may_have_near(value)


def test_a_value_may_be_ignored_as_a_whole() -> None:
    """The rule ``$`` leaves nothing to compare."""
    assert Rules.of(ignore=["$"]).dress(ORDER) is IGNORED


def test_below_the_depth_rules_do_not_apply() -> None:
    """A value nested 100,000 levels deep is dressed and shown without a fault."""
    deep: Any = {"at": 1}
    for _ in range(100_000):
        deep = [deep]
    rules = Rules.of(["$..at"], ["$..*"])

    assert undress(rules.dress(deep))
    assert may_have_near(deep)


@pytest.mark.parametrize("path", ["price", "$.", "$["])
def test_rules_refuse_what_is_no_path(path: str) -> None:
    """In any of the three places."""
    for make in (
        lambda: Rules.of(ignore=[path]),
        lambda: Rules.of(unordered=[path]),
        lambda: Rules.of(tolerances=[Tolerance(path=path, value=1)]),
    ):
        with pytest.raises(ValueError):
            make()


def near(value: Number, limit: float, *, is_relative: bool = False) -> Near:
    return Near(value, (Limit(Decimal(repr(limit)), is_relative),))


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        (near(10.00, 0.01), 10.01, True),
        (near(10.00, 0.01), 10.011, False),
        (near(0.1, 0.2), 0.3, True),
        (10.00, near(10.01, 0.01), True),
        (near(100, 0.01, is_relative=True), 101, True),
        (near(100, 0.01, is_relative=True), 98.99, False),
        (near(-100, 0.01, is_relative=True), -99, True),
        (near(0, 0.5, is_relative=True), 0.0, True),
        (near(0, 0.5, is_relative=True), 1e-300, False),
        (near(1, 0.0), 1.0, True),
        (near(10**400, 1), 10**400 + 1, True),
        (near(10**400, 1), 1e308, False),
        (near(math.inf, 1), math.inf, True),
        (near(math.inf, 1), -math.inf, False),
        (near(math.inf, 1), 5, False),
        (near(math.inf, 1.0, is_relative=True), 5, False),
        (near(math.nan, 1), math.nan, True),
        (near(math.nan, 1), 1, False),
        (near(1e308, 1), -1e308, False),
        (near(Decimal("1e999999"), 1), 5e-324, False),
        (Decimal("0.1"), 0.1, True),
        (2**53 + 1, float(2**53), False),
        (1, 1.0, True),
        (-0.0, 0, True),
    ],
)
def test_the_edge_of_a_tolerance_is_within(
    baseline: Number | Near, candidate: Number | Near, *, expected: bool
) -> None:
    """Decimals count as they are written, not as floats store them; there is no number that is a fault."""
    assert are_close(baseline, candidate) is expected


def test_one_limit_of_several_is_enough() -> None:
    """A path within a wider one may be looser than it, but not stricter."""
    both = Near(100, (Limit(Decimal("0.1"), is_relative=False), Limit(Decimal("0.1"), is_relative=True)))

    assert are_close(both, 105)
    assert not are_close(both, 111)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(0, 10**6))
def test_closeness_is_exact_to_the_last_decimal(old: int, new: int, limit: int) -> None:
    """For all numbers of four decimals: the gap is at most the limit."""
    assert are_close(near(old / 10_000, limit / 10_000), new / 10_000) is (abs(old - new) <= limit)


def test_what_is_alike_is_sorted_by_its_tolerated_numbers() -> None:
    """Whatever the order of keys, and with no number that can not be sorted."""
    one = {"a": Near(1, ()), "b": [Near(10**400, ()), 5, Near(-(10**400), ())], "c": Near(math.nan, ())}

    assert list_near(one) == list_near(dict(reversed(one.items())))
    assert sorted(list_near(one)) == [-math.inf, -math.inf, 1.0, math.inf]
