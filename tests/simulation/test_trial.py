"""One simulated life."""

from __future__ import annotations

import pytest

from gateway.core.plans import Do, Stage, Webhook
from gateway.core.rules import parse_rule
from gateway.simulation.trial import Trial, run_trial, usual_bound
from tests.simulation.scenarios import build_rollout, build_scenario


def kinds(trial: Trial) -> list[str]:
    """What happened, in order."""
    return [each.kind for each in trial.happenings]


def test_a_well_candidate_goes_through_all_stages() -> None:
    """Each for its hold, and no guard has anything against it."""
    trial = run_trial(build_scenario(), 1)

    assert [(each.kind, each.second, each.percent) for each in trial.happenings] == [
        ("start", 0, 5),
        ("stage", 120, 50),
        ("complete", 240, 50),
    ]
    assert (trial.state, trial.seconds, trial.false_alarms, trial.fault_second) == ("completed", 240, (), None)


@pytest.mark.parametrize(("fault", "seconds"), [("errors=30%", 30), ("latency=5x", 120), ("path=1", 20)])
def test_a_fault_is_acted_on(fault: str, seconds: int) -> None:
    """Back to 0 % within the time that a person would hope for, with what it took until then."""
    trial = run_trial(build_scenario(fault, fault_at_seconds=30.0), 2)

    assert (trial.state, trial.percent, trial.fault_second, trial.false_alarms) == ("rolled_back", 0, 30, ())
    assert trial.detection_seconds is not None
    assert 0 < trial.detection_seconds <= seconds
    assert trial.acted_second == 30 + trial.detection_seconds
    assert 0 < trial.keys_hit <= min(trial.requests_hit, 500)


def test_the_rule_that_acted_tells_its_numbers() -> None:
    """As the gateway's event would: latencies in milliseconds."""
    trial = run_trial(build_scenario("latency=5x", fault_at_seconds=30.0), 2)
    last = trial.happenings[-1]

    assert (last.kind, last.actor, last.text) == ("rollback", "rule", "p99 > 2x baseline for 5m")
    assert last.judgement is not None
    assert last.judgement.value is not None
    assert last.judgement.baseline == pytest.approx(160, rel=0.1)
    assert last.judgement.value > 2 * 160


def test_the_same_seed_gives_the_same_trial() -> None:
    """To the last number; another seed another one."""
    scenario = build_scenario("errors=5%")

    assert run_trial(scenario, 3) == run_trial(scenario, 3)
    assert run_trial(scenario, 3) != run_trial(scenario, 4)


def test_a_fault_strikes_in_the_stage_that_was_asked_for() -> None:
    """At some time of its hold."""
    trial = run_trial(build_scenario("errors=30%", fault_stage=1), 5)

    assert trial.fault_second is not None
    assert 120 <= trial.fault_second <= 241
    assert trial.happenings[-1].stage == 2


def test_a_completed_rollout_is_watched_until_its_fault_has_come_and_gone() -> None:
    """Guards act after completion too."""
    trial = run_trial(build_scenario("errors=30%", fault_at_seconds=400.0), 6)

    assert kinds(trial) == ["start", "stage", "complete", "fault", "rollback"]


def test_nobody_acts_on_a_fault_that_is_too_small() -> None:
    """It is there for an hour after completion, and the trial says that it went undetected."""
    short = (Stage(percent=50, hold_seconds=60),)
    trial = run_trial(
        build_scenario("errors=0.3%", fault_at_seconds=1.0, rollout=build_rollout(short), rps=5, bound_seconds=600.0), 7
    )

    assert (trial.state, trial.detection_seconds, trial.seconds) == ("completed", None, 600)
    assert trial.requests_hit > 1000


def test_people_approve_at_once_unless_there_is_nobody() -> None:
    """A stage that needs approval goes on in the next second, or waits to the end."""
    stages = (Stage(percent=5, hold_seconds=60, needs_approval=True), Stage(percent=50, hold_seconds=60))
    rollout = build_rollout(stages)
    approved = run_trial(build_scenario(rollout=rollout), 8)
    waiting = run_trial(build_scenario(rollout=rollout, is_approved=False, bound_seconds=300.0), 8)

    assert kinds(approved) == ["start", "approval", "stage", "complete"]
    assert [each.second for each in approved.happenings[1:3]] == [60, 61]
    assert (kinds(waiting), waiting.state) == (["start", "approval"], "waiting")


def test_a_pause_ends_the_trial() -> None:
    """Only a person goes on from there."""
    trial = run_trial(build_scenario("errors=30%", fault_at_seconds=30.0, rollout=build_rollout(do=Do.PAUSE)), 9)

    assert (kinds(trial), trial.state) == (["start", "fault", "pause"], "paused")


def test_a_guard_that_notifies_changes_nothing() -> None:
    """It is told once for as long as it is broken, and the plan goes on."""
    rollout = build_rollout(do=Do.NOTIFY, guard=("error_rate > 5% for 1m",))
    trial = run_trial(build_scenario("errors=30%", fault_at_seconds=30.0, rollout=rollout, bound_seconds=300.0), 10)

    assert kinds(trial) == ["start", "fault", "notify", "stage", "complete"]
    assert trial.detection_seconds is None


def test_retries_begin_anew_after_the_cooldown() -> None:
    """Which is skipped, as nothing happens in it; the fault is still there then, and so is the guard."""
    rollout = build_rollout(retries=1, cooldown_seconds=86_400.0)
    trial = run_trial(build_scenario("errors=30%", fault_at_seconds=30.0, rollout=rollout), 11)
    seconds = [each.second for each in trial.happenings]

    assert kinds(trial) == ["start", "fault", "rollback", "retry", "rollback"]
    assert seconds[3] - seconds[2] == 86_400


def test_a_gate_that_is_not_met_holds_the_stage() -> None:
    """No candidate as fast as the baseline passes where an improvement is asked for."""
    stages = (Stage(percent=50, hold_seconds=60, gates=(parse_rule("p95 < 0.9x baseline for 1m"),)),)
    scenario = build_scenario(rollout=build_rollout(stages), bound_seconds=300.0)

    assert run_trial(scenario, 12).state == "running"


def test_others_who_are_asked_have_no_objection() -> None:
    """External gates answer ok in a simulation."""
    stages = (Stage(percent=50, hold_seconds=60, gates=(Webhook("http://ci/approve"),)),)

    assert run_trial(build_scenario(rollout=build_rollout(stages)), 13).state == "completed"


def test_acting_before_the_fault_is_a_false_alarm() -> None:
    """As is acting without one: a rule that fears what is usual finds it."""
    rollout = build_rollout(guard=("requests > 100 for 1m",))
    trial = run_trial(build_scenario("errors=30%", fault_at_seconds=100.0, rollout=rollout), 14)

    assert trial.false_alarms == ("requests > 100 for 1m",)
    assert (trial.fault_second, trial.detection_seconds) == (None, None)


def test_acting_on_what_both_arms_have_is_a_false_alarm() -> None:
    """Whatever the rule: nothing is wrong with the candidate alone."""
    rollout = build_rollout(guard=("errors > 100 for 1m",))
    trial = run_trial(build_scenario("both=50%", fault_at_seconds=10.0, rollout=rollout), 15)

    assert trial.fault_second == 10
    assert (trial.false_alarms, trial.detection_seconds) == (("errors > 100 for 1m",), None)


def test_a_fixed_percentage_is_looked_at_for_an_hour() -> None:
    """It has no stages that would end, so its bound does."""
    scenario = build_scenario(rollout=build_rollout((), percent=10), rps=1)

    assert usual_bound(scenario) == 3600
    assert run_trial(scenario, 16).seconds == 3600


def test_the_time_to_act_is_the_one_between_fault_and_act_in_the_timeline() -> None:
    """Who takes the difference of both lines gets what is said below them."""
    trial = run_trial(build_scenario("errors=50%", fault_at_seconds=20.0), 1)

    seconds = {each.kind: each.second for each in trial.happenings}
    assert trial.detection_seconds == seconds["rollback"] - seconds["fault"]
