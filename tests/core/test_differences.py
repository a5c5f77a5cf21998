"""What differs between two JSON values: every kind by itself, and under the rules."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest

from gateway.core import differences
from gateway.core.differences import ABSENT, Difference, Kind, Rules, find_differences, name_field
from gateway.core.jsonpaths import check_path
from gateway.core.shadowing import Tolerance

NONE = Rules.of()
E = "\u00e9"
E_DECOMPOSED = "e\u0301"


def name(baseline: Any, candidate: Any, rules: Rules = NONE) -> list[str]:
    """What differs, as ``kind field``."""
    return [f"{each.kind} {each.field}" for each in find_differences(baseline, candidate, rules)]


def tolerate(path: str, value: float, *, is_relative: bool = False) -> Rules:
    return Rules.of(tolerances=[Tolerance(path=path, value=value, is_relative=is_relative)])


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ("1", "1.0"),
        ("100", "1e2"),
        ("-0.0", "0"),
        ("NaN", "NaN"),
        ('{"a": [NaN]}', '{"a": [NaN]}'),
        ("1" * 400, "1" * 400),
        (f'"{E}"', '"\\u00e9"'),
        ('"\\ud800"', '"\\ud800"'),
        ("[]", "[ ]"),
        ('{"": {"a": [null, true]}}', '{"": {"a": [null, true]}}'),
    ],
)
def test_what_json_says_in_two_ways_is_equal(baseline: str, candidate: str) -> None:
    """Keys in any order, numbers as numbers, characters as characters."""
    assert name(json.loads(baseline), json.loads(candidate)) == []


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ({"a": 1}, {}, ["missing $.a"]),
        ({}, {"a": 1}, ["extra $.a"]),
        ({"a": None}, {}, ["missing $.a"]),
        ({}, {"a": None}, ["extra $.a"]),
        ({"a": None}, {"a": 0}, ["type $.a"]),
        ({"a": None}, {"a": ""}, ["type $.a"]),
        ({"a": 1}, {"a": True}, ["type $.a"]),
        ({"a": 0}, {"a": False}, ["type $.a"]),
        ({"a": 1}, {"a": "1"}, ["type $.a"]),
        ({"a": []}, {"a": {}}, ["type $.a"]),
        ({"a": {"b": 1}}, {"a": 1}, ["type $.a"]),
        ({"a": True}, {"a": False}, ["value $.a"]),
        ({"a": 1.0}, {"a": 1.5}, ["value $.a"]),
        ({"a": math.nan}, {"a": 0}, ["value $.a"]),
        ({"a": 2**53}, {"a": 2**53 + 1}, ["value $.a"]),
        ({"a": float(2**53)}, {"a": 2**53 + 1}, ["value $.a"]),
        ({"a": 10**400}, {"a": math.inf}, ["value $.a"]),
        ({"a": Decimal("0.1")}, {"a": Decimal("0.10000000000000000001")}, ["value $.a"]),
        ({"a": E}, {"a": E_DECOMPOSED}, ["value $.a"]),
        ({E: 1}, {E_DECOMPOSED: 1}, [f"missing $.{E}", f"extra $['{E_DECOMPOSED}']"]),
        ({"a": "x"}, {"a": "X"}, ["value $.a"]),
        ({"a": "x"}, {"a": "x "}, ["value $.a"]),
        (1, 2, ["value $"]),
        ([], {}, ["type $"]),
        ([1, 2], [1, 3], ["value $[*]"]),
        ([[1], [2]], [[1], [3]], ["value $[*][*]"]),
        ([{"p": 1}, {"p": 2}], [{"p": 1}, {}], ["missing $[*].p"]),
        ([{"p": 1}, {"p": 2}], [{"p": 3}, {"p": 4}], ["value $[*].p"]),
        ({"a": 1, "b": 2, "c": 3}, {"b": 5, "c": "3", "d": 1}, ["missing $.a", "value $.b", "type $.c", "extra $.d"]),
    ],
)
def test_each_difference_is_named_by_kind_and_path(baseline: Any, candidate: Any, expected: list[str]) -> None:
    """Every one, and nothing else; null, absent, false, 0 and empty are five things."""
    assert name(baseline, candidate) == expected


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ([1, 2, 3], [3, 1, 2], ["order $"]),
        ([{"p": 1}, {"p": 2}], [{"p": 2}, {"p": 1}], ["order $"]),
        ([[1, 2], [3, 4]], [[2, 1], [4, 3]], ["order $[*]"]),
        ({"a": {"b": ["x", "y", "z"]}}, {"a": {"b": ["x", "z", "y"]}}, ["order $.a.b"]),
        ([1, True], [True, 1], ["order $"]),
        ([1, True], [1, 1], ["type $[*]"]),
        ([1, 1, 2], [1, 2, 2], ["value $[*]"]),
        ([1, 2, 3], [1, 3], ["length $"]),
        ([1, 3], [1, 2, 3], ["length $"]),
        ([], [1, 2], ["length $"]),
        ([1, 2, 3, 4], [1, 9, 4], ["length $", "value $[*]"]),
        ([{"p": 1}, {"p": 2}], [{"p": 2}, {"p": 3}, {"p": 4}], ["length $", "value $[*].p"]),
    ],
)
def test_an_array_is_named_once_where_once_says_it(baseline: Any, candidate: Any, expected: list[str]) -> None:
    """Another order, or another length: not each element that has moved, or has nobody on the other side."""
    assert name(baseline, candidate) == expected


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [
        ([1, 2, 3], [3, 1, 2], []),
        ([1, 1, 2], [1, 2, 2], ["value $[*]"]),
        ([1, 1, 2], [1, 2, 1], []),
        ([1, True, 1.0], [True, 1, 1], []),
        ([1, 2], [2, "1"], ["type $[*]"]),
        ([1, 2, 3], [3, 1], ["length $"]),
        ([1, 2, 3], [3, 9], ["length $", "value $[*]"]),
        ([{"id": 1, "p": 1}, {"id": 2, "p": 2}], [{"id": 2, "p": 3}, {"id": 1, "p": 1}], ["value $[*].p"]),
        ([{"id": 1, "tags": [1, 2]}, {"id": 2}], [{"id": 2}, {"id": 1, "tags": [2, 1]}], []),
        ([{"id": 1, "tags": [1, 2]}, {"id": 2}], [{"id": 2}, {"id": 1, "tags": [2, 2]}], ["value $[*].tags[*]"]),
        ([{"id": 1, "at": 1}, {"id": 2, "at": 2}], [{"id": 2, "at": 3}, {"id": 1}], []),
    ],
)
def test_unordered_arrays_are_true_multisets(baseline: Any, candidate: Any, expected: list[str]) -> None:
    """Also of elements that are unordered inside, or in part ignored; duplicates count."""
    rules = Rules.of(ignore=["$[*].at"], unordered=["$", "$[*].tags"])

    assert name(baseline, candidate, rules) == expected


def test_tolerance_makes_matches_that_a_greedy_choice_would_miss() -> None:
    """0 and 1 against 1 and 2 with a tolerance of 1 are equal as multisets, and as arrays that are in order."""
    rules = Rules.of(unordered=["$.a"], tolerances=[Tolerance(path="$.*[*]", value=1)])

    assert name({"a": [0, 1]}, {"a": [2, 1]}, rules) == []
    assert name({"a": [0, 1]}, {"a": [2, 3]}, rules) == ["value $.a[*]"]
    assert name({"b": [0, 5, 10]}, {"b": [11, 1, 6]}, rules) == ["order $.b"]
    assert name({"b": [0, 5, 10]}, {"b": [11, 1, 7]}, rules) == ["value $.b[*]"]


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [(10.00, 10.01, []), (10.00, 10.0101, ["value $.p"]), (10, 9.99, []), ("10.00", "10.01", ["value $.p"])],
)
def test_the_edge_of_a_tolerance_is_equal(baseline: Any, candidate: Any, expected: list[str]) -> None:
    """Decimals as they are written; strings have no tolerance."""
    assert name({"p": baseline}, {"p": candidate}, tolerate("$.p", 0.01)) == expected


def test_a_relative_tolerance_is_a_share_of_the_baseline() -> None:
    """100 against 101 is 1 %, 101 against 100 is less."""
    rules = tolerate("$..score", 0.01, is_relative=True)

    assert name([{"score": 100}], [{"score": 101}], rules) == []
    assert name([{"score": 100}], [{"score": 101.01}], rules) == ["value $[*].score"]
    assert name([{"score": 101.01}], [{"score": 100}], rules) == []


def test_what_is_ignored_is_not_looked_at() -> None:
    """On neither side, present or absent, of whatever type, and with all that is below."""
    rules = Rules.of(ignore=["$.at", "$..id", "$.log[*]", "$.items[0]", "$.flags[?@.debug]"])
    baseline = {"at": 1, "id": 1, "log": [1, 2], "items": [1, 5], "flags": {"a": {"debug": 1}, "b": 1}}
    candidate = {"id": {"x": 1}, "log": [], "items": [{}, 5], "flags": {"a": {}, "b": 1, "c": {"debug": 1}}}

    assert name(baseline, candidate, rules) == []
    assert name(baseline, candidate | {"items": [1, 6]}, rules) == ["value $.items[*]"]
    assert name(1, {}, Rules.of(ignore=["$"])) == []


def test_an_index_means_the_element_at_that_index_on_its_side() -> None:
    """Also from the end, where lengths differ."""
    rules = Rules.of(ignore=["$[-1]"])

    assert name([1, 2, 3], [1, 2, 9], rules) == []
    assert name([1, 2, 3], [1, 2, 3, 4], rules) == ["length $"]


def test_each_side_shows_what_it_has() -> None:
    """Lengths for a length, nothing for what a side lacks, and values without what is ignored."""
    rules = Rules.of(["$..at"], ["$.m"], [Tolerance(path="$..p", value=0.1)])
    baseline = {"l": [1], "gone": {"at": 1, "p": 2}, "p": 1, "m": [1], "o": [1, 2]}
    candidate = {"l": [1, 2], "new": [{"at": 1}], "p": 2, "m": 1, "o": [2, 1]}

    assert find_differences(baseline, candidate, rules) == [
        Difference("$.l", Kind.LENGTH, 1, 2),
        Difference("$.gone", Kind.MISSING, {"p": 2}, ABSENT),
        Difference("$.p", Kind.VALUE, 1, 2),
        Difference("$.m", Kind.TYPE, [1], 1),
        Difference("$.o", Kind.ORDER, [1, 2], [2, 1]),
        Difference("$.new", Kind.EXTRA, ABSENT, [{}]),
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], "$"),
        (["items", None, "price"], "$.items[*].price"),
        (["_a1", "gr\u00f6\u00dfe"], "$._a1.gr\u00f6\u00dfe"),
        (["odd name", "1a", ""], "$['odd name']['1a']['']"),
        (["it's", "a\\b", "\n", "a.b", "*"], r"$['it\'s']['a\\b']['\n']['a.b']['*']"),
    ],
)
def test_fields_are_paths_of_the_standard(steps: list[str | None], expected: str) -> None:
    """Plain words in shorthand, all others quoted as in a normalized path (RFC 9535, section 2.7)."""
    assert name_field(steps) == expected
    check_path(expected)


def test_a_field_can_always_be_written_as_utf_8() -> None:
    """JSON can name a member by half a surrogate pair, or with characters that would move a terminal's cursor."""
    assert name_field(["\x1b"]) == r"$['\u001b']"
    assert name_field(["\ud800"]) == r"$['\ud800']"


def test_no_more_is_looked_for_than_is_wanted() -> None:
    """The list is bounded, and arrays with more differences than that are still known to be in another order."""
    numbers = list(range(1000))

    assert len(find_differences(dict.fromkeys(map(str, numbers), 1), {}, NONE)) == 100
    assert len(find_differences(dict.fromkeys("abcd", 1), {}, NONE, most=3)) == 3
    assert [each.kind for each in find_differences(numbers, numbers[::-1], NONE, most=2)] == [Kind.ORDER]
    assert [each.kind for each in find_differences([1, 2], [2, 1], NONE, most=1)] == [Kind.ORDER]


@pytest.mark.parametrize("rules", [NONE, Rules.of(["$..at"], ["$..*"], [Tolerance(path="$..*", value=1)])])
def test_nesting_can_not_exhaust_the_stack(rules: Rules) -> None:
    """100,000 levels of arrays or objects: equal or not, in one piece from where walking ends."""
    one: Any = 1
    other: Any = 1
    changed: Any = 5
    for level in range(100_000):
        one, other, changed = ([one], [other], [changed]) if level % 2 else ({"a": one}, {"a": other}, {"a": changed})
    found = find_differences(one, changed, rules)

    assert find_differences(one, other, rules) == []
    assert [each.kind for each in found] == [Kind.VALUE]
    assert found[0].field == "$" + "[*].a" * (differences.DEPTH // 2)


def test_patience_with_matching_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it ends, elements without a partner count as different; those that have one don't."""
    rules = Rules.of(unordered=["$"], tolerances=[Tolerance(path="$[*].*", value=1)])
    baseline = [{"x": 0, "y": each} for each in range(8)]
    candidate = [{"x": each % 2, "y": each} for each in range(8)][::-1]
    monkeypatch.setattr(differences, "_STEPS", 0)

    assert name(baseline, baseline[::-1], rules) == []
    assert name(baseline, candidate, rules) in ([], ["value $[*].y"])
    monkeypatch.undo()
    assert name(baseline, candidate, rules) == []


def test_a_field_that_differs_all_over_an_array_hides_no_other() -> None:
    """Times in each of a thousand elements are one difference, and the wrong total behind them another."""
    old: dict[str, object] = {"items": [{"at": number, "tags": [1, 2]} for number in range(1000)], "total": 1}
    new: dict[str, object] = {"items": [{"at": -number - 1, "tags": [2, 1]} for number in range(1000)], "total": 2}
    found = [(each.field, each.kind) for each in find_differences(old, new, NONE)]
    assert found == [("$.items[*].at", Kind.VALUE), ("$.items[*].tags", Kind.ORDER), ("$.total", Kind.VALUE)]
