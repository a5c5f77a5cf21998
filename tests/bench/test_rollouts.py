"""What the default guard promises, in few runs; the bench has many."""

from __future__ import annotations

import sys

import pytest

from bench import rollouts
from bench.rollouts import CASES, measure

HOLD_SECONDS = 600.0


@pytest.mark.parametrize("name", ["errors", "latency", "path", "dead"])
def test_faults_are_found_in_the_time_that_is_promised(name: str) -> None:
    """In the median, in virtual time; and none is missed, nor anything found before it is there."""
    case = CASES[name]
    summary, _ = measure(case, 5, HOLD_SECONDS, processes=1)

    assert case.most_seconds is not None
    assert summary.detection_seconds is not None
    assert summary.detection_seconds.median <= case.most_seconds
    assert (summary.undetected, summary.false_alarms) == (0, 0)


@pytest.mark.parametrize("name", ["alike", "both"])
def test_nothing_acts_where_nothing_is_wrong_with_the_candidate_alone(name: str) -> None:
    """Neither when all is well nor when both arms fail alike."""
    summary, _ = measure(CASES[name], 2, HOLD_SECONDS, processes=1)

    assert (summary.false_alarms, summary.false_acts) == (0, 0)


def test_the_command_prints_a_row_for_each_case(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it was asked for."""
    monkeypatch.setattr(sys, "argv", ["rollouts", "dead", "--runs", "10", "--processes", "1"])
    rollouts.main()

    out = capsys.readouterr().out
    assert "500 to everything" in out
    assert "latencies" not in out
