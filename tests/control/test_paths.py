"""Rows of figures; how they are shown is held by the API's tests."""

from __future__ import annotations

from gateway.control.paths import excess_errors, slowness
from tests.control.rollbacks import arm, row


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
