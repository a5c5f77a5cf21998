"""Rows of figures; how they are shown is held by the API's tests."""

from __future__ import annotations

from gateway.control.paths import excess_errors, slowness, view_paths
from gateway.core.figures import Subject
from gateway.core.windows import Cell
from tests.control.rollbacks import arm, row
from tests.telemetry.scene import split_route


def test_excess_is_what_the_candidate_failed_beyond_the_baselines_rate() -> None:
    """Half of a thousand failed, where the baseline fails a tenth."""
    assert excess_errors(row("/", arm(1000, 500), arm(10, 1))) == 400
    assert excess_errors(row("/", arm(10, 5), arm())) == 5
    assert excess_errors(row("/", None)) == 0


def test_slowness_is_the_ratio_of_the_slowest() -> None:
    """Unknown is not slow."""
    assert slowness(row("/", arm(9, 0, 300.0), arm(9, 0, 100.0))) == 3
    assert slowness(row("/", arm(9, 0, 300.0), arm())) == 0
    assert slowness(row("/", None)) == 0


def test_what_was_kept_away_stands_with_the_candidate() -> None:
    """It is counted where it was answered, but meant for the other arm."""
    cells = {
        Subject("orders", "/orders", "candidate", is_forced=False): Cell(requests=3),
        Subject("orders", "/orders", "baseline", is_forced=False): Cell(requests=10, kept_away=7),
    }
    (shown,) = view_paths([split_route("orders", "/orders", rollout_name="checkout")], cells, 60.0)

    assert shown.candidate is not None
    assert (shown.candidate.kept_away, shown.baseline.kept_away) == (7, 0)
    assert excess_errors(shown) == 7


def test_a_path_says_what_comparing_came_to() -> None:
    """The share of what was compared that differed in more than noise; unknown before anything was."""
    cells = {Subject("orders", "/orders", "candidate", is_forced=False): Cell(compared=200, mismatches=5)}
    route = split_route("orders", "/orders", "/quiet", rollout_name="checkout")
    shown = {each.path: each for each in view_paths([route], cells, 60.0)}

    assert (shown["/orders"].compared, shown["/orders"].mismatch_rate) == (200, 0.025)
    assert (shown["/quiet"].compared, shown["/quiet"].mismatch_rate) == (0, None)
