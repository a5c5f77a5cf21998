"""Patterns with stars."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.globs import compile_glob, compile_globs


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_a_star_stands_for_any_characters(pattern: str, value: str) -> None:
    """A pattern says the same as the regular expression that has ``.*`` for each star."""
    expression = ".*".join(map(re.escape, pattern.split("*")))

    assert bool(compile_glob(pattern)(value.encode())) is (re.fullmatch(expression, value) is not None)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("bank-*", b"bank-7", True),
        ("bank-*", b"Bank-7", False),
        ("*", b"anything\n", True),
        ("1", b"1", True),
        ("1", b"11", False),
        ("ab*ba", b"aba", False),
        ("caf\u00e9", "caf\u00e9".encode(), True),
    ],
)
def test_the_whole_value_must_match(pattern: str, value: bytes, matches: bool) -> None:
    """Letter case counts, ends are anchored, and the two ends of a pattern don't overlap."""
    assert compile_glob(pattern)(value) is matches


def test_one_of_several_patterns_is_enough() -> None:
    """A list of patterns is an or."""
    test = compile_globs(["acme", "initech", "bank-*"])

    assert [test(value) for value in (b"acme", b"bank-1", b"other")] == [True, True, False]
    assert not compile_globs([])(b"acme")


def test_a_hostile_value_can_not_make_a_pattern_slow() -> None:
    """Many stars against a long value that nearly matches: the parts are looked for once each."""
    assert not compile_glob("*a" * 30 + "*b")(b"a" * 100_000)
