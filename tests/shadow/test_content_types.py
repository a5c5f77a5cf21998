from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.content_types import read_content_type


@pytest.mark.parametrize(
    ("field", "name", "parameters"),
    [
        ("", "", {}),
        ("Text/HTML", "text/html", {}),
        ("text/html ; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('multipart/mixed; boundary="a;b\\"c"; x=1', "multipart/mixed", {"boundary": 'a;b"c', "x": "1"}),
        ("text/plain; nonsense; charset=utf-8; charset=latin-1", "text/plain", {"charset": "utf-8"}),
    ],
)
def test_a_type_and_its_parameters_are_read_as_rfc_9110_has_them(
    field: str, name: str, parameters: dict[str, str]
) -> None:
    """Case means nothing in names, quotes may hold anything, and the first of two parameters counts."""
    content_type = read_content_type(field)

    assert content_type == (name, parameters)
    assert content_type.charset == parameters.get("charset", "").lower()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("text/html;charset=UTF-8", "text/html; charset=utf-8"),
        ('text/html; charset="utf-8"', "TEXT/html;charset=utf-8"),
        ("text/x; a=1; b=2", "text/x; b=2; a=1"),
        ("multipart/mixed; boundary=one", "multipart/mixed; boundary=two"),
    ],
)
def test_two_ways_to_say_the_same_mean_the_same(first: str, second: str) -> None:
    """Spacing, quotes, case, order and boundaries are no difference."""
    assert read_content_type(first).meaning == read_content_type(second).meaning


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("text/html; charset=utf-8", "text/html; charset=iso-8859-1"),
        ("text/html; charset=utf-8", "text/html"),
        ("text/html", "text/plain"),
        ("text/x; a=B", "text/x; a=b"),
    ],
)
def test_what_says_something_else_means_something_else(first: str, second: str) -> None:
    """Another type, charset or parameter is a difference."""
    assert read_content_type(first).meaning != read_content_type(second).meaning


@given(st.text())
def test_any_field_can_be_read(field: str) -> None:
    """Backends send what they like."""
    read_content_type(field)
