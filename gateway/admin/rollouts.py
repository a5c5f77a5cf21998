"""Rollouts over the API: how they stand, and what an operator may do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import msgspec
from msgspec import Meta

from gateway.admin.answers import show_epoch
from gateway.admin.questions import Question, Reason, Version
from gateway.control.readings import list_values
from gateway.core.lifecycle import Action, State, is_held, is_hold_over, needs_approval, retries_left
from gateway.core.types import Mode
from gateway.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.admin.control import Call, Control
    from gateway.control.rules import RuleState
    from gateway.control.standing import RolloutState
    from gateway.core.plans import Stage


class StageView(msgspec.Struct, frozen=True):
    """Where in its plan a rollout is."""

    index: int
    """From 1."""
    of: int
    percent: float
    cohorts: list[str]
    since: str
    """RFC 3339, UTC."""
    hold_left_s: float
    waits_for: list[str]
    """What keeps it from the next one: `hold`, `approval`, or the ids of gates; or what makes it stand still: `resume`,
    `unset` (an operator's percentage), `mode: live`, `CROSSFADE_ROLLBACK`."""


class PlannedStage(msgspec.Struct, frozen=True):
    """One step of the plan."""

    percent: float
    cohorts: list[str]
    """Of those that send to the candidate only these; none: all."""
    hold_s: float
    approval: bool
    gates: list[str]


class ArmCounts(msgspec.Struct, frozen=True):
    """How many requests each arm had."""

    candidate: int
    baseline: int


class RuleView(msgspec.Struct, frozen=True):
    """A gate or a guard, and what it says now."""

    id: str
    kind: Literal["gate", "guard"]
    when: str
    do: str | None
    route: str | None
    path: str | None
    verdict: Literal["ok", "broken", "unknown"]
    reason: str
    value: float | None
    bound: float | None
    baseline: float | None
    requests: ArmCounts
    needs: int | None
    """How many more requests of the candidate it takes before it says anything."""


class RestingRule(msgspec.Struct, frozen=True):
    """A gate or a guard that nobody judges now."""

    kind: Literal["gate", "guard"]
    when: str
    do: str | None


class RolloutView(msgspec.Struct, frozen=True):
    """A rollout: by which share, and for whom, the candidate answers."""

    name: str
    mode: Literal["off", "shadow", "live"]
    state: Literal["pending", "running", "waiting", "paused", "rolled_back", "completed"]
    percent: Annotated[float, Meta(ge=0, le=100)]
    """The share in force now."""
    source: Literal["file", "plan", "operator", "switch"]
    """Who or what set it."""
    stage: StageView | None
    """Null for a fixed percentage, and while nobody has started the plan."""
    stages: list[PlannedStage]
    cooldown_until: str | None
    """Until when only `force` resumes it after a rollback."""
    retries_left: int | None
    """How often it may start again by itself; null for a fixed percentage."""
    routes: list[str]
    """Those that share it."""
    rules: list[RuleView]
    revision: str
    """Of the configuration in force."""
    to_shadow: bool = False
    """Rolled back, but requests go on to be copied to the candidate."""
    rules_at_rest: list[RestingRule] = []
    """Those of its stage, or the one that it would begin with, that are not judged as it stands: before the start and
    after a rollback none is, nor any in another mode than live; gates are not while it is paused or has an operator's
    percentage."""
    version: int = 0
    """Grows with each transition. An action that names it is done only while the rollout still stands like this."""
    has_shadow: bool = False
    """Whether a route of its has `shadow`: only such a one's requests can go on to be copied after a rollback."""
    has_journal: bool = False
    """Whether a route of its has `journal`: after a rollback writes that only the candidate took can be reconciled."""
    stored: bool = True
    """False while how it stands is in force on this gateway alone: the store, and others of its fleet, do not have it
    yet. After a rollback while the store can't be used; it is written as soon as that can."""
    read: bool = True
    """False for a gateway of a fleet that could not read the store since its start: it does not know how the rollout
    stands, has it as it remembers it, and gives the candidate nobody where it remembers nothing."""


class RolloutList(msgspec.Struct, frozen=True):
    """All rollouts, in the configuration's order."""

    items: list[RolloutView]
    next: None


class PercentWish(Question, frozen=True):
    """The share that an operator wants."""

    percent: Annotated[float, Meta(ge=0, le=100)]
    reason: Reason = ""
    """For the audit log."""
    version: Version = None
    """Only while the rollout is at it, else 409; null: at whichever it is."""


class UnsetWish(Question, frozen=True):
    """Why an operator gives the share back."""

    reason: Reason = ""
    """For the audit log."""
    version: Version = None
    """Only while the rollout is at it, else 409; null: at whichever it is."""


class ActionWish(Question, frozen=True):
    """Why an operator acts."""

    reason: Reason = ""
    """For the audit log."""
    force: bool = False
    """Resume: before the cooldown is over. Promote: without its hold and gates."""
    to: Literal["shadow"] | None = None
    """Rollback: `shadow` goes on to copy requests to the candidate; 409 where no route of the rollout has `shadow`."""
    version: Version = None
    """Only while the rollout is at it, else 409; null: at whichever it is. A rollback is never refused for it."""


async def list_rollouts(call: Call) -> RolloutList:
    """All rollouts."""
    control = call.control
    return RolloutList([view_rollout(state, control) for state in control.rollouts.states()], None)


async def show_rollout(call: Call) -> RolloutView:
    """One rollout."""
    call.control.expect_table()
    return view_rollout(call.control.rollouts.state(call.name), call.control)


async def set_percent(call: Call, wish: PercentWish) -> RolloutView:
    """Give a rollout an operator's percentage, for all cohorts. A plan stands still under it.

    It holds, over restarts and edits of the file, until it is taken back. 200 when it is in force in every worker,
    503 when it is set but a worker lags.
    """
    return await _act(call, Action.SET, ActionWish(wish.reason, version=wish.version), wish.percent)


async def unset_percent(call: Call, wish: UnsetWish) -> RolloutView:
    """Take an operator's percentage back: the file's, or the plan's, holds again."""
    return await _act(call, Action.UNSET, ActionWish(wish.reason, version=wish.version))


async def start(call: Call, wish: ActionWish) -> RolloutView:
    """Begin a plan with its first stage."""
    return await _act(call, Action.START, wish)


async def pause(call: Call, wish: ActionWish) -> RolloutView:
    """Stop a plan where it is: share and cohorts stay, the hold stands still, guards go on."""
    return await _act(call, Action.PAUSE, wish)


async def resume(call: Call, wish: ActionWish) -> RolloutView:
    """Go on after a pause; after a rollback, begin anew once its cooldown is over, or at once with `force`."""
    return await _act(call, Action.RESUME, wish)


async def promote(call: Call, wish: ActionWish) -> RolloutView:
    """Approve the next stage; with `force` without waiting for hold and gates."""
    return await _act(call, Action.PROMOTE, wish)


async def step_back(call: Call, wish: ActionWish) -> RolloutView:
    """Go back to the stage before, its hold anew; from the first stage or a fixed percentage, roll back."""
    return await _act(call, Action.STEP_BACK, wish)


async def roll_back(call: Call, wish: ActionWish) -> RolloutView:
    """Back to 0 %, and an operator's percentage dropped. In force at once, even while the store can't be written.

    It is never refused for its `version`: in an emergency nobody looks again.
    """
    return await _act(call, Action.ROLLBACK, wish)


async def _act(call: Call, action: Action, wish: ActionWish, percent: float | None = None) -> RolloutView:
    """Do it; answered when it is in force in every worker."""
    call.control.expect_table()
    state = await call.control.rollouts.act(
        call.name,
        action,
        reason=wish.reason,
        actor=call.operator,
        percent=percent,
        force=wish.force,
        to=wish.to,
        version=None if wish.version is None else int(wish.version),
    )
    await call.control.wait_until_applied()
    return view_rollout(state, call.control)


def view_rollout(state: RolloutState, control: Control) -> RolloutView:
    """A rollout in the API's shape."""
    progress, plan = state.progress, state.rollout.plan
    said = control.rules(state.name)
    return RolloutView(
        name=state.name,
        mode=state.rollout.mode.value,
        state=progress.state.value,
        percent=state.percent,
        source=state.source,
        stage=view_stage(state, said),
        stages=[_view_planned(stage) for stage in plan.stages],
        cooldown_until=find_cooldown(state),
        retries_left=retries_left(state.rollout, progress) if plan.stages else None,
        routes=list(state.routes),
        rules=[_view_rule(rule) for rule in said],
        revision=state.revision,
        to_shadow=progress.to_shadow,
        rules_at_rest=_list_resting(state, said),
        version=progress.version,
        has_journal=any(route.journal is not None for route in control.rollouts.routes(state.name)),
        has_shadow=any(route.shadow is not None for route in control.rollouts.routes(state.name)),
        stored=not control.rollouts.is_owed(state.name),
        read=control.has_read,
    )


def _list_resting(state: RolloutState, said: Sequence[RuleState]) -> list[RestingRule]:
    progress, plan = state.progress, state.rollout.plan
    stage = plan.stages[min(progress.stage, len(plan.stages) - 1)] if plan.stages else None
    gates = stage.gates if stage is not None and progress.state is not State.COMPLETED else ()
    guards = (*plan.guards, *(stage.guards if stage is not None else ()))
    resting = [RestingRule("gate", gate.text, None) for gate in gates]
    resting += [RestingRule("guard", guard.when.text, str(guard.do)) for guard in guards]
    judged = [RestingRule(rule.kind, rule.when, rule.do) for rule in said]
    return [rule for rule in resting if rule not in judged]


def view_stage(state: RolloutState, rules: Sequence[RuleState]) -> StageView | None:
    """Where in its plan a rollout is, by what its ``rules`` say; None where it is in no stage."""
    progress, stages = state.progress, state.rollout.plan.stages
    if not stages or is_held(progress) or progress.state is State.PENDING:
        return None
    index = min(progress.stage, len(stages) - 1)
    return StageView(
        index=index + 1,
        of=len(stages),
        percent=progress.stage_percent,
        cohorts=list(progress.stage_cohorts),
        since=show_epoch(progress.stage_since),
        hold_left_s=max(0.0, round(stages[index].hold_seconds - progress.held_seconds, 1)),
        waits_for=_list_waits(state, index, rules),
    )


def _list_waits(state: RolloutState, index: int, rules: Sequence[RuleState]) -> list[str]:
    """What keeps a plan from its next stage."""
    progress = state.progress
    if progress.state is State.COMPLETED:
        return []
    stops = _list_stops(state)
    if stops:
        return stops
    waits = [] if is_hold_over(state.rollout, progress) else ["hold"]
    waits += [rule.id for rule in rules if rule.kind == "gate" and rule.judgement.verdict is not Verdict.OK]
    return [*waits, "approval"] if needs_approval(state.rollout.plan, index) else waits


def _list_stops(state: RolloutState) -> list[str]:
    """What makes a plan stand still, whatever its hold and gates."""
    rollout, progress = state.rollout, state.progress
    stops = {
        "CROSSFADE_ROLLBACK": rollout.killed,
        "mode: live": rollout.mode is not Mode.LIVE,
        "unset": progress.percent is not None,
        "resume": progress.state is State.PAUSED,
    }
    return [name for name, is_so in stops.items() if is_so]


def _view_planned(stage: Stage) -> PlannedStage:
    gates = [gate.text for gate in stage.gates]
    return PlannedStage(stage.percent, list(stage.cohorts), stage.hold_seconds, stage.needs_approval, gates)


def _view_rule(rule: RuleState) -> RuleView:
    judgement, values = rule.judgement, list_values(rule.judgement)
    return RuleView(
        id=rule.id,
        kind=rule.kind,
        when=rule.when,
        do=rule.do,
        route=judgement.route,
        path=judgement.path,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        value=cast("float | None", values["value"]),
        bound=cast("float | None", values["bound"]),
        baseline=cast("float | None", values["baseline"]),
        requests=ArmCounts(judgement.candidate_requests, judgement.baseline_requests),
        needs=judgement.needs,
    )


def find_cooldown(state: RolloutState) -> str | None:
    """Until when a rollback cools down, in RFC 3339; None where nothing does."""
    progress = state.progress
    is_cooling = progress.state is State.ROLLED_BACK and progress.cooldown_left_seconds > 0
    return show_epoch(progress.saved_at + progress.cooldown_left_seconds) if is_cooling else None
