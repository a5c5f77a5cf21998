from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.scalars import Expanded, expand, resolve_plain, settle


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "12:30:00", "1_000", "0b11", "2026-11-21", "0o9", "1e", "."]
)
def test_what_yaml_1_1_mistook_stays_text(text: str) -> None:
    """A country code, a time of day and a date are text, as the core schema of YAML 1.2 says."""
    assert resolve_plain(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("True", True),
        ("false", False),
        ("017", 17),
        ("-5", -5),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", -math.inf),
    ],
)
def test_the_core_schema_is_followed(text: str, value: object) -> None:
    """Plain scalars mean what section 10.3.2 of YAML 1.2.2 says."""
    resolved = resolve_plain(text)

    assert (resolved, type(resolved)) == (value, type(value))


def test_not_a_number_is_a_number() -> None:
    """``.nan`` is a float, which the fields then refuse by themselves."""
    assert math.isnan(resolve_plain(".nan"))  # type: ignore[arg-type]


@given(st.integers())
def test_whole_numbers_survive(number: int) -> None:
    """What Python writes as a whole number is read as the same, as long as it has a sane length."""
    text = str(number)

    assert resolve_plain(text) == (number if len(text) <= 64 else text)


@given(st.text())
def test_no_text_breaks_the_resolver(text: str) -> None:
    """Any text at all is resolved to something, never to an error."""
    assert isinstance(resolve_plain(text), str | int | float | None)


def test_variables_are_replaced() -> None:
    """Several references in one scalar, with and without defaults, are all replaced."""
    assert expand("http://${HOST}:${PORT:-80}/${EMPTY:-x}", {"HOST": "a", "EMPTY": ""}) == "http://a:80/x"


def test_a_dollar_can_be_escaped() -> None:
    """``$${`` stands for itself without its first dollar, and a lone dollar is just one."""
    assert expand("$${HOME} costs $5", {}) == "${HOME} costs $5"


def test_what_comes_out_of_a_variable_is_not_expanded_again() -> None:
    """A value from the environment can't read other variables."""
    assert expand("${A}", {"A": "${B}", "B": "secret"}) == "${B}"


def test_a_variable_set_to_nothing_needs_no_default() -> None:
    """Without a default, set but empty counts as set."""
    assert expand("${A}", {"A": ""}) == ""


@pytest.mark.parametrize("text", ["${MISSING}", "${", "${1}", "${A", "${A-b}", "${}"])
def test_a_reference_that_leads_nowhere_is_an_error(text: str) -> None:
    """A missing variable and a malformed reference are refused with a message that shows the right form."""
    with pytest.raises(ValueError, match=r"\$\{"):
        expand(text, {})


@given(st.text(alphabet=st.characters(exclude_characters="$")), st.dictionaries(st.text(), st.text()))
def test_text_without_a_dollar_is_left_alone(text: str, env: dict[str, str]) -> None:
    """Whatever the environment holds, text without a reference stays as it is."""
    assert expand(text, env) == text


def test_an_expanded_scalar_takes_the_type_that_the_field_wants() -> None:
    """A number out of a variable is a number where one is wanted, and text elsewhere."""
    assert settle(Expanded("5")) == 5
    assert Expanded("5") == "5"
    assert settle("5") == "5"
