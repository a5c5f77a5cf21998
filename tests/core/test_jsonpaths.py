"""JSONPath: what is accepted, and many paths followed at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import jsonpaths
from gateway.core.jsonpaths import Node, Trie, check_path, compile_path

PATHS = [
    "$",
    "$.a",
    "$['a','b']",
    "$.*",
    "$[*].a",
    "$..a",
    "$..*",
    "$..a..b",
    "$.a.b",
    "$..[0]",
    "$[0]",
    "$[-1]",
    "$.a[-2:]",
    "$[::2]",
    "$[::-1]",
    "$[1:0]",
    "$..[?@.a]",
    "$[?@ > 1].b",
    "$..[?@.a == $.b].a",
]
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
Places = dict[tuple[str | int, ...], tuple[int, ...]]


def walk(value: Any, node: Node[int], root: Any, place: tuple[str | int, ...] = ()) -> Places:
    """Where in a value which marks apply, as a walk along the nodes finds it."""
    places: Places = {place: node.marks} if node.marks else {}
    if isinstance(value, dict | list):
        nodes, others = node.fan_out(value, root)
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            places |= walk(child, nodes.get(key, others), root, (*place, key))
    return places


def find(value: Any, paths: list[str]) -> Places:
    """The same from the library, path by path."""
    places: Places = {}
    for number, path in enumerate(paths):
        matches = compile_path(path).finditer(value)
        # The library's slices select characters of strings, too, where the standard has them select nothing.
        for parts in {each.parts for each in matches if not each.parent or isinstance(each.parent.obj, dict | list)}:
            places[parts] = (*places.get(parts, ()), number)
    return places


@settings(max_examples=200)
@given(VALUES, st.lists(st.sampled_from(PATHS), max_size=6))
def test_many_paths_followed_at_once_lead_where_each_leads_by_itself(value: Any, paths: list[str]) -> None:
    """The library that implements RFC 9535 is the oracle, for names, indexes, slices, filters and descent."""
    trie = Trie((path, number) for number, path in enumerate(paths))

    assert walk(value, trie.root, value) == (find(value, paths) if isinstance(value, dict | list) else walk_leaf(paths))


def walk_leaf(paths: list[str]) -> Places:
    """The library takes a bare string for a document to parse: of a plain value only the root can be meant."""
    marks = tuple(number for number, path in enumerate(paths) if path == "$")
    return {(): marks} if marks else {}


@pytest.mark.parametrize(
    "path", [*PATHS, "$['odd name']", "$.gr\u00f6\u00dfe", '$["a"]', "$[?match(@.a, 'x.*')]", "$.a[0:5:2]"]
)
def test_paths_of_the_standard_are_accepted(path: str) -> None:
    """All selectors of RFC 9535, in both notations."""
    check_path(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "begins with `$`"),
        ("price", "begins with `$`"),
        ("items[*].price", "begins with `$`"),
        ("$.", "ends too early"),
        ("$.items[", "ends too early"),
        ("$.a.-b", "see `-b`"),
        ("$.a]", "see `]`"),
        ("$.a ", "see ` `"),
        ("$.a | $.b", "see `| $.b`"),
        ("$.~a", "see `~a`"),
        ("$[99999999999999999999]", "see `9999"),
        ("$[?nope(@.a)]", "see `nope"),
        ("$['", "see `'`"),
        ("$[?" + "(" * 51 + "@.a" + ")" * 51 + "]", "50 brackets"),
        ("$" + ".a" * 600, "at most 500 characters"),
    ],
)
def test_what_is_no_path_is_refused_with_the_place_and_examples(path: str, message: str) -> None:
    """A message for the one who wrote it, never a trace or the name of a token."""
    with pytest.raises(ValueError) as refusal:
        check_path(path)

    assert message in str(refusal.value)
    assert "TOKEN" not in str(refusal.value)


def test_a_filter_that_can_not_be_evaluated_selects_nothing() -> None:
    """A value nested beyond what the library follows is no failure of the comparison."""
    deep: Any = []
    for _ in range(1000):
        deep = [deep]
    nodes, others = Trie([("$[?@..x]", 1)]).root.fan_out([deep], [deep])

    assert not nodes
    assert others.is_idle


def test_no_path_ahead_is_known_at_once() -> None:
    """Most of a value is not looked at when rules name a place."""
    nodes, others = Trie([("$.a", 1)]).root.fan_out({}, {})

    assert others.is_idle
    assert nodes["a"].marks == (1,)
    assert nodes["a"].fan_out({}, {})[1].is_idle


def test_hostile_values_can_not_make_the_trie_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths that have a state per subset of their segments are followed correctly, but not all states are kept."""
    monkeypatch.setattr(jsonpaths, "_NODES", 8)
    paths = ["$..a.*.*.*.*", "$..b.*.*.*"]
    value: Any = 0
    for number in range(12):
        value = {"ab"[number % 2]: value, "a": [value]}
    trie = Trie((path, number) for number, path in enumerate(paths))

    assert walk(value, trie.root, value) == find(value, paths)
    assert len(trie._nodes) == 8
