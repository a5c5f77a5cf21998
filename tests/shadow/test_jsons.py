from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.jsons import REPEATED, read_json, read_json_lines

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"]))
def test_json_is_read_in_every_unicode_form(value: object, charset: str) -> None:
    """Whether or not anybody says which one it is."""
    text = json.dumps(value)

    assert read_json(text.encode(charset)) == value


def test_json_is_read_in_the_charset_that_is_named() -> None:
    """Old services write JSON in Latin-1, and say so."""
    assert read_json(b'"caf\xe9"', "iso-8859-1") == "café"


def test_integers_are_exact() -> None:
    """An identifier of 19 digits is another one when its last digit is."""
    assert read_json(b"9007199254740993") == 9007199254740993


def test_what_json_has_not_is_read_as_servers_write_it() -> None:
    """NaN is no reason to compare bytes."""
    value = read_json(b"[NaN, -Infinity]")

    assert isinstance(value, list)
    assert math.isnan(value[0])
    assert value[1] == -math.inf


def test_a_name_that_comes_twice_hides_nothing() -> None:
    """All of its values are compared, and one that comes twice is no list of two."""
    assert read_json(b'{"a": 1, "b": 2, "a": 3}') == {"a": {REPEATED: [1, 3]}, "b": 2}
    assert read_json(b'{"a": 1, "a": 3}') != read_json(b'{"a": [1, 3]}')


@pytest.mark.parametrize(
    "body",
    [b'{"a":1}\n{"a":2}\n', b'{"a":1}\r\n\r\n{"a":2}', b'\x1e{"a":1}\n\x1e{"a":\n2}\n'],
)
def test_many_values_behind_one_another_are_a_list(body: bytes) -> None:
    """Each on its line, or each behind a record separator."""
    assert read_json_lines(body) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe\x00", b'{"a":1} x', b"1" * 5000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """With one kind of exception, whatever is wrong."""
    with pytest.raises(ValueError):
        read_json(body)


def test_more_values_than_anybody_sends_are_refused() -> None:
    """A few kilobytes, compressed, would keep the comparer busy for seconds."""
    with pytest.raises(ValueError):
        read_json(b"[" + b"1," * 300_001 + b"1]")
    with pytest.raises(ValueError):
        read_json(b"[" + b"[[[{}]]]," * 60_001 + b"1]")
    with pytest.raises(ValueError):
        read_json_lines(b"\n" * 200_000)


def test_one_bad_line_spoils_all() -> None:
    """A list with a gap in it would be compared with the wrong partner."""
    with pytest.raises(ValueError):
        read_json_lines(b"1\nx\n3")
