"""Paths are shown with both arms, one below the other."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gateway.admin.paths import PathList
from gateway.cli.paths import command, list_rows
from gateway.control.paths import ArmView, PathView

QUIET = ArmView(0, 0.0, 0, None, None, None, None)
BUSY = ArmView(1234, 4.113, 12, 0.00972, 12.3, 99.5, 250.0)


def test_a_path_with_two_arms_has_two_rows_and_one_name() -> None:
    """What is unknown is None, which tables show as a dash."""
    path = PathView("orders", "/orders/{id}", candidate=BUSY, baseline=QUIET, compared=3210, mismatch_rate=0.0123)

    assert list(list_rows(PathList([path], None))) == [
        ("orders", "/orders/{id}", "baseline", "0", "0.0/s", None, None, None, None, None, None),
        ("", "", "candidate", "1,234", "4.1/s", "0.972 %", "12.3 ms", "99.5 ms", "250 ms", "3,210", "1.23 %"),
    ]


def test_a_path_of_which_nothing_was_compared_has_a_dash() -> None:
    """Zero of zero is no rate."""
    path = PathView("orders", "/orders/{id}", candidate=BUSY, baseline=BUSY, compared=0, mismatch_rate=None)

    assert [row[-2:] for row in list_rows(PathList([path], None))] == [(None, None)] * 2


def test_a_path_of_a_route_without_a_rollout_has_one_row() -> None:
    """There is only one backend."""
    path = PathView("rest", "/", candidate=None, baseline=BUSY, compared=0, mismatch_rate=None)

    assert [row[2:4] for row in list_rows(PathList([path], None))] == [("baseline", "1,234")]


@pytest.mark.parametrize("window", ["5", "", "25h", "999ms"])
def test_a_window_that_no_gateway_takes_is_wrong_usage(window: str) -> None:
    """Nobody is asked for it: there need not even be a gateway."""
    result = CliRunner().invoke(command, ["--admin", "http://127.0.0.1:1", "--window", window])

    assert result.exit_code == 2
    assert "Invalid value for --window" in result.output
