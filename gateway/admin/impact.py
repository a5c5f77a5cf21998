"""What an action would do to the users, before anybody does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.admin.questions import Question
from gateway.control.crowds import WINDOW_SECONDS
from gateway.control.standing import foresee
from gateway.core.decision import held_by
from gateway.core.lifecycle import Action, effect
from gateway.core.placing import effective_percent
from gateway.core.types import Arm
from gateway.errors import BadValue

if TYPE_CHECKING:
    from gateway.admin.control import Call
    from gateway.core.lifecycle import Progress
    from gateway.core.types import Rollout

_WHOLE: Final = 100


class ImpactQuery(Question, frozen=True):
    """What somebody is about to do: `percent`, or an `action`."""

    percent: Annotated[float, Meta(ge=0, le=100)] | msgspec.UnsetType = msgspec.UNSET
    """The share that is wanted."""
    action: Literal["start", "pause", "resume", "promote", "step-back", "rollback", "unset"] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    force: bool = False
    """As the action would have it."""


class ImpactView(msgspec.Struct, frozen=True):
    """What would become of the rollout, and of how many users: about, as they spread evenly over the hash.

    Who is in a cohort is not known: the counts are of the share alone, as if there were none.
    """

    users: int | None
    """About how many different keys there were in `window_s`; null while nobody can tell."""
    window_s: float
    """An hour, or as long as they have been counted if that is less."""
    percent_before: float
    """The share of users whom the candidate answers now: 0 where mode, state or a switch keep them from it."""
    percent_after: float
    to_candidate: int | None
    """How many of `users` would go to the candidate; null while these are not known."""
    to_baseline: int | None
    """How many would go back."""
    state_after: Literal["pending", "running", "waiting", "paused", "rolled_back", "completed"]
    stage_after: int | None
    """From 1; null for a fixed percentage."""
    cohorts_before: list[str]
    """Those whose users the candidate answers now, all or a part of them, whatever the share."""
    cohorts_after: list[str]


async def show_impact(call: Call, asked: ImpactQuery) -> ImpactView:
    """What an action would do to how many of the recent users; nothing is done.

    409 where it would be refused, with the reason that it would be refused with.
    """
    control = call.control
    control.expect_table()
    action, percent = read_wish(asked)
    state = control.rollouts.state(call.name)
    now, unmet = control.now().timestamp(), control.rollouts.unmet
    _, after = foresee(state, action, now, percent=percent, force=asked.force, unmet=unmet)
    crowds = control.crowds
    window_seconds = round(crowds.window_seconds(call.name))
    return view_impact(state.rollout, state.progress, after, crowds.users(call.name), window_seconds)


def read_wish(asked: ImpactQuery) -> tuple[Action, float | None]:
    """The action, and the percentage if it sets one. Raises BadValue where there is not one of both."""
    if (asked.percent is msgspec.UNSET) == (asked.action is msgspec.UNSET):
        raise BadValue("action", "either `percent` or `action` is needed")
    if asked.action is not msgspec.UNSET:
        return Action(asked.action), None
    return Action.SET, asked.percent  # type: ignore[return-value]  # one of both is set


def view_impact(
    rollout: Rollout, before: Progress, after: Progress, users: int | None, window_seconds: float = WINDOW_SECONDS
) -> ImpactView:
    """What the step from ``before`` to ``after`` does to so many users."""
    effects = [effect(rollout, progress) for progress in (before, after)]
    was, becomes = map(effective_percent, effects)
    cohorts_before, cohorts_after = map(list_cohorts, effects)
    moved = None if users is None else round(users * abs(becomes - was) / _WHOLE)
    return ImpactView(
        users=users,
        window_s=window_seconds,
        percent_before=was,
        percent_after=becomes,
        to_candidate=moved and moved * (becomes > was),
        to_baseline=moved and moved * (becomes < was),
        state_after=after.state.value,
        stage_after=after.stage + 1 if rollout.plan.stages else None,
        cohorts_before=cohorts_before,
        cohorts_after=cohorts_after,
    )


def list_cohorts(rollout: Rollout) -> list[str]:
    """The cohorts that send to the candidate; none where all is held at the baseline."""
    if rollout.held is not None or held_by(rollout) is not None:
        return []
    return [cohort.name for cohort in rollout.cohorts if cohort.arm is not Arm.BASELINE]
