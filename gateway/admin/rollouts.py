"""Rollouts over the API: how they stand, and the percentage that an operator gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.admin.questions import Question, Reason

if TYPE_CHECKING:
    from gateway.admin.control import Call
    from gateway.control.rollouts import RolloutState


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


class RolloutView(msgspec.Struct, frozen=True):
    """A rollout: by which share, and for whom, the candidate answers."""

    name: str
    mode: Literal["off", "shadow", "live"]
    state: Literal["pending", "running", "waiting", "paused", "rolled_back", "completed"]
    """A fixed percentage is always running."""
    percent: Annotated[float, Meta(ge=0, le=100)]
    """The share in force now."""
    source: Literal["file", "plan", "operator", "switch"]
    """Who or what set it."""
    stage: StageView | None
    """Null for a fixed percentage, as are `cooldown_until` and `retries_left`."""
    stages: list[object]
    cooldown_until: str | None
    retries_left: int | None
    routes: list[str]
    """Those that share it."""
    rules: list[RuleView]
    revision: str
    """Of the configuration in force."""


class RolloutList(msgspec.Struct, frozen=True):
    """All rollouts, in the configuration's order."""

    items: list[RolloutView]
    next: None


class PercentWish(Question, frozen=True):
    """The share that an operator wants."""

    percent: Annotated[float, Meta(ge=0, le=100)]
    reason: Reason = ""
    """For the audit log."""


class UnsetWish(Question, frozen=True):
    """Why an operator gives the share back."""

    reason: Reason = ""
    """For the audit log."""


async def list_rollouts(call: Call) -> RolloutList:
    """All rollouts."""
    return RolloutList([view_rollout(state) for state in call.control.rollouts.states()], None)


async def show_rollout(call: Call) -> RolloutView:
    """One rollout."""
    return view_rollout(call.control.rollouts.state(call.name))


async def set_percent(call: Call, wish: PercentWish) -> RolloutView:
    """Give a rollout an operator's percentage.

    It holds, over restarts and edits of the file, until it is taken back. 200 when it is in force in every worker,
    503 when it is set but a worker lags.
    """
    state = await call.control.rollouts.set_percent(call.name, wish.percent, wish.reason, call.operator)
    await call.control.wait_until_applied()
    return view_rollout(state)


async def unset_percent(call: Call, wish: UnsetWish) -> RolloutView:
    """Take an operator's percentage back: the file's holds again."""
    state = await call.control.rollouts.unset_percent(call.name, wish.reason, call.operator)
    await call.control.wait_until_applied()
    return view_rollout(state)


def view_rollout(state: RolloutState) -> RolloutView:
    """A rollout in the API's shape."""
    return RolloutView(
        name=state.name,
        mode=state.mode,
        state=state.state,
        percent=state.percent,
        source=state.source,
        stage=None,
        stages=[],
        cooldown_until=None,
        retries_left=None,
        routes=list(state.routes),
        rules=[],
        revision=state.revision,
    )
