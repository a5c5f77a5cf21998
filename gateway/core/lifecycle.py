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

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.core import effects
from gateway.core.effects import Ask, Effect, begin_anew, change, fix, is_same
from gateway.core.plans import Do, Guard, Plan
from gateway.core.progress import SHADOW, Action, Progress, State, Transition, say_state
from gateway.core.types import Arm, Held, Mode, Rollout
from gateway.core.verdicts import Judgement, Verdict
from gateway.errors import WrongAction

__all__ = [
    "BY_GUARD",
    "BY_PLAN",
    "SHADOW",
    "TABLE",
    "Action",
    "Progress",
    "State",
    "Transition",
    "act",
    "adopt",
    "begin",
    "catch_up",
    "effect",
    "is_held",
    "is_hold_over",
    "is_live",
    "is_watch_over",
    "needs_approval",
    "retries_left",
    "share_of",
    "step",
]


_SEVERITIES: Final = list(Do)


class Row(NamedTuple):
    """From which states something is possible, what it leads to, and the kind of the event."""

    states: frozenset[State]
    effect: Effect
    kind: str


_ALL: Final = frozenset(State)
_NOT_ROLLED_BACK: Final = _ALL - {State.ROLLED_BACK}

TABLE: Final[dict[Action, Row]] = {
    Action.START: Row(frozenset({State.PENDING}), effects.start, "start"),
    Action.PAUSE: Row(frozenset({State.RUNNING, State.WAITING}), effects.pause, "pause"),
    Action.RESUME: Row(frozenset({State.PAUSED, State.ROLLED_BACK}), effects.resume, "resume"),
    Action.PROMOTE: Row(frozenset({State.WAITING, State.RUNNING, State.PAUSED}), effects.promote, "stage"),
    Action.STEP_BACK: Row(_NOT_ROLLED_BACK - {State.PENDING}, effects.step_back, "step_back"),
    Action.ROLLBACK: Row(_NOT_ROLLED_BACK, effects.roll_back, "rollback"),
    Action.SET: Row(_NOT_ROLLED_BACK, effects.set_percent, "percent"),
    Action.UNSET: Row(_ALL, effects.unset_percent, "unset"),
}
"""What operators may do; anything else is refused."""

BY_GUARD: Final[dict[Do, Row]] = {
    Do.PAUSE: TABLE[Action.PAUSE],
    # A plan that nobody has started may have users all the same: an operator's percentage gives it some.
    Do.STEP_BACK: TABLE[Action.STEP_BACK]._replace(states=_NOT_ROLLED_BACK),
    Do.SHADOW: TABLE[Action.ROLLBACK],
    Do.ROLLBACK: TABLE[Action.ROLLBACK],
}
"""What broken guards do; notifying moves nothing."""

BY_PLAN: Final[dict[str, Row]] = {
    "approval": Row(frozenset({State.RUNNING}), effects.approve, "approval"),
    "stage": Row(frozenset({State.RUNNING}), effects.advance, "stage"),
    "retry": Row(frozenset({State.ROLLED_BACK}), effects.retry, "retry"),
}
"""What a plan does by itself."""


def _take(row: Row, ask: Ask) -> tuple[str, Progress]:
    """Where a row leads, with the kind of the event that tells it."""
    after = change(row.effect(ask), version=ask.progress.version + 1, saved_at=ask.now)
    return _kind_of(row, after), after


def _kind_of(row: Row, after: Progress) -> str:
    """What a step back or the last promotion turned out to be."""
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
        watch_left_seconds=plan.watch_seconds,
        saved_at=now,
    )
    is_begun = plan.starts_by_itself or not plan.stages
    return begin_anew(Ask(rollout, fresh, now)) if is_begun else fresh


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
    if action is Action.ROLLBACK and progress.state is State.ROLLED_BACK:
        raise WrongAction(f"`{rollout.name}` is rolled back already")
    if progress.state not in row.states:
        state = say_state(progress.state)
        raise WrongAction(f"`{rollout.name}` is {state}: {action} is possible only {_say(row.states)}")
    return _take(row, Ask(rollout, progress, now, percent, force, to))


def _say(states: frozenset[State]) -> str:
    *others, last = [say_state(state) for state in State if state in states]
    return "when it is " + (f"{', '.join(others)} or {last}" if others else last)


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
        return change(progress, cooldown_left_seconds=left, saved_at=now)
    if not is_live(rollout) or progress.percent is not None or not rollout.plan.stages:
        return progress
    if progress.state is State.RUNNING:
        return change(progress, held_seconds=progress.held_seconds + seconds, saved_at=now)
    if progress.state is State.COMPLETED and progress.watch_left_seconds > 0:
        return change(progress, watch_left_seconds=max(0.0, progress.watch_left_seconds - seconds), saved_at=now)
    return progress


def catch_up(progress: Progress, now: float) -> Progress:
    """The progress after a time in which no gateway ran: only a cooldown goes on meanwhile."""
    gone = max(0.0, now - progress.saved_at)
    return change(progress, cooldown_left_seconds=max(0.0, progress.cooldown_left_seconds - gone), saved_at=now)


def _find_guarded(
    rollout: Rollout, progress: Progress, now: float, guards: Sequence[tuple[Guard, Judgement]]
) -> Transition | None:
    if is_watch_over(progress):
        return None
    broken = [(guard, judgement) for guard, judgement in guards if judgement.verdict is Verdict.BROKEN]
    for guard, judgement in sorted(broken, key=lambda each: _SEVERITIES.index(each[0].do), reverse=True):
        row = BY_GUARD.get(guard.do)
        if row is None or progress.state not in row.states:
            continue
        to = SHADOW if guard.do is Do.SHADOW else None
        kind, after = _take(row, Ask(rollout, progress, now, to=to, is_guard=True))
        return _tell(kind, progress, after, ("rule", judgement.rule, f"{judgement.rule} was broken"), judgement)
    return None


def _find_planned(rollout: Rollout, progress: Progress, now: float, gates_ok: bool | None) -> Transition | None:
    ask = Ask(rollout, progress, now)
    if progress.state is State.ROLLED_BACK:
        is_due = progress.cooldown_left_seconds <= 0 and retries_left(rollout, progress) > 0 and is_live(rollout)
        return _plan(BY_PLAN["retry"], ask, "the cooldown is over") if is_due else None
    if not gates_ok or progress.state is not State.RUNNING or not is_hold_over(rollout, progress):
        return None
    if needs_approval(rollout.plan, progress.stage):
        return _plan(BY_PLAN["approval"], ask, "the hold is over and all gates are ok; a person must approve")
    return _plan(BY_PLAN["stage"], ask, "the hold is over and all gates are ok")


def _plan(row: Row, ask: Ask, reason: str) -> Transition:
    kind, after = _take(row, ask)
    return _tell(kind, ask.progress, after, ("plan", f"stage {ask.progress.stage + 1}", reason))


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


def needs_approval(plan: Plan, index: int) -> bool:
    """Whether a person must approve what comes after the stage at ``index``; nothing comes after the last."""
    return index + 1 < len(plan.stages) and plan.stages[index].needs_approval


def retries_left(rollout: Rollout, progress: Progress) -> int:
    """How often it may still start again by itself, as the file has it now."""
    return max(0, rollout.plan.retries - progress.retries_used)


def is_watch_over(progress: Progress) -> bool:
    """Whether guards have become mere notices: the plan was completed so long ago that nobody doubts it."""
    return progress.state is State.COMPLETED and progress.percent is None and progress.watch_left_seconds <= 0


# The file.


def adopt(before: Rollout | None, after: Rollout, progress: Progress, now: float) -> Progress:
    """The progress under an edited rollout: as far as it was, and nobody is moved forward by it.

    ``before`` is None after a restart, when nobody knows any more what the file said.
    """
    if progress.state is State.ROLLED_BACK or before == after:
        return progress
    adopted = _adopt(before, after, progress, now)
    former = before or after
    is_same_share = share_of(former, progress) == share_of(after, adopted) and former.mode is after.mode
    return adopted if is_same_share else change(adopted, share_since=now)


def _adopt(before: Rollout | None, after: Rollout, progress: Progress, now: float) -> Progress:
    if not after.plan.stages:
        return _adopt_fixed(before, after, progress, now)
    if progress.state is State.PENDING:
        return begin_anew(Ask(after, progress, now)) if after.plan.starts_by_itself else progress
    return _adopt_stage(after, progress, now)


def _adopt_fixed(before: Rollout | None, after: Rollout, progress: Progress, now: float) -> Progress:
    """A fixed percentage; while paused the share stays what it was until somebody resumes."""
    if progress.state is State.PAUSED:
        return progress
    if (before is not None and before.plan.stages) or progress.state is not State.RUNNING:
        return fix(after, progress, now)
    return change(progress, stage=0, stage_percent=after.percent, stage_cohorts=())


def _adopt_stage(rollout: Rollout, progress: Progress, now: float) -> Progress:
    """The stage of equal percentage and cohorts goes on, else the last not above the current share begins.

    Where even the first stage is above it, the share stays and a person has to say how to go on.
    """
    stages = rollout.plan.stages
    same = [index for index, stage in enumerate(stages) if is_same(stage, progress)]
    if same:
        return _continue(rollout.plan, progress, min(same, key=lambda each: abs(each - progress.stage)))
    if _reaches_nobody(rollout, progress):
        return change(
            begin(rollout, now), version=progress.version, rollbacks=progress.rollbacks, percent=progress.percent
        )
    below = [index for index, stage in enumerate(stages) if stage.percent <= progress.stage_percent]
    if progress.state is State.PAUSED or not below:
        return change(progress, state=State.PAUSED, stage=below[-1] if below else 0, held_seconds=0.0)
    return effects.enter(rollout, progress, now, below[-1])


def _continue(plan: Plan, progress: Progress, index: int) -> Progress:
    """In the same stage, which may have become another one of its plan."""
    is_completed = progress.state is State.COMPLETED and index < len(plan.stages) - 1
    is_approved = progress.state is State.WAITING and not needs_approval(plan, index)
    return change(progress, stage=index, state=State.RUNNING if is_completed or is_approved else progress.state)


def _reaches_nobody(rollout: Rollout, progress: Progress) -> bool:
    """Whether a fixed percentage of 0 has kept everybody on the baseline: its plan may begin as any other's."""
    is_fixed = progress.state is State.RUNNING and progress.stage_percent == 0 and not progress.stage_cohorts
    return is_fixed and all(cohort.arm is Arm.BASELINE for cohort in rollout.cohorts)


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
        copies=may_copy(rollout, progress),
        plan=Plan(),
    )


def may_copy(rollout: Rollout, progress: Progress) -> bool:
    """Whether requests may be copied: not where it is off, and after a rollback only if that was asked for."""
    if rollout.mode is Mode.OFF or rollout.killed:
        return False
    return progress.state is not State.ROLLED_BACK or progress.to_shadow
