"""Many trials of one scenario."""

from __future__ import annotations

from gateway.simulation.campaign import Spans, run_campaign, summarize
from gateway.simulation.trial import Trial, run_trial
from tests.simulation.scenarios import build_scenario


def trial(seed: int = 1, **fields: object) -> Trial:
    """One that came out like this."""
    return Trial(seed=seed, seconds=100.0, state=str(fields.pop("state", "rolled_back")), percent=0.0, **fields)


def test_each_trial_can_be_looked_at_alone() -> None:
    """They are those of the seeds from the first on, in that order, however many processes there are."""
    scenario = build_scenario("errors=30%", fault_at_seconds=5.0, bound_seconds=60.0)

    alone = [run_trial(scenario, seed) for seed in (7, 8, 9)]
    assert list(run_campaign(scenario, 7, 3)) == alone
    assert list(run_campaign(scenario, 7, 3, processes=2)) == alone


def test_a_summary_says_how_soon_and_how_often() -> None:
    """Of all faults, those that somebody acted on and those that nobody did."""
    found = [trial(fault_second=0.0, detection_seconds=float(n), requests_hit=n * 10, keys_hit=n) for n in range(1, 11)]
    missed = trial(fault_second=0.0, requests_hit=500, keys_hit=50, state="completed")

    summary = summarize([*found, missed])

    assert (summary.runs, summary.faults, summary.undetected) == (11, 11, 1)
    assert summary.detection_seconds == Spans(median=5, p90=9, max=10)
    assert summary.requests_hit == Spans(median=60, p90=100, max=500)
    assert summary.states == {"rolled_back": 10, "completed": 1}


def test_false_alarms_are_counted_by_run_and_by_rule() -> None:
    """A run with two is one run; pauses and steps back are told apart from rollbacks."""
    trials = [trial(false_alarms=("a", "a")), trial(false_acts=("b",)), trial(), trial()]

    summary = summarize(trials)

    assert (summary.false_alarms, summary.false_acts, summary.false_alarm_rate) == (1, 1, 0.25)
    assert summary.false_rules == {"a": 1, "b": 1}
    assert summary.detection_seconds is None
