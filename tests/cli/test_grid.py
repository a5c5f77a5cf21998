"""Figures are shown with their units, and tables whole."""

from __future__ import annotations

import pytest

from gateway.cli.grid import draw_table, show_milliseconds, show_percent, show_rate, show_span


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(None, None), (0.314, "0.31 ms"), (12.54, "12.5 ms"), (125.4, "125 ms"), (61_250.0, "61,250 ms")],
)
def test_a_latency_has_three_figures_that_count(milliseconds: float | None, shown: str | None) -> None:
    """More would be noise."""
    assert show_milliseconds(milliseconds) == shown


@pytest.mark.parametrize(
    ("percent", "shown"),
    [(None, None), (5.0, "5 %"), (0.01, "0.01 %"), (33.333, "33.333 %"), (99.999, "99.999 %"), (0.00001, "0.00001 %")],
)
def test_a_percentage_is_short(percent: float | None, shown: str | None) -> None:
    """And exact where it can be."""
    assert show_percent(percent) == shown


def test_a_rate_is_shown_as_a_percentage() -> None:
    """Unknown stays unknown."""
    assert show_rate(0.005) == "0.5 %"
    assert show_rate(1 / 3) == "33.3 %"
    assert show_rate(1e-7) == "0.00001 %"
    assert show_rate(1.0) == "100 %"
    assert show_rate(None) is None


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (3600, "1 h"), (90_061, "1 d 1 h")]
)
def test_a_time_has_its_two_largest_units(seconds: float, shown: str) -> None:
    """Nobody counts the seconds of a day."""
    assert show_span(seconds) == shown


def test_a_table_that_is_piped_is_whole_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut, wrapped, coloured or taken for markup; numbers stand to the right."""
    long = "/a" * 300
    draw_table(("path", "requests>"), [(long, 5), ("[bold]b[/]\x1b[1m", None)])

    assert capsys.readouterr().out.splitlines() == [
        f"{'path':<600}  requests",
        f"{long}         5",
        f"{'[bold]b[/]' + chr(92) + 'x1b[1m':<600}         \N{EN DASH}",
    ]
