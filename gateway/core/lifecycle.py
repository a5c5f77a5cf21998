"""The life of a rollout: a state machine, as one table.

A rollout is in one of six states. A fixed percentage is ``running`` at once. A plan is ``pending`` until somebody
starts it, or not at all with ``start: auto``; then it is ``running`` through its stages, ``waiting`` wherever a person
must approve what comes next, ``paused`` where a person or a guard has stopped it, and ``completed`` after its last
stage. From anywhere it may be ``rolled_back``: nobody is answered by the candidate then, until it is resumed or, where
the plan says so, starts again by itself.

Three kinds of causes move it. All but the last go through `TABLE`:

- an operator's *action* (`act`), refused with `WrongAction` where the table has no row for it;
- a broken *guard* (`step`), which acts in every state in which the candidate answers anyone;
- the *plan* itself (`step`): the hold is over and all gates are ok, or the cooldown is over and a retry is left;
- an *edit* of the file (`adopt`), which keeps the progress as far as the new plan has a place for it.

An operator's percentage lies over all that: the share is what it says, for all cohorts, and the plan stands still until
it is unset. Guards go on.

Holds, cooldowns and the watch after completion count seconds that really passed, which come from outside: a clock that
is set while the gateway runs neither skips nor stretches them. A cooldown also counts the time in which no gateway ran,
by the time of day (`catch_up`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core.plans import Do, Guard, Plan, Stage
from gateway.core.types import Arm, Held, Mode, Rollout
from gateway.core.verdicts import Judgement, Verdict
from gateway.errors import WrongAction

SHADOW: Final = "shadow"
"""Where else a rollback may go: the candidate answers nobody, but goes on to be sent copies."""


class State(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    COMPLETED = "completed"


class Action(StrEnum):
    """What an operator may do."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    STEP_BACK = "step-back"
    ROLLBACK = "rollback"
    SET = "set"
    UNSET = "unset"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rollout is: all that is stored of it. Times of day are seconds since the epoch."""

    state: State
    stage: int = 0
    """The index of the stage, from 0; of a fixed percentage always 0."""
    percent: float | None = None
    """An operator's percentage; the plan stands still under it."""
    to_shadow: bool = False
    """Of a rollback: whether requests go on to be copied to the candidate."""
    stage_percent: float = 0.0
    """The share of the stage, or the fixed one, that is in force when no operator's is."""
    stage_cohorts: tuple[str, ...] = ()
    stage_since: float = 0.0
    """When the stage began; for display."""
    watched_since: float = 0.0
    """The last start, resume, step back or rollback: no window reaches behind it."""
    held_seconds: float = 0.0
    """How long the stage has been running and watched."""
    cooldown_left_seconds: float = 0.0
    retries_left: int = 0
    watch_left_seconds: float = 0.0
    """Of a completed rollout: how long guards go on to act."""
    stepped_back_from: tuple[int, ...] = ()
    """The stages that a guard has stepped back from; its second from one pauses."""
    saved_at: float = 0.0
    """When this was so; what passed since, while no gateway ran, counts for the cooldown."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step from a state to a state, and why."""

    kind: str
    """Of the event that tells it."""
    before: Progress
    after: Progress
    actor: Literal["operator", "rule", "plan", "file"]
    name: str
    """The rule, the stage, or who it was."""
    reason: str
    judgement: Judgement | None = None
    """What the rule said."""
    inputs: dict[str, object] = {}


class _Ask(NamedTuple):
    """What an effect is worked out from."""

    rollout: Rollout
    progress: Progress
    now: float
    percent: float | None = None
    force: bool = False
    to: str | None = None
    is_guard: bool = False


Effect = Callable[[_Ask], Progress]


class Row(NamedTuple):
    """From which states something is possible, what it leads to, and the kind of the event."""

    states: frozenset[State]
    effect: Effect
    kind: str


# What rows lead to.


def _change(progress: Progress, **changes: object) -> Progress:
    return msgspec.structs.replace(progress, **changes)


def _enter(rollout: Rollout, progress: Progress, now: float, index: int) -> Progress:
    """The stage at ``index``, with its hold anew."""
    stage = rollout.plan.stages[index]
    return _change(
        progress,
        state=State.RUNNING,
        stage=index,
        stage_percent=stage.percent,
        stage_cohorts=stage.cohorts,
        stage_since=now,
        held_seconds=0.0,
        cooldown_left_seconds=0.0,
        to_shadow=False,
    )


def _fix(rollout: Rollout, progress: Progress, now: float) -> Progress:
    """The file's fixed percentage."""
    return _change(
        progress,
        state=State.RUNNING,
        stage=0,
        stage_percent=rollout.percent,
        stage_cohorts=(),
        stage_since=now,
        held_seconds=0.0,
        cooldown_left_seconds=0.0,
        to_shadow=False,
    )


def _begin_anew(ask: _Ask) -> Progress:
    """The first stage, or the file's percentage; nothing before counts."""
    rollout, progress, now = ask.rollout, ask.progress, ask.now
    fresh = _enter(rollout, progress, now, 0) if rollout.plan.stages else _fix(rollout, progress, now)
    return _change(fresh, watched_since=now, stepped_back_from=())


def _start(ask: _Ask) -> Progress:
    if not ask.rollout.plan.stages:
        raise WrongAction(f"`{ask.rollout.name}` has no stages to start")
    return _begin_anew(ask)


def _retry(ask: _Ask) -> Progress:
    return _change(_begin_anew(ask), retries_left=ask.progress.retries_left - 1)


def _pause(ask: _Ask) -> Progress:
    return _change(ask.progress, state=State.PAUSED)


def _resume(ask: _Ask) -> Progress:
    """Go on, or, after a rollback, begin anew once the cooldown is over."""
    rollout, progress = ask.rollout, ask.progress
    if progress.state is State.PAUSED:
        going = _change(progress, state=State.RUNNING, watched_since=ask.now)
        return going if rollout.plan.stages else _change(going, stage_percent=rollout.percent)
    if progress.cooldown_left_seconds > 0 and not ask.force:
        left = round(progress.cooldown_left_seconds)
        raise WrongAction(f"`{rollout.name}` was rolled back and cools down for another {left} s; `force` skips that")
    return _begin_anew(ask)


def _promote(ask: _Ask) -> Progress:
    rollout, progress = ask.rollout, ask.progress
    if not rollout.plan.stages:
        raise WrongAction(f"`{rollout.name}` has a fixed percentage: there is no next stage")
    if progress.percent is not None:
        raise WrongAction(f"`{rollout.name}` has an operator's percentage, under which its plan stands still; unset it")
    if progress.state is not State.WAITING and not ask.force:
        raise WrongAction(f"`{rollout.name}` is {progress.state}: its hold and gates are not over; `force` skips them")
    return _go_on(ask)


def _go_on(ask: _Ask) -> Progress:
    """The next stage, or the end of the plan."""
    rollout, progress = ask.rollout, ask.progress
    following = progress.stage + 1
    if following < len(rollout.plan.stages):
        return _enter(rollout, progress, ask.now, following)
    return _change(progress, state=State.COMPLETED, watch_left_seconds=rollout.plan.watch_seconds)


def _approve(ask: _Ask) -> Progress:
    return _change(ask.progress, state=State.WAITING)


def _step_back(ask: _Ask) -> Progress:
    """The last stage before with a smaller share; without one, a rollback."""
    rollout, progress = ask.rollout, ask.progress
    share = progress.stage_percent if progress.percent is None else progress.percent
    stages = rollout.plan.stages
    lower = [index for index in range(min(progress.stage, len(stages))) if _is_before(stages[index], share, progress)]
    if not lower:
        return _roll_back(ask)
    back = _change(_enter(rollout, progress, ask.now, lower[-1]), percent=None, watched_since=ask.now)
    if not ask.is_guard:
        return back
    state = State.PAUSED if progress.stage in progress.stepped_back_from else State.RUNNING
    return _change(back, state=state, stepped_back_from=(*progress.stepped_back_from, progress.stage))


def _is_before(stage: Stage, share: float, progress: Progress) -> bool:
    """Whether a stage lets through less: a smaller share, or as small a one of other cohorts."""
    return stage.percent < share or (progress.percent is None and stage.percent == share)


def _roll_back(ask: _Ask) -> Progress:
    return _change(
        ask.progress,
        state=State.ROLLED_BACK,
        percent=None,
        to_shadow=ask.to == SHADOW,
        cooldown_left_seconds=ask.rollout.plan.cooldown_seconds,
        watched_since=ask.now,
        stage_since=ask.now,
        held_seconds=0.0,
    )


def _set(ask: _Ask) -> Progress:
    return _change(ask.progress, percent=ask.percent)


def _unset(ask: _Ask) -> Progress:
    rollout, progress = ask.rollout, ask.progress
    if progress.percent is None:
        raise WrongAction(f"`{rollout.name}` has no operator's percentage: the file's is in force already")
    plain = _change(progress, percent=None)
    return (
        plain if rollout.plan.stages or plain.state is State.PAUSED else _change(plain, stage_percent=rollout.percent)
    )


_ALL: Final = frozenset(State)
_NOT_ROLLED_BACK: Final = _ALL - {State.ROLLED_BACK}

TABLE: Final[dict[Action, Row]] = {
    Action.START: Row(frozenset({State.PENDING}), _start, "start"),
    Action.PAUSE: Row(frozenset({State.RUNNING, State.WAITING}), _pause, "pause"),
    Action.RESUME: Row(frozenset({State.PAUSED, State.ROLLED_BACK}), _resume, "resume"),
    Action.PROMOTE: Row(frozenset({State.WAITING, State.RUNNING, State.PAUSED}), _promote, "stage"),
    Action.STEP_BACK: Row(_NOT_ROLLED_BACK - {State.PENDING}, _step_back, "step_back"),
    Action.ROLLBACK: Row(_NOT_ROLLED_BACK, _roll_back, "rollback"),
    Action.SET: Row(_NOT_ROLLED_BACK, _set, "percent"),
    Action.UNSET: Row(_ALL, _unset, "unset"),
}
"""What operators may do. Guards take the rows of the same name; anything else is refused."""

BY_GUARD: Final = {
    Do.PAUSE: Action.PAUSE,
    Do.STEP_BACK: Action.STEP_BACK,
    Do.SHADOW: Action.ROLLBACK,
    Do.ROLLBACK: Action.ROLLBACK,
}
"""The mildest first."""

BY_PLAN: Final[dict[str, Row]] = {
    "approval": Row(frozenset({State.RUNNING}), _approve, "approval"),
    "stage": Row(frozenset({State.RUNNING}), _go_on, "stage"),
    "retry": Row(frozenset({State.ROLLED_BACK}), _retry, "retry"),
}
"""What a plan does by itself."""


def kind_of(row: Row, after: Progress) -> str:
    """The kind of the event: what a step back or the last promotion turned out to be."""
    if row.kind == "step_back" and after.state is State.ROLLED_BACK:
        return "rollback"
    return "complete" if row.kind == "stage" and after.state is State.COMPLETED else row.kind


# What moves it.


def begin(rollout: Rollout, now: float) -> Progress:
    """The progress of a rollout that nothing is known of yet."""
    plan = rollout.plan
    fresh = Progress(
        state=State.PENDING,
        stage_since=now,
        watched_since=now,
        retries_left=plan.retries,
        watch_left_seconds=plan.watch_seconds,
        saved_at=now,
    )
    is_begun = plan.starts_by_itself or not plan.stages
    return _begin_anew(_Ask(rollout, fresh, now)) if is_begun else fresh


def act(  # noqa: PLR0913 - the parts of one wish
    rollout: Rollout,
    progress: Progress,
    action: Action,
    now: float,
    *,
    percent: float | None = None,
    force: bool = False,
    to: str | None = None,
) -> tuple[str, Progress]:
    """What an operator's action leads to, with the kind of its event. Raises `WrongAction` with the reason."""
    row = TABLE[action]
    if progress.state not in row.states:
        raise WrongAction(f"`{rollout.name}` is {progress.state}: {action} is possible only {_say(row.states)}")
    after = row.effect(_Ask(rollout, progress, now, percent, force, to))
    return kind_of(row, after), after


def _say(states: frozenset[State]) -> str:
    return "when it is " + " or ".join(state for state in State if state in states)


def step(
    rollout: Rollout,
    progress: Progress,
    seconds: float,
    now: float,
    guards: Sequence[tuple[Guard, Judgement]],
    gates_ok: bool | None,
) -> tuple[Progress, Transition | None]:
    """Let ``seconds`` pass, then let the most severe broken guard act, else the plan.

    ``gates_ok`` is None where gates were not asked. Returns the progress after the time, and the transition from it.
    """
    passed = pass_time(rollout, progress, seconds, now)
    return passed, _find_guarded(rollout, passed, now, guards) or _find_planned(rollout, passed, now, gates_ok)


def pass_time(rollout: Rollout, progress: Progress, seconds: float, now: float) -> Progress:
    """The same, so many seconds later."""
    if progress.state is State.ROLLED_BACK and progress.cooldown_left_seconds > 0:
        left = max(0.0, progress.cooldown_left_seconds - seconds)
        return _change(progress, cooldown_left_seconds=left, saved_at=now)
    if not is_live(rollout) or progress.percent is not None or not rollout.plan.stages:
        return progress
    if progress.state is State.RUNNING:
        return _change(progress, held_seconds=progress.held_seconds + seconds, saved_at=now)
    if progress.state is State.COMPLETED and progress.watch_left_seconds > 0:
        return _change(progress, watch_left_seconds=max(0.0, progress.watch_left_seconds - seconds), saved_at=now)
    return progress


def catch_up(progress: Progress, now: float) -> Progress:
    """The progress after a time in which no gateway ran: only a cooldown goes on meanwhile."""
    gone = max(0.0, now - progress.saved_at)
    return _change(progress, cooldown_left_seconds=max(0.0, progress.cooldown_left_seconds - gone), saved_at=now)


def _find_guarded(
    rollout: Rollout, progress: Progress, now: float, guards: Sequence[tuple[Guard, Judgement]]
) -> Transition | None:
    if progress.state is State.COMPLETED and rollout.plan.stages and progress.watch_left_seconds <= 0:
        return None
    broken = [(guard, judgement) for guard, judgement in guards if judgement.verdict is Verdict.BROKEN]
    severity = list(Do).index
    for guard, judgement in sorted(broken, key=lambda each: -severity(each[0].do)):
        action = BY_GUARD.get(guard.do)
        if action is None or progress.state not in TABLE[action].states:
            continue
        row = TABLE[action]
        to = SHADOW if guard.do is Do.SHADOW else None
        after = row.effect(_Ask(rollout, progress, now, to=to, is_guard=True))
        reason = f"the guard {judgement.rule} is broken"
        return _tell(kind_of(row, after), progress, after, ("rule", judgement.rule, reason), judgement)
    return None


def _find_planned(rollout: Rollout, progress: Progress, now: float, gates_ok: bool | None) -> Transition | None:
    ask = _Ask(rollout, progress, now)
    if progress.state is State.ROLLED_BACK:
        is_due = progress.cooldown_left_seconds <= 0 and progress.retries_left > 0 and is_live(rollout)
        return _plan(BY_PLAN["retry"], ask, "the cooldown is over") if is_due else None
    if not gates_ok or progress.state is not State.RUNNING or not is_hold_over(rollout, progress):
        return None
    if rollout.plan.stages[progress.stage].needs_approval:
        return _plan(BY_PLAN["approval"], ask, "the hold is over and all gates are ok; a person must approve")
    return _plan(BY_PLAN["stage"], ask, "the hold is over and all gates are ok")


def _plan(row: Row, ask: _Ask, reason: str) -> Transition:
    after = row.effect(ask)
    return _tell(kind_of(row, after), ask.progress, after, ("plan", f"stage {after.stage + 1}", reason))


def _tell(
    kind: str,
    before: Progress,
    after: Progress,
    cause: tuple[Literal["rule", "plan"], str, str],
    judgement: Judgement | None = None,
) -> Transition:
    actor, name, reason = cause
    return Transition(kind=kind, before=before, after=after, actor=actor, name=name, reason=reason, judgement=judgement)


def is_live(rollout: Rollout) -> bool:
    """Whether the mode and the switches let the candidate answer anyone."""
    return rollout.mode is Mode.LIVE and not rollout.killed


def is_hold_over(rollout: Rollout, progress: Progress) -> bool:
    """Whether the stage has run for as long as it must; False where a plan stands still."""
    stages = rollout.plan.stages
    if not stages or progress.percent is not None or not is_live(rollout):
        return False
    return progress.held_seconds >= stages[min(progress.stage, len(stages) - 1)].hold_seconds


# The file.


def adopt(before: Rollout | None, after: Rollout, progress: Progress, now: float) -> Progress:
    """The progress under an edited rollout: as far as it was, and nobody is moved forward by it.

    ``before`` is None after a restart, when nobody knows any more what the file said.
    """
    if before is not None and before.plan.retries != after.plan.retries:
        used = before.plan.retries - progress.retries_left
        progress = _change(progress, retries_left=max(0, after.plan.retries - used))
    if progress.state is State.ROLLED_BACK or before == after:
        return progress
    if not after.plan.stages:
        return _adopt_fixed(before, after, progress, now)
    if progress.state is State.PENDING:
        return progress
    return _adopt_stage(after.plan, progress, now)


def _adopt_fixed(before: Rollout | None, after: Rollout, progress: Progress, now: float) -> Progress:
    """A fixed percentage; while paused the share stays what it was until somebody resumes."""
    if progress.state is State.PAUSED:
        return progress
    if (before is not None and before.plan.stages) or progress.state is not State.RUNNING:
        return _fix(after, progress, now)
    return _change(progress, stage_percent=after.percent, stage_cohorts=())


def _adopt_stage(plan: Plan, progress: Progress, now: float) -> Progress:
    """The stage of equal percentage and cohorts goes on, else the last not above the current share begins.

    Where even the first stage is above it, the share stays and a person has to say how to go on.
    """
    same = [index for index, stage in enumerate(plan.stages) if _is_same(stage, progress)]
    if same:
        index = min(same, key=lambda each: abs(each - progress.stage))
        is_completed = progress.state is State.COMPLETED and index < len(plan.stages) - 1
        return _change(progress, stage=index, state=State.RUNNING if is_completed else progress.state)
    below = [index for index, stage in enumerate(plan.stages) if stage.percent <= progress.stage_percent]
    if not below:
        return _change(progress, stage=0, state=State.PAUSED, held_seconds=0.0)
    stage = plan.stages[below[-1]]
    state = State.PAUSED if progress.state is State.PAUSED else State.RUNNING
    return _change(
        progress,
        state=state,
        stage=below[-1],
        stage_percent=stage.percent,
        stage_cohorts=stage.cohorts,
        stage_since=now,
        held_seconds=0.0,
    )


def _is_same(stage: Stage, progress: Progress) -> bool:
    return stage.percent == progress.stage_percent and stage.cohorts == progress.stage_cohorts


# What it means for requests.


def share_of(rollout: Rollout, progress: Progress) -> float:
    """The percentage in force, under the environment's cap; 0 where nobody is answered by the candidate."""
    if rollout.killed or is_held(progress):
        return 0.0
    wanted = progress.stage_percent if progress.percent is None else progress.percent
    return min(wanted, rollout.cap)


def is_held(progress: Progress) -> bool:
    """Whether the state keeps everybody from the candidate."""
    if progress.state is State.ROLLED_BACK:
        return True
    return progress.state is State.PENDING and progress.percent is None


def effect(rollout: Rollout, progress: Progress) -> Rollout:
    """The rollout as workers get it."""
    held = Held(str(progress.state)) if is_held(progress) else None
    named = progress.stage_cohorts if progress.percent is None else ()
    return msgspec.structs.replace(
        rollout,
        percent=share_of(rollout, progress),
        cohorts=tuple(
            cohort for cohort in rollout.cohorts if not named or cohort.arm is Arm.BASELINE or cohort.name in named
        ),
        held=held,
        plan=Plan(),
    )
