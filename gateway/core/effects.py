"""Where each move of a rollout leads: the effects in the table of `gateway.core.lifecycle`.

Each takes what is asked and answers with the progress after it, or raises `WrongAction` with what is missing. Whether
the state allows the move at all has been looked up in the table by then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import msgspec

from gateway.core.plans import Stage
from gateway.core.progress import SHADOW, Progress, State
from gateway.core.types import Rollout
from gateway.errors import WrongAction


class Ask(NamedTuple):
    """What an effect is worked out from."""

    rollout: Rollout
    progress: Progress
    now: float
    """Seconds since the epoch."""
    percent: float | None = None
    force: bool = False
    to: str | None = None
    is_guard: bool = False


Effect = Callable[[Ask], Progress]
"""Where a move leads."""


def change(progress: Progress, **changes: object) -> Progress:
    """The same but for ``changes``."""
    return msgspec.structs.replace(progress, **changes)


def enter(rollout: Rollout, progress: Progress, now: float, index: int) -> Progress:
    """The stage at ``index``, with its hold anew."""
    stage = rollout.plan.stages[index]
    return change(
        progress,
        state=State.RUNNING,
        stage=index,
        stage_percent=stage.percent,
        stage_cohorts=stage.cohorts,
        stage_since=now,
        share_since=now,
        held_seconds=0.0,
        cooldown_left_seconds=0.0,
        to_shadow=False,
    )


def fix(rollout: Rollout, progress: Progress, now: float) -> Progress:
    """The file's fixed percentage."""
    return change(
        progress,
        state=State.RUNNING,
        stage=0,
        stage_percent=rollout.percent,
        stage_cohorts=(),
        stage_since=now,
        share_since=now,
        held_seconds=0.0,
        cooldown_left_seconds=0.0,
        to_shadow=False,
    )


def place_of(rollout: Rollout, progress: Progress) -> int:
    """The index of its stage; where the file of this gateway has fewer than that of the one that leads, of the last."""
    return min(progress.stage, len(rollout.plan.stages) - 1)


def begin_anew(ask: Ask) -> Progress:
    """The first stage, or the file's percentage; nothing before counts."""
    rollout, progress, now = ask.rollout, ask.progress, ask.now
    fresh = enter(rollout, progress, now, 0) if rollout.plan.stages else fix(rollout, progress, now)
    return change(fresh, watched_since=now, stepped_back_from=())


def start(ask: Ask) -> Progress:
    """The first stage."""
    if not ask.rollout.plan.stages:
        raise WrongAction(f"`{ask.rollout.name}` has no stages to start")
    return begin_anew(ask)


def retry(ask: Ask) -> Progress:
    """As a start, of which the plan allows only so many."""
    return change(begin_anew(ask), retries_used=ask.progress.retries_used + 1)


def pause(ask: Ask) -> Progress:
    """Share and cohorts stay."""
    return change(ask.progress, state=State.PAUSED)


def resume(ask: Ask) -> Progress:
    """Go on, or, after a rollback, begin anew once the cooldown is over."""
    rollout, progress = ask.rollout, ask.progress
    if progress.state is State.PAUSED:
        return _go_on(ask)
    if progress.cooldown_left_seconds > 0 and not ask.force:
        left = timedelta(seconds=round(progress.cooldown_left_seconds))
        raise WrongAction(
            f"`{rollout.name}` was rolled back and cools down for another {left}; with `--force` it starts at once"
        )
    return begin_anew(ask)


def _go_on(ask: Ask) -> Progress:
    """After a pause: what was edited meanwhile applies now."""
    rollout, progress = ask.rollout, ask.progress
    if not rollout.plan.stages:
        going = fix(rollout, progress, ask.now)
    elif is_same(rollout.plan.stages[place_of(rollout, progress)], progress):
        going = change(progress, state=State.RUNNING)
    else:
        going = enter(rollout, progress, ask.now, place_of(rollout, progress))
    return change(going, watched_since=ask.now)


def promote(ask: Ask) -> Progress:
    """The next stage, for a person who approves it, or does not wait for hold and gates."""
    rollout, progress = ask.rollout, ask.progress
    if not rollout.plan.stages:
        raise WrongAction(f"`{rollout.name}` has a fixed percentage: there is no next stage")
    if progress.percent is not None:
        raise WrongAction(f"`{rollout.name}` has an operator's percentage, under which its plan stands still; unset it")
    if progress.state is not State.WAITING and not ask.force:
        raise WrongAction(
            f"`{rollout.name}` is {progress.state}: its hold and gates are not over; with `--force` they are skipped"
        )
    return advance(ask)


def advance(ask: Ask) -> Progress:
    """The next stage, or the end of the plan."""
    rollout, progress, stages = ask.rollout, ask.progress, ask.rollout.plan.stages
    place = place_of(rollout, progress)
    if stages[place].percent > progress.stage_percent:
        return enter(rollout, progress, ask.now, place)  # an edit has put even the first above the share
    if place + 1 < len(stages):
        return enter(rollout, progress, ask.now, place + 1)
    ended = progress if is_same(stages[-1], progress) else enter(rollout, progress, ask.now, place)
    return change(ended, state=State.COMPLETED, watch_left_seconds=rollout.plan.watch_seconds)


def approve(ask: Ask) -> Progress:
    """A person must, before the next stage."""
    return change(ask.progress, state=State.WAITING)


def step_back(ask: Ask) -> Progress:
    """The last stage before with a smaller share; without one, a rollback.

    A guard's second from one stage pauses, and it lets nothing run that a person has paused.
    """
    progress = ask.progress
    lower = find_lower(ask)
    if lower is None:
        return roll_back(ask)
    back = change(enter(ask.rollout, progress, ask.now, lower), percent=None, watched_since=ask.now)
    if not ask.is_guard:
        return back
    is_paused = progress.state is State.PAUSED or progress.stage in progress.stepped_back_from
    state = State.PAUSED if is_paused else State.RUNNING
    return change(back, state=state, stepped_back_from=(*progress.stepped_back_from, progress.stage))


def find_lower(ask: Ask) -> int | None:
    """The last stage before this one that lets through less: a smaller share, or as small a one of other cohorts."""
    rollout, progress = ask.rollout, ask.progress
    for index in reversed(range(min(progress.stage, len(rollout.plan.stages)))):
        percent = rollout.plan.stages[index].percent
        if progress.percent is None or percent < progress.percent:
            return index
    return None


def roll_back(ask: Ask) -> Progress:
    """Nobody is answered by the candidate; it may still be sent copies."""
    return change(
        ask.progress,
        state=State.ROLLED_BACK,
        rollbacks=ask.progress.rollbacks + 1,
        percent=None,
        to_shadow=ask.to == SHADOW,
        cooldown_left_seconds=ask.rollout.plan.cooldown_seconds,
        watched_since=ask.now,
        stage_since=ask.now,
        held_seconds=0.0,
    )


def set_percent(ask: Ask) -> Progress:
    """An operator's percentage."""
    return change(ask.progress, percent=ask.percent, share_since=ask.now)


def unset_percent(ask: Ask) -> Progress:
    """The file's or the plan's again; of a paused rollout what was in force before, until it is resumed."""
    rollout, progress = ask.rollout, ask.progress
    if progress.percent is None:
        raise WrongAction(f"`{rollout.name}` has no operator's percentage that could be taken back")
    is_fixed = not rollout.plan.stages and progress.state is not State.PAUSED
    percent = rollout.percent if is_fixed else progress.stage_percent
    return change(progress, percent=None, stage_percent=percent, share_since=ask.now)


def is_same(stage: Stage, progress: Progress) -> bool:
    """Whether a stage is the one that the progress is in, though the plan was edited."""
    return stage.percent == progress.stage_percent and stage.cohorts == progress.stage_cohorts
