"""A decision that is about to be taken, as a webhook is told it: from where to where, and what the rules say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.control.readings import list_values
from gateway.core.lifecycle import State, needs_approval, share_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.control.rules import RuleState
    from gateway.core.lifecycle import Progress
    from gateway.core.types import Rollout


def describe_decision(
    rollout: Rollout, progress: Progress, rules: Iterable[RuleState], revision: str
) -> dict[str, object]:
    """The inputs, as plain values in the units of the API. ``rollout`` is the file's, with its plan."""
    return {
        "rollout": rollout.name,
        "from": {"state": str(progress.state), "percent": share_of(rollout, progress), "stage": progress.stage + 1},
        "to": _describe_next(rollout, progress),
        "verdicts": [
            {"id": rule.id, "kind": rule.kind, "when": rule.when, "do": rule.do, **list_values(rule.judgement)}
            for rule in rules
        ],
        "revision": revision,
    }


def _describe_next(rollout: Rollout, progress: Progress) -> dict[str, object]:
    """Where a stage goes when all its gates are ok: to a person, to the next one, or to the end of the plan."""
    stages, index = rollout.plan.stages, progress.stage
    here: dict[str, object] = {"percent": share_of(rollout, progress), "stage": index + 1}
    if needs_approval(rollout.plan, index):
        return {"state": str(State.WAITING), **here}
    if index + 1 >= len(stages):
        return {"state": str(State.COMPLETED), **here}
    percent = min(stages[index + 1].percent, rollout.cap)
    return {"state": str(State.RUNNING), "percent": percent, "stage": index + 2}
