from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.quantities import (
    BYTES,
    LONGEST_SECONDS,
    SECONDS,
    format_duration,
    format_number,
    format_size,
    parse_duration,
    parse_percent,
    parse_size,
    show,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("10s", 10), ("5m", 300), ("1h", 3600), ("7d", 604800), ("1.5s", 1.5), ("0s", 0)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """Each unit counts as it should."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", [10, 1.5, True, None, [], {}, "", "10", "s", "1 s", "-1s", "1w", "1S", "1s2m", "٣s", "400d"]
)
def test_a_duration_needs_a_number_and_a_unit(value: object) -> None:
    """Anything else is refused, bare numbers first of all, and the message shows the form."""
    with pytest.raises(ValueError, match=r"7d|at most"):
        parse_duration(value)


@given(st.integers(0, 10**7), st.sampled_from(sorted(SECONDS)))
def test_durations_grow_with_their_number(number: int, unit: str) -> None:
    """A whole number and a unit are that many units, or more than a year and refused."""
    if number * SECONDS[unit] > LONGEST_SECONDS:
        with pytest.raises(ValueError, match="year"):
            parse_duration(f"{number}{unit}")
    else:
        assert parse_duration(f"{number}{unit}") == number * SECONDS[unit]


@given(st.integers(0, 31_000_000_000))
def test_a_formatted_duration_is_read_as_the_same(milliseconds: int) -> None:
    """What the reference page shows as a default may be written."""
    seconds = milliseconds / 1000

    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@pytest.mark.parametrize(("value", "size"), [(0, 0), (1000, 1000), ("1000", 1000), ("64KiB", 65536), ("1MiB", 1 << 20)])
def test_sizes_are_bytes(value: object, size: int) -> None:
    """Bare numbers are bytes; units are powers of 1024."""
    assert parse_size(value) == size


@pytest.mark.parametrize("value", [True, 1.0, -1, None, [], "", "64KB", "64k", "1.5MiB", "MiB", "1 MiB", "2000000GiB"])
def test_an_ambiguous_size_is_refused(value: object) -> None:
    """`64KB` could be 64,000 or 65,536: nobody guesses."""
    with pytest.raises(ValueError):
        parse_size(value)


@given(st.integers(0, 1 << 50))
def test_a_formatted_size_is_read_as_the_same(size: int) -> None:
    """What the reference page shows as a default may be written."""
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 999), st.sampled_from(sorted(BYTES)))
def test_units_of_size_multiply(number: int, unit: str) -> None:
    """A number and a unit are that many units."""
    assert parse_size(f"{number}{unit}") == number * BYTES[unit]


@pytest.mark.parametrize(
    ("value", "percent"), [(5, 5), (0.01, 0.01), ("5%", 5), ("0.5%", 0.5), ("5", 5), (100, 100), (0, 0)]
)
def test_percentages_have_three_forms(value: object, percent: float) -> None:
    """A number, a number with a sign, and text from a variable are one and the same."""
    assert parse_percent(value) == percent


@pytest.mark.parametrize(
    "value", [-1, 101, "101%", True, None, [], float("nan"), float("inf"), "", "%", "5 %", "5%%", "1e1", "half"]
)
def test_other_percentages_are_refused(value: object) -> None:
    """Out of bounds, not finite, or not a number at all."""
    with pytest.raises(ValueError, match="percentage"):
        parse_percent(value)


@given(st.floats(0, 100).filter(lambda number: number == 0 or number > 1e-6))
def test_a_formatted_percentage_is_read_as_the_same(percent: float) -> None:
    """Formatting keeps twelve digits and never needs an exponent."""
    assert parse_percent(format_number(percent)) == pytest.approx(percent, abs=1e-12)


@given(st.one_of(st.text(), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers())))
def test_a_quoted_value_stays_on_one_line(value: object) -> None:
    """Whatever a file holds, a message about it is one short line."""
    assert "\n" not in show(value)
    assert len(show(value)) < 700
