"""How simulations read."""

from __future__ import annotations

import pytest

from gateway.cli.simulated import show_progress, show_summary, show_trial
from gateway.core.verdicts import Judgement, Verdict
from gateway.simulation.campaign import Spans, Summary
from gateway.simulation.trial import Happening, Trial
from tests.simulation.scenarios import build_scenario

JUDGEMENT = Judgement(
    rule="p99 > 2x baseline for 5m, per path",
    verdict=Verdict.BROKEN,
    reason="broken",
    route="orders",
    path="/orders/{id}",
    value=350.4,
    bound=320.0,
    baseline=160.0,
    candidate_requests=1470,
    baseline_requests=44_000,
)


def test_a_day_has_a_number() -> None:
    """Times of long plans are days and a clock; numbers carry their units, and say which path they are of."""
    happening = Happening(
        second=100_000, kind="rollback", actor="rule", stage=2, percent=0, text=JUDGEMENT.rule, judgement=JUDGEMENT
    )
    trial = Trial(seed=1, seconds=100_000, state="rolled_back", percent=0, happenings=(happening,))

    what, numbers = show_trial(trial, build_scenario()).splitlines()[2:4]
    assert what == "1 d 03:46:40  rollback  stage 2 of 2, 0 %       p99 > 2x baseline for 5m, per path"
    assert numbers.split(", ") == [
        "                        350 ms against 320 ms",
        "baseline 160 ms",
        "1,470 requests of the candidate",
        "44,000 of the baseline on /orders/{id}",
    ]


def test_what_happened_without_cause_is_said() -> None:
    """And a fault that nobody acted on."""
    trial = Trial(seed=1, seconds=60, state="completed", percent=50, false_alarms=("errors > 1 for 1m",))
    missed = Trial(seed=1, seconds=60, state="completed", percent=50, fault_second=3.0)

    assert show_trial(trial, build_scenario()).splitlines()[-1] == "without cause: errors > 1 for 1m"
    assert "no guard acted on the fault" in show_trial(missed, build_scenario())


def test_a_summary_names_the_rules_that_were_wrong() -> None:
    """The most frequent first; what is unknown is a dash."""
    summary = Summary(
        runs=200,
        false_alarms=3,
        false_acts=0,
        false_rules={"a": 1, "b": 2},
        faults=100,
        undetected=100,
        detection_seconds=None,
        requests_hit=Spans(median=1000, p90=2000, max=3000),
        keys_hit=None,
        states={"completed": 197, "rolled_back": 3},
    )

    assert show_summary(summary, build_scenario()).splitlines()[2:] == [
        "200 runs, 197 completed, 3 rolled back",
        "rolled back without cause: 3 of 200 (1.5 %)",
        "paused or stepped back without cause: 0 of 200 (0 %)",
        "  b: 2",
        "  a: 1",
        "faults that no guard acted on: 100 of 100 (100 %)",
        "time to act: –",
        "requests hit: median 1,000, 90 % within 2,000, at most 3,000",
        "keys hit: –",
    ]


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written that a file would have to hold."""
    with show_progress("simulating", 10) as move:
        move(5)

    assert capsys.readouterr() == ("", "")


def test_at_a_terminal_a_bar_moves(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, and it is gone in the end."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with show_progress("simulating", 10) as move:
        for done in range(11):
            move(done)

    assert "simulating" in capsys.readouterr().err
