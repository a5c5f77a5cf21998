"""What differs between any two JSON values: properties, an independent oracle, and planted changes."""

from __future__ import annotations

from typing import Any

from deepdiff import DeepDiff
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.differences import Kind, Rules, find_differences, name_field

NONE = Rules.of()
UNORDERED = Rules.of(unordered=["$..*", "$"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, 1.0, 2.0, -1.0, 1e300])
NAMES = st.sampled_from(["a", "b", "c", "odd name"])
SWAPPED = {Kind.MISSING: Kind.EXTRA, Kind.EXTRA: Kind.MISSING}
Steps = tuple[str | int, ...]


def nest(leaves: st.SearchStrategy[Any], max_leaves: int = 10) -> st.SearchStrategy[Any]:
    """JSON values of these leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=max_leaves,
    )


VALUES = nest(st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "1"]))


def shuffle(value: Any, random: Any, *, is_deep: bool) -> Any:
    """The same value with its keys, or also its elements, in another order."""
    if isinstance(value, dict):
        names = random.sample(list(value), len(value))
        return {name: shuffle(value[name], random, is_deep=is_deep) for name in names}
    if isinstance(value, list):
        elements = random.sample(value, len(value)) if is_deep else value
        return [shuffle(each, random, is_deep=is_deep) for each in elements]
    return float(value) if type(value) is int else value


@given(VALUES, st.randoms(use_true_random=False))
def test_a_value_does_not_differ_from_itself(value: Any, random: Any) -> None:
    """Nor from itself with keys in another order and numbers in another form."""
    assert find_differences(value, value, NONE) == []
    assert find_differences(value, shuffle(value, random, is_deep=False), NONE) == []


@given(VALUES, st.randoms(use_true_random=False))
def test_unordered_values_do_not_differ_from_themselves_shuffled(value: Any, random: Any) -> None:
    """At every level at once."""
    assert find_differences(value, shuffle(value, random, is_deep=True), UNORDERED) == []


@given(VALUES, VALUES, st.sampled_from([NONE, UNORDERED]))
def test_the_other_way_round_the_same_fields_differ(one: Any, other: Any, rules: Rules) -> None:
    """Missing becomes extra, and each side shows its own."""
    there = [(each.field, each.kind, each.baseline, each.candidate) for each in find_differences(one, other, rules)]
    back = [
        (each.field, SWAPPED.get(each.kind, each.kind), each.candidate, each.baseline)
        for each in find_differences(other, one, rules)
    ]

    assert sorted(map(repr, there)) == sorted(map(repr, back))


PLAIN = nest(st.none() | NUMBERS | st.sampled_from(["", "a", "1"]), max_leaves=6)


@settings(max_examples=60)
@given(st.tuples(PLAIN, PLAIN) | st.tuples(nest(NUMBERS, 4), nest(NUMBERS, 4)))
def test_an_independent_oracle_sees_a_difference_where_we_do(pair: tuple[Any, Any]) -> None:
    """DeepDiff, without booleans, which it takes for numbers."""
    assert bool(find_differences(*pair, NONE)) is bool(DeepDiff(*pair, ignore_numeric_type_changes=True))


def list_places(value: Any, steps: Steps = ()) -> list[Steps]:
    """The steps to everything in a value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [steps, *(place for key, child in children for place in list_places(child, (*steps, key)))]


def change(value: Any, steps: Steps, action: str) -> tuple[Any, Kind]:
    """A copy of a value that differs in one place, and how."""
    if steps:
        copy = value.copy()
        if len(steps) == 1 and action == "remove":
            del copy[steps[0]]
            return copy, Kind.MISSING if isinstance(value, dict) else Kind.LENGTH
        copy[steps[0]], kind = change(value[steps[0]], steps[1:], action)
        return copy, kind
    if action == "add" and isinstance(value, dict):
        return value | {"new": None}, Kind.EXTRA
    if action == "add" and isinstance(value, list):
        return [*value, "planted"], Kind.LENGTH
    return "planted", Kind.VALUE if isinstance(value, str) else Kind.TYPE


def name_place(value: Any, steps: Steps, action: str, kind: Kind) -> str:
    """The field that a change is expected at."""
    names = [key if isinstance(key, str) else None for key in steps]
    if kind is Kind.LENGTH and action == "remove":
        names.pop()
    return name_field([*names, "new"] if kind is Kind.EXTRA else names)


@given(VALUES, st.data())
def test_a_planted_change_is_found_in_its_place_and_nothing_else_is(value: Any, data: st.DataObject) -> None:
    """Anywhere in a value: something changed, added or removed."""
    steps = data.draw(st.sampled_from(list_places(value)))
    action = data.draw(st.sampled_from(["replace", "add", "remove"]))
    changed, kind = change(value, steps, action)
    found = [(each.field, each.kind) for each in find_differences(value, changed, NONE)]

    assert found == [(name_place(value, steps, action, kind), kind)]
