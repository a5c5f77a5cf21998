from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Problem
from gateway.settings.scalars import Expanded
from gateway.settings.yaml import DEEPEST, read_document


def read(text: str, **env: str) -> object:
    """The plain value of a document that has no problems."""
    root, problems = read_document(text, env)

    assert problems == []
    assert root is not None
    return root.plain


def problems_of(text: str) -> list[Problem]:
    """What is wrong with a document."""
    return read_document(text, {})[1]


def test_a_document_becomes_plain_values() -> None:
    """Mappings, lists and scalars of all kinds become what Python has for them."""
    assert read("a: {b: [1, '2', 0.5, true]}\nc: |\n  text\n") == {"a": {"b": [1, "2", 0.5, True]}, "c": "text\n"}


def test_every_value_and_key_knows_its_place() -> None:
    """Lines and columns count from 1, for keys and values alike."""
    root, _ = read_document("a:\n  - x\n  - {b: 7}\n", {})

    assert root is not None
    assert root.members is not None
    item = root.members["a"].child(1)
    assert item is not None
    assert (root.keys["a"], item.keys["b"], item.child("b").place) == ((1, 1), (3, 6), (3, 9))  # type: ignore[union-attr]


def test_a_text_knows_where_its_characters_are() -> None:
    """In its line just as it reads, they follow its place, or the quote there; otherwise nobody can tell."""
    root, _ = read_document("a: [b c, 'd', \"e\", '', 'f''g', \"\\x41\", ${X:-h}, &x i]\n", {})
    assert root is not None
    items = root.members["a"].items if root.members else None
    assert items is not None

    assert [item.inset for item in items] == [0, 1, 1, 1, None, None, None, None]


def test_what_is_not_there_has_no_node() -> None:
    """Asking a list by name, a mapping by number, or either for too much gives nothing."""
    root, _ = read_document("a: [1]\n", {})

    assert root is not None
    assert [root.child("b"), root.child(0), root.child("a").child(1), root.child("a").child("x")] == [None] * 4  # type: ignore[union-attr]


def test_patterns_and_variables_in_lists_need_no_quotes() -> None:
    """Braces after a slash or a dollar are text inside brackets too, and other braces stay mappings."""
    text = "[/a/{id}, /a/{id}/b, ${X:-7}, '/{q}', {k: /a/{id}, v: ${X}}]"

    assert read(text, X="x") == ["/a/{id}", "/a/{id}/b", "x", "/{q}", {"k": "/a/{id}", "v": "x"}]


def test_shielding_does_not_move_columns() -> None:
    """What stands behind a pattern in the same line is reported where it is."""
    assert problems_of("[/a/{id}, ${NOPE}]")[0].column == 11


def test_keys_that_look_like_numbers_are_text() -> None:
    """A key is always the text that is written."""
    assert read("404: a\ntrue: b\n") == {"404": "a", "true": "b"}


def test_aliases_and_merge_keys_are_followed() -> None:
    """`<<` takes over what is not written in the mapping itself, wherever it stands in it."""
    text = "a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}\nc: {<<: [*a, {z: 4}], x: 5}\nd: *a\n"

    assert read(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"y": 3, "x": 1},
        "c": {"x": 5, "y": 2, "z": 4},
        "d": {"x": 1, "y": 2},
    }


def test_merging_something_else_is_a_problem() -> None:
    """`<<` with a scalar says what it takes."""
    assert "takes a mapping" in problems_of("a: {<<: 1}")[0].message


def test_variables_can_not_inject_structure() -> None:
    """A value from the environment stays one scalar, whatever it holds."""
    assert read("a: ${X}\nb: '${X}'\n", X="1\nc: 2") == {"a": "1\nc: 2", "b": "1\nc: 2"}


def test_what_comes_out_of_a_variable_is_open_to_every_type() -> None:
    """With quotes and without: the field decides what becomes of it."""
    value = read("[${X}, '${X}', x]", X="1")

    assert isinstance(value, list)
    assert [type(item) for item in value] == [Expanded, Expanded, str]


def test_tags_are_refused_except_for_text() -> None:
    """`!!str` and `!` make text; nothing can be made to construct objects."""
    assert read("a: !!str 5\nb: ! 5\n") == {"a": "5", "b": "5"}
    assert "python/object" in problems_of("a: !!python/object/apply:os.system [ls]\n")[0].message


def test_nesting_is_bounded_before_it_hurts() -> None:
    """A million brackets are refused at the first that is too deep."""
    assert problems_of("[" * 1_000_000) == [Problem(1, DEEPEST + 1, "", f"nested more than {DEEPEST} levels deep")]


def test_a_billion_laughs_are_refused() -> None:
    """Aliases of aliases are counted by what they stand for."""
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

    assert "aliases stand for more than" in problems_of(text)[0].message


def test_an_alias_of_itself_is_refused() -> None:
    """A list can't hold itself."""
    assert "within it" in problems_of("a: &a [*a]")[0].message


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_document_is_no_document(text: str) -> None:
    """Nothing, blank lines and comments hold no value."""
    assert read_document(text, {}) == (None, [])


def test_an_empty_value_is_a_problem_where_it_stands() -> None:
    """Each forgotten value is reported, in mappings and in lists."""
    assert [(p.line, p.column, p.path) for p in problems_of("a:\nb: [1, ~]\n")] == [(1, 3, "a"), (2, 8, "b.1")]


@given(st.text())
def test_no_text_crashes_the_reader(text: str) -> None:
    """Any text gives a document or problems, never another exception."""
    root, problems = read_document(text, {})

    assert root is None or problems is not None


@given(
    st.lists(
        st.sampled_from(["a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&a ", "*a", "<<", "'", "${A}", "|"])
    )
)
def test_no_mixture_of_yaml_crashes_the_reader(parts: list[str]) -> None:
    """The pieces of YAML in any order give a document or problems."""
    root, problems = read_document("".join(parts), {"A": "b: c"})

    assert root is None or problems is not None
