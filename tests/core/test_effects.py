"""Where each move of a rollout leads."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.effects import Ask, find_lower, place_of
from gateway.core.plans import Do, Stage
from gateway.core.progress import Action, Progress, State
from gateway.core.types import Rollout
from gateway.errors import WrongAction
from tests.core.lives import NOON, act, after_hit, fixed, planned, standing, started

PLAN = planned(cooldown_seconds=600.0)


def test_a_start_enters_the_first_stage() -> None:
    """With its share and its cohorts."""
    progress = act(PLAN, standing(PLAN, State.PENDING), Action.START)

    assert (progress.state, progress.stage, progress.stage_cohorts) == (State.RUNNING, 0, ("internal",))


def test_a_fixed_percentage_has_nothing_to_start_and_nowhere_to_be_promoted() -> None:
    """It says so."""
    pending = msgspec.structs.replace(started(fixed()), state=State.PENDING)

    with pytest.raises(WrongAction, match="no stages to start"):
        act(fixed(), pending, Action.START)
    with pytest.raises(WrongAction, match="there is no next stage"):
        act(fixed(), started(fixed()), Action.PROMOTE, force=True)


def test_a_pause_keeps_share_and_hold() -> None:
    """And a resume goes on with them."""
    running = msgspec.structs.replace(started(PLAN, 1), held_seconds=40.0)

    paused = act(PLAN, running, Action.PAUSE)
    resumed = act(PLAN, paused, Action.RESUME)

    assert [each.held_seconds for each in (paused, resumed)] == [40, 40]
    assert [each.stage_percent for each in (paused, resumed)] == [5, 5]
    assert resumed.state is State.RUNNING


def test_a_resume_before_the_cooldown_says_how_long_it_takes() -> None:
    """Who is in a hurry uses force; the plan begins with its first stage."""
    back = standing(PLAN, State.ROLLED_BACK)

    with pytest.raises(WrongAction, match="another 0:10:00; with `--force` it starts at once"):
        act(PLAN, back, Action.RESUME)

    again = act(PLAN, back, Action.RESUME, force=True)
    assert (again.state, again.stage, again.cooldown_left_seconds) == (State.RUNNING, 0, 0)
    cooled = msgspec.structs.replace(back, cooldown_left_seconds=0.0)
    assert act(PLAN, cooled, Action.RESUME).stage == 0


def test_a_fixed_percentage_resumes_as_the_file_has_it() -> None:
    """Also where it was edited while paused."""
    paused = act(fixed(5.0), started(fixed(5.0)), Action.PAUSE)

    assert act(fixed(30.0), paused, Action.RESUME).stage_percent == 30
    back = act(fixed(5.0), paused, Action.ROLLBACK)
    assert act(fixed(30.0), back, Action.RESUME, force=True).stage_percent == 30


def test_an_approval_promotes_and_haste_takes_force() -> None:
    """Out of a stage whose hold and gates are over nothing else is asked for."""
    assert act(PLAN, standing(PLAN, State.WAITING), Action.PROMOTE).stage == 3
    with pytest.raises(WrongAction, match="with `--force` they are skipped"):
        act(PLAN, started(PLAN), Action.PROMOTE)
    assert act(PLAN, started(PLAN), Action.PROMOTE, force=True).stage == 1
    assert act(PLAN, standing(PLAN, State.PAUSED), Action.PROMOTE, force=True).stage == 2


def test_under_an_operators_percentage_nothing_is_promoted() -> None:
    """The plan stands still."""
    overridden = act(PLAN, started(PLAN), Action.SET, percent=50.0)

    with pytest.raises(WrongAction, match="unset it"):
        act(PLAN, overridden, Action.PROMOTE, force=True)


def test_behind_the_last_stage_a_plan_is_completed() -> None:
    """Everybody stays where they are; guards act for so long still."""
    completed = act(planned(watch_seconds=7.0), started(planned(), 3), Action.PROMOTE, force=True)

    assert (completed.state, completed.stage_percent, completed.watch_left_seconds) == (State.COMPLETED, 100, 7)


def test_a_share_that_an_edit_left_below_the_first_stage_is_promoted_to_it() -> None:
    """And one that it left above the last comes down to it at the end."""
    paused = msgspec.structs.replace(started(planned(Stage(2.0))), state=State.PAUSED)
    above, below = planned(Stage(5.0), Stage(50.0)), planned(Stage(1.0))

    first = act(above, paused, Action.PROMOTE, force=True)
    ended = act(below, paused, Action.PROMOTE, force=True)

    assert (first.stage, first.stage_percent) == (0, 5)
    assert (ended.state, ended.stage_percent) == (State.COMPLETED, 1)


def test_a_step_back_enters_the_stage_before_anew() -> None:
    """Its hold counts from nothing, and no window reaches behind it."""
    there = msgspec.structs.replace(started(PLAN, 2), held_seconds=50.0, watched_since=0.0)

    back = act(PLAN, there, Action.STEP_BACK)

    assert (back.stage, back.stage_percent, back.held_seconds, back.watched_since) == (1, 5, 0, NOON)


@pytest.mark.parametrize(("of", "progress"), [(PLAN, started(PLAN)), (fixed(), started(fixed()))])
def test_a_step_back_from_the_first_stage_is_a_rollback(of: Rollout, progress: Progress) -> None:
    """There is nowhere else to go; a fixed percentage has no stage at all."""
    assert act(of, progress, Action.STEP_BACK).state is State.ROLLED_BACK


@pytest.mark.parametrize(("percent", "lower"), [(None, 2), (100.0, 2), (25.0, 1), (6.0, 1), (5.0, 0), (0.0, None)])
def test_a_step_back_lets_through_less_than_an_operator_did(percent: float | None, lower: int | None) -> None:
    """Else a guard would step "back" to more users than it found suffering."""
    progress = msgspec.structs.replace(started(PLAN, 3), percent=percent)

    assert find_lower(Ask(PLAN, progress, NOON)) == lower


def test_a_guards_second_step_back_from_one_stage_pauses() -> None:
    """A plan does not go to and fro for ever."""
    there = started(PLAN, 2)
    first = after_hit(PLAN, there, Do.STEP_BACK)
    assert (first.state, first.stage) == (State.RUNNING, 1)

    again = act(PLAN, first, Action.PROMOTE, force=True)
    second = after_hit(PLAN, again, Do.STEP_BACK)

    assert (second.state, second.stage) == (State.PAUSED, 1)


def test_a_guard_sets_nothing_going_that_was_paused() -> None:
    """It steps back, and a person still has to say how to go on."""
    paused = act(PLAN, started(PLAN, 2), Action.PAUSE)

    back = after_hit(PLAN, paused, Do.STEP_BACK)

    assert (back.state, back.stage) == (State.PAUSED, 1)


def test_a_rollback_drops_what_an_operator_set() -> None:
    """Else it would be in force again when the cooldown is over."""
    back = act(PLAN, act(PLAN, started(PLAN), Action.SET, percent=50.0), Action.ROLLBACK)

    assert (back.percent, back.cooldown_left_seconds, back.to_shadow) == (None, 600, False)
    assert act(PLAN, started(PLAN), Action.ROLLBACK, to="shadow").to_shadow


def test_an_operators_percentage_leaves_the_plan_where_it_is() -> None:
    """Unset, it goes on with the hold that it had."""
    there = msgspec.structs.replace(started(PLAN, 2), held_seconds=50.0)

    overridden = act(PLAN, there, Action.SET, percent=50.0)
    given_back = act(PLAN, overridden, Action.UNSET)

    assert overridden.percent == 50
    assert given_back == msgspec.structs.replace(there, version=there.version + 2, saved_at=given_back.saved_at)
    with pytest.raises(WrongAction, match="no operator's percentage"):
        act(PLAN, given_back, Action.UNSET)


def test_what_the_file_says_meanwhile_holds_after_an_unset() -> None:
    """But a paused rollout keeps its share until somebody resumes it."""
    overridden = act(fixed(5.0), started(fixed(5.0)), Action.SET, percent=50.0)
    paused = act(fixed(5.0), overridden, Action.PAUSE)

    assert act(fixed(30.0), overridden, Action.UNSET).stage_percent == 30
    assert act(fixed(30.0), paused, Action.UNSET).stage_percent == 5


def test_a_stage_that_was_edited_while_paused_is_entered_at_the_resume() -> None:
    """Until then the share stays."""
    paused = act(PLAN, started(PLAN, 1), Action.PAUSE)
    edited = planned(Stage(3.0), Stage(50.0))

    resumed = act(edited, msgspec.structs.replace(paused, stage=0), Action.RESUME)

    assert (paused.stage_percent, resumed.stage_percent, resumed.held_seconds) == (5, 3, 0)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_of_a_file_with_fewer_stages_than_the_leaders_the_last_counts(stages: int) -> None:
    """While files are replaced one by one, a gateway meets a stage that its own has not, or no more."""
    there, shorter = started(PLAN, 3), planned(*PLAN.plan.stages[:stages])
    paused = act(PLAN, there, Action.PAUSE)
    assert place_of(shorter, there) == stages - 1

    resumed = act(shorter, paused, Action.RESUME)
    ended = act(shorter, there, Action.PROMOTE, force=True)

    last = shorter.plan.stages[-1].percent
    assert (resumed.state, resumed.stage, resumed.stage_percent) == (State.RUNNING, stages - 1, last)
    assert (ended.state, ended.stage_percent) == (State.COMPLETED, last)


def test_every_rollback_is_counted_for_ever() -> None:
    """By whoever it was; a resume, and what comes after, takes none away."""
    operators = act(PLAN, started(PLAN, 1), Action.ROLLBACK)
    again = act(PLAN, operators, Action.RESUME, force=True)
    guards = after_hit(PLAN, again, Do.ROLLBACK)
    stepped = after_hit(PLAN, act(PLAN, guards, Action.RESUME, force=True), Do.STEP_BACK)

    assert [each.rollbacks for each in (operators, again, guards, stepped)] == [1, 1, 2, 3]
