"""The table of a rollout's life: what is possible from where, what happens by itself, and what an edit keeps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core import lifecycle
from gateway.core.lifecycle import TABLE, adopt, effect, share_of, step
from gateway.core.plans import Do, Stage
from gateway.core.progress import Action, Progress, State, Transition, say_state
from gateway.core.types import Held, Mode, Rollout
from gateway.core.verdicts import Verdict
from gateway.errors import WrongAction
from tests.core.lives import HOUR, NOON, STAGES, act, after_hit, fixed, guard, hit, planned, said, standing, started

PLAN = planned(cooldown_seconds=600.0, retries=2, watch_seconds=100.0)

ALLOWED = {
    Action.START: {State.PENDING},
    Action.PAUSE: {State.RUNNING, State.WAITING},
    Action.RESUME: {State.PAUSED, State.ROLLED_BACK},
    Action.PROMOTE: {State.WAITING, State.RUNNING, State.PAUSED},
    Action.STEP_BACK: set(State) - {State.PENDING, State.ROLLED_BACK},
    Action.ROLLBACK: set(State) - {State.ROLLED_BACK},
    Action.SET: set(State) - {State.ROLLED_BACK},
}
"""As users are told. Unset is possible wherever something was set."""


def pass_seconds(of: Rollout, progress: Progress, seconds: float, gates_ok: bool | None = None) -> Progress:
    """The progress so much later, with what happened by itself."""
    passed, transition = step(of, progress, seconds, NOON + seconds, (), gates_ok)
    return transition.after if transition is not None else passed


def why(transition: Transition | None) -> tuple[str, str, str]:
    """What happened, and through whom."""
    assert transition is not None
    return transition.kind, transition.actor, transition.name


# What operators may do.


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", ALLOWED)
def test_an_action_is_possible_from_the_states_of_the_table_and_from_no_other(action: Action, state: State) -> None:
    """Anything else is refused with the states that it takes, and changes nothing."""
    progress = standing(PLAN, state)
    percent = 7.0 if action is Action.SET else None
    if state in ALLOWED[action]:
        act(PLAN, progress, action, percent=percent, force=True)
        return
    is_done = action is Action.ROLLBACK and state is State.ROLLED_BACK
    said = "is rolled back already" if is_done else f"is {say_state(state)}: {action} is possible only when it is"
    with pytest.raises(WrongAction, match=f"`shop` {said}"):
        act(PLAN, progress, action, percent=percent, force=True)


def test_the_table_has_every_action() -> None:
    """Whatever the API offers is looked up there."""
    assert set(TABLE) == set(Action)


@pytest.mark.parametrize(
    ("action", "at", "kind"),
    [
        (Action.STEP_BACK, started(PLAN, 2), "step_back"),
        (Action.STEP_BACK, started(PLAN), "rollback"),
        (Action.PROMOTE, started(PLAN), "stage"),
        (Action.PROMOTE, started(PLAN, 3), "complete"),
        (Action.SET, started(PLAN), "percent"),
    ],
)
def test_events_are_named_after_what_came_of_it(action: Action, at: Progress, kind: str) -> None:
    """A step back from the first stage is a rollback for whoever is told of rollbacks."""
    assert lifecycle.act(PLAN, at, action, NOON, percent=5.0, force=True)[0] == kind


# What happens by itself.


def test_a_plan_waits_until_it_is_started_unless_it_starts_by_itself() -> None:
    """A fixed percentage is in force at once."""
    assert lifecycle.begin(PLAN, NOON).state is State.PENDING
    assert lifecycle.begin(planned(starts_by_itself=True), NOON).state is State.RUNNING
    assert (lifecycle.begin(fixed(5.0), NOON).state, share_of(fixed(), lifecycle.begin(fixed(), NOON))) == (
        State.RUNNING,
        5,
    )


def test_a_plan_goes_to_its_end_by_itself() -> None:
    """Through each stage after its hold; where a person must approve it waits, however long."""
    progress, seen = started(PLAN), []
    for _ in range(8):
        progress = pass_seconds(PLAN, progress, HOUR, gates_ok=True)
        seen.append((progress.state, progress.stage))
        if progress.state is State.WAITING and seen.count(seen[-1]) == 2:
            progress = act(PLAN, progress, Action.PROMOTE)

    assert seen == [
        (State.RUNNING, 1),
        (State.RUNNING, 2),
        *[(State.WAITING, 2)] * 2,
        *[(State.COMPLETED, 3)] * 4,
    ]


@pytest.mark.parametrize(("seconds", "gates_ok"), [(HOUR - 1, True), (2 * HOUR, False), (2 * HOUR, None)])
def test_neither_hold_nor_gates_suffice_alone(seconds: float, gates_ok: bool | None) -> None:
    """Gates that were not asked are no gates that passed."""
    assert pass_seconds(PLAN, started(PLAN), seconds, gates_ok).stage == 0


def test_a_hold_counts_running_watched_time_only() -> None:
    """Not while paused, not under an operator's percentage, not where the candidate answers nobody."""
    still = [
        (PLAN, standing(PLAN, State.PAUSED)),
        (PLAN, act(PLAN, started(PLAN), Action.SET, percent=5.0)),
        (msgspec.structs.replace(PLAN, mode=Mode.SHADOW), started(PLAN)),
        (msgspec.structs.replace(PLAN, mode=Mode.OFF), started(PLAN)),
        (msgspec.structs.replace(PLAN, killed=True), started(PLAN)),
    ]

    for of, progress in still:
        assert pass_seconds(of, progress, 2 * HOUR, gates_ok=True) == progress
        assert not lifecycle.is_hold_over(of, progress)


def test_after_the_cooldown_it_starts_again_as_often_as_it_may() -> None:
    """Then somebody has to."""
    progress = standing(PLAN, State.ROLLED_BACK)
    for used in (1, 2):
        assert pass_seconds(PLAN, progress, 599.0).state is State.ROLLED_BACK
        progress = pass_seconds(PLAN, progress, 600.0)
        assert (progress.state, progress.stage, progress.retries_used) == (State.RUNNING, 0, used)
        progress = act(PLAN, progress, Action.ROLLBACK)

    assert pass_seconds(PLAN, progress, 10 * HOUR).state is State.ROLLED_BACK


def test_a_cooldown_goes_on_while_no_gateway_runs() -> None:
    """By the time of day; one that was set back does not make it longer, and a hold stays as it was."""
    back = standing(PLAN, State.ROLLED_BACK)
    running = pass_seconds(PLAN, started(PLAN), 60.0)

    assert lifecycle.catch_up(back, NOON + 400).cooldown_left_seconds == 200
    assert lifecycle.catch_up(back, NOON + 10 * HOUR).cooldown_left_seconds == 0
    assert lifecycle.catch_up(back, NOON - 400).cooldown_left_seconds == 600
    assert lifecycle.catch_up(running, NOON + 10 * HOUR).held_seconds == 60


def test_a_cooldown_begins_with_the_rollback_whenever_it_was_last_stored() -> None:
    """Else a gateway that is restarted right after a rollback would find the cooldown over."""
    _, back = lifecycle.act(fixed(), started(fixed()), Action.ROLLBACK, NOON + 100 * HOUR)

    assert lifecycle.catch_up(back, NOON + 100 * HOUR).cooldown_left_seconds == back.cooldown_left_seconds > 0


# What guards do.


def test_the_most_severe_broken_guard_acts() -> None:
    """Whatever their order."""
    there = started(PLAN, 2)

    assert after_hit(PLAN, there, Do.PAUSE, Do.ROLLBACK, Do.STEP_BACK).state is State.ROLLED_BACK
    assert after_hit(PLAN, there, Do.NOTIFY, Do.STEP_BACK, Do.PAUSE).stage == 1
    assert after_hit(PLAN, there, Do.PAUSE).state is State.PAUSED
    assert after_hit(PLAN, there, Do.SHADOW).to_shadow
    assert hit(PLAN, there, Do.NOTIFY) is None


def test_a_guard_acts_before_the_plan_does() -> None:
    """A stage whose hold is over is not left forward on what a guard has just found."""
    broken = [said(guard(Do.PAUSE))]

    _, transition = step(PLAN, started(PLAN), HOUR, NOON, broken, gates_ok=True)

    assert why(transition) == ("pause", "rule", "error_rate > 5% for 1m")
    assert transition is not None
    assert transition.judgement == broken[0][1]


@pytest.mark.parametrize("verdict", [Verdict.OK, Verdict.UNKNOWN])
def test_a_guard_acts_on_broken_only(verdict: Verdict) -> None:
    """What is not known is no reason."""
    assert step(PLAN, started(PLAN), 1.0, NOON, [said(guard(Do.ROLLBACK), verdict)], None)[1] is None


@pytest.mark.parametrize("state", sorted(set(State) - {State.PENDING, State.ROLLED_BACK}))
def test_guards_act_wherever_the_candidate_answers_anyone(state: State) -> None:
    """Waiting, paused and completed included."""
    assert after_hit(PLAN, standing(PLAN, state), Do.ROLLBACK).state is State.ROLLED_BACK


def test_guards_act_under_an_operators_percentage() -> None:
    """Also over a plan that nobody has started, and over one that was completed long ago."""
    unstarted = act(PLAN, standing(PLAN, State.PENDING), Action.SET, percent=50.0)
    completed = msgspec.structs.replace(standing(PLAN, State.COMPLETED), percent=50.0, watch_left_seconds=0.0)

    assert after_hit(PLAN, unstarted, Do.STEP_BACK).state is State.ROLLED_BACK
    assert after_hit(PLAN, completed, Do.ROLLBACK).state is State.ROLLED_BACK


def test_some_time_after_completion_guards_only_notify() -> None:
    """The baseline may be gone by then."""
    completed = standing(PLAN, State.COMPLETED)
    watched, over = pass_seconds(PLAN, completed, 99.0), pass_seconds(PLAN, completed, 100.0)

    assert (lifecycle.is_watch_over(watched), lifecycle.is_watch_over(over)) == (False, True)
    assert hit(PLAN, watched, Do.ROLLBACK) is None
    assert hit(PLAN, pass_seconds(PLAN, completed, 50.0), Do.ROLLBACK) is not None


# What an edit keeps.


def in_stage(percent: float, **changes: Any) -> Progress:
    """Half an hour into a stage of this share."""
    index = [stage.percent for stage in STAGES].index(percent)
    return msgspec.structs.replace(started(PLAN, index), held_seconds=1800.0, **changes)


@pytest.mark.parametrize(
    ("percent", "stages", "expected"),
    [
        (25.0, (Stage(1.0), Stage(5.0), Stage(25.0), Stage(50.0)), (State.RUNNING, 2, 25, 1800)),
        (25.0, (Stage(1.0), Stage(10.0), Stage(30.0)), (State.RUNNING, 1, 10, 0)),
        (25.0, (Stage(25.0, cohorts=("beta",)), Stage(50.0)), (State.RUNNING, 0, 25, 0)),
        (5.0, (Stage(10.0), Stage(50.0)), (State.PAUSED, 0, 5, 0)),
    ],
)
def test_an_edited_plan_keeps_the_progress(
    percent: float, stages: tuple[Stage, ...], expected: tuple[object, ...]
) -> None:
    """In the equal stage with its hold, else in the last one not above the share; nobody is moved forward."""
    after = adopt(PLAN, planned(*stages), in_stage(percent), NOON)

    assert (after.state, after.stage, after.stage_percent, after.held_seconds) == expected


def test_a_share_stays_while_paused_whatever_is_edited() -> None:
    """The stage that it belongs to is entered at the resume."""
    after = adopt(PLAN, planned(Stage(1.0), Stage(10.0)), in_stage(25.0, state=State.PAUSED), NOON)

    assert (after.state, after.stage, after.stage_percent) == (State.PAUSED, 1, 25)


def test_an_approval_that_is_no_longer_asked_for_is_not_waited_for() -> None:
    """The hold is over already."""
    stages = (*STAGES[:2], Stage(25.0, HOUR), STAGES[3])

    assert adopt(PLAN, planned(*stages), standing(PLAN, State.WAITING), NOON).state is State.RUNNING
    assert adopt(PLAN, planned(*STAGES, watch_seconds=1.0), standing(PLAN, State.WAITING), NOON).state is State.WAITING


def test_a_completed_plan_that_became_longer_goes_on() -> None:
    """And one that is as long stays completed."""
    completed = standing(PLAN, State.COMPLETED)

    assert adopt(PLAN, planned(*STAGES, retries=5), completed, NOON).state is State.COMPLETED
    longer = planned(*STAGES, Stage(100.0, cohorts=("internal",)))
    assert adopt(PLAN, longer, completed, NOON).state is State.RUNNING


@pytest.mark.parametrize("stages", [(), (Stage(25.0),)])
@pytest.mark.parametrize("before", [PLAN, None])
def test_no_edit_undoes_a_rollback(before: Rollout | None, stages: tuple[Stage, ...]) -> None:
    """Neither to a fixed percentage nor to another plan, nor while no gateway ran."""
    after = planned(*stages, starts_by_itself=True) if stages else fixed(50.0)
    back = standing(PLAN, State.ROLLED_BACK)

    assert adopt(before, after, back, NOON).state is State.ROLLED_BACK
    assert share_of(after, adopt(before, after, back, NOON)) == 0


def test_from_a_percentage_to_stages_users_stay_where_they_are() -> None:
    """Where nobody was on the candidate the plan waits for its start, as a new one does."""
    stages = (Stage(5.0), Stage(50.0))

    assert adopt(fixed(20.0), planned(*stages), started(fixed(20.0)), NOON).stage_percent == 5
    assert adopt(fixed(2.0), planned(*stages), started(fixed(2.0)), NOON).state is State.PAUSED
    nobody = started(fixed(0.0))
    assert adopt(fixed(0.0), fixed(0.0, plan=planned(*stages).plan), nobody, NOON).state is State.PENDING


def test_from_stages_to_a_percentage_the_files_holds() -> None:
    """At once, but for a paused rollout: then at the resume."""
    assert adopt(PLAN, fixed(20.0), started(PLAN, 1), NOON).stage_percent == 20
    assert adopt(PLAN, fixed(20.0), standing(PLAN, State.PENDING), NOON).state is State.RUNNING
    paused = adopt(PLAN, fixed(20.0), standing(PLAN, State.PAUSED), NOON)
    assert (paused.state, paused.stage_percent) == (State.PAUSED, 5)


def test_a_percentage_that_was_edited_holds_at_once_or_when_it_may() -> None:
    """Not over an operator's, and not while paused."""
    running = started(fixed(5.0))
    overridden = act(fixed(5.0), running, Action.SET, percent=50.0)
    paused = act(fixed(5.0), running, Action.PAUSE)

    found = [share_of(fixed(9.0), adopt(fixed(5.0), fixed(9.0), each, NOON)) for each in (running, overridden, paused)]

    assert found == [9, 50, 5]


def test_a_pending_plan_that_may_start_by_itself_now_does() -> None:
    """That is what whoever edited it asked for."""
    assert adopt(PLAN, planned(starts_by_itself=True), standing(PLAN, State.PENDING), NOON).state is State.RUNNING
    assert adopt(PLAN, planned(watch_seconds=1.0), standing(PLAN, State.PENDING), NOON).state is State.PENDING


def test_retries_that_were_used_stay_used() -> None:
    """However many the file allows now."""
    used = msgspec.structs.replace(standing(PLAN, State.ROLLED_BACK), retries_used=1)

    for retries, left in ((5, 4), (0, 0)):
        plan = planned(retries=retries)
        assert lifecycle.retries_left(plan, adopt(PLAN, plan, used, NOON)) == left


def test_retries_that_were_written_while_no_gateway_ran_count() -> None:
    """Nobody knows then what the file said before; what it says now applies."""
    back = standing(planned(retries=0), State.ROLLED_BACK)
    edited = planned(retries=1)

    adopted = adopt(None, edited, back, NOON)

    assert pass_seconds(edited, adopted, 86_400.0).state is State.RUNNING


def test_the_last_stage_waits_for_nobody() -> None:
    """There is nothing to approve after it: it completes, also where a person was waited for by an older plan."""
    last = planned(Stage(5.0, HOUR, needs_approval=True))
    waiting = msgspec.structs.replace(started(last), state=State.WAITING)

    assert pass_seconds(last, started(last), HOUR, gates_ok=True).state is State.COMPLETED
    assert adopt(None, last, waiting, NOON).state is State.RUNNING


def test_whatever_changes_the_share_is_remembered_with_its_time() -> None:
    """A person, the plan, or the file; what leaves the share alone leaves the time, too."""
    running, later = started(fixed(5.0)), NOON + 60
    overridden = lifecycle.act(fixed(5.0), running, Action.SET, later, percent=50.0)[1]
    given_back = lifecycle.act(fixed(5.0), overridden, Action.UNSET, later + 1)[1]
    edits = {
        "share": adopt(fixed(5.0), fixed(9.0), running, later),
        "mode": adopt(msgspec.structs.replace(fixed(5.0), mode=Mode.SHADOW), fixed(5.0), running, later),
        "after a restart": adopt(None, fixed(9.0), running, later),
        "under an operator's": adopt(fixed(5.0), fixed(9.0), overridden, later + 2),
        "nothing": adopt(None, fixed(5.0), running, later),
    }

    assert (running.share_since, overridden.share_since, given_back.share_since) == (NOON, later, later + 1)
    assert {name: each.share_since for name, each in edits.items()} == {
        "share": later,
        "mode": later,
        "after a restart": later,
        "under an operator's": later,
        "nothing": NOON,
    }


# What it means for requests.


@pytest.mark.parametrize(
    ("progress", "percent", "cohorts", "held"),
    [
        (started(PLAN), 0, ["internal", "fragile"], None),
        (started(PLAN, 1), 5, ["internal", "fragile", "beta"], None),
        (standing(PLAN, State.PENDING), 0, ["internal", "fragile", "beta"], Held.PENDING),
        (standing(PLAN, State.ROLLED_BACK), 0, ["internal", "fragile", "beta"], Held.ROLLED_BACK),
        (act(PLAN, started(PLAN), Action.SET, percent=7.0), 7, ["internal", "fragile", "beta"], None),
        (act(PLAN, standing(PLAN, State.PENDING), Action.SET, percent=7.0), 7, ["internal", "fragile", "beta"], None),
    ],
)
def test_workers_get_the_share_and_the_cohorts_of_the_stage(
    progress: Progress, percent: float, cohorts: list[str], held: Held | None
) -> None:
    """Cohorts of the baseline always hold; an operator's percentage is for all of them."""
    found = effect(PLAN, progress)

    assert (found.percent, [each.name for each in found.cohorts], found.held) == (percent, cohorts, held)
    assert found.plan.stages == ()


def test_the_environment_has_the_last_word() -> None:
    """A cap bounds every share, and who is killed stays so."""
    progress = act(PLAN, started(PLAN), Action.SET, percent=50.0)

    assert effect(msgspec.structs.replace(PLAN, cap=10.0), progress).percent == 10
    killed = effect(msgspec.structs.replace(PLAN, killed=True), progress)
    assert (killed.killed, killed.percent) == (True, 0)
