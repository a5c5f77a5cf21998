"""What the audit log is told of a transition: from where to where, who or what, why, and the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.control.findings import say_finding
from gateway.control.readings import list_values, say_cause, say_judgement
from gateway.core import lifecycle
from gateway.core.lifecycle import Transition
from gateway.core.progress import SHADOW
from gateway.core.verdicts import Reason, Verdict
from gateway.store.records import Actor, NewEvent, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gateway.control.findings import Finding
    from gateway.core.lifecycle import Progress
    from gateway.core.plans import Stage
    from gateway.core.types import Rollout, Table
    from gateway.core.verdicts import Judgement

MOST_STAGES: Final = 3
"""So many edited stages are named."""


def tell_transition(rollout: Rollout, transition: Transition, at: datetime, revision: str) -> NewEvent:
    """The event of a transition of ``rollout`` under the configuration of this ``revision``."""
    return NewEvent(
        time=_show(at),
        rollout=rollout.name,
        kind=transition.kind,
        actor=Actor(transition.actor, transition.name),
        before=standing_of(rollout, transition.before),
        after=standing_of(rollout, transition.after),
        reason=say_reason(transition),
        inputs=_inputs(transition),
        revision=revision,
    )


def tell_file(table: Table, file: str, at: datetime) -> NewEvent:
    """The event of a configuration that is in force now."""
    return NewEvent(
        time=_show(at),
        rollout=None,
        kind="config",
        actor=Actor("file", file),
        before=None,
        after=None,
        reason="the file's content was put in force",
        inputs={"routes": len(table.routes), "rollouts": len(table.rollouts)},
        revision=table.revision,
    )


def action_of(
    kind: str, standing: tuple[Progress, Progress], actor: Actor, reason: str, percent: float | None, *, force: bool
) -> Transition:
    """What an operator did to a rollout, which stood before and stands now so; and what was asked beside."""
    before, after = standing
    inputs: dict[str, object] = {"percent": percent} if percent is not None else {"force": True} if force else {}
    return Transition(
        kind=kind, before=before, after=after, actor="operator", name=actor.name, reason=reason, inputs=inputs
    )


def tell_restored(
    name: str, rollout: Rollout | None, stored: Progress | None, progress: Progress, at: datetime, revision: str
) -> NewEvent:
    """The event of a rollout that was written again, as the store had forgotten it, or some of its moves.

    ``rollout`` is None for one that the file has no more.
    """
    had = "nothing of it" if stored is None else f"its version {stored.version}"
    inputs: dict[str, object] = {"version": progress.version}
    return NewEvent(
        time=_show(at),
        rollout=name,
        kind="restored",
        actor=Actor("plan", "store"),
        before=standing_of(rollout, stored) if rollout is not None and stored is not None else None,
        after=standing_of(rollout, progress) if rollout is not None else None,
        reason=f"the store had {had}: a gateway wrote again what it knew, as version {progress.version}",
        inputs=inputs if stored is None else inputs | {"stored": stored.version},
        revision=revision,
    )


def tell_overtaken(event: NewEvent) -> NewEvent:
    """What a rollback by a rule comes to that was in force here, and of which the store heard after another one."""
    late = "in force here while the store was away; the rollout was rolled back already"
    inputs = {key: value for key, value in event.inputs.items() if key != "incident"}  # that was not stored
    return msgspec.structs.replace(
        event, kind="notify", before=event.after, reason=f"{event.reason}; {late}", inputs=inputs
    )


def edit_of(before: Progress, after: Progress, file: str, reason: str) -> Transition:
    """What an edit of the file did to a rollout; ``reason`` as of `say_edit`."""
    return Transition(kind="edit", before=before, after=after, actor="file", name=file, reason=reason)


def say_edit(former: Rollout | None, rollout: Rollout) -> str:
    """What was edited that may move a rollout; ``former`` is None where nobody knows what the file said before."""
    if former is None:
        return "the file was edited"
    if former.mode is not rollout.mode:
        return f"its mode was edited: it was {former.mode}, is {rollout.mode}"
    if former.plan.stages and rollout.plan.stages:
        return _say_stages(former.plan.stages, rollout.plan.stages)
    if rollout.plan.stages:
        return "it has stages now, no fixed percentage"
    if former.plan.stages:
        return f"it has a fixed percentage now, {rollout.percent:g} %, no stages"
    return f"its percentage was edited: it was {former.percent:g} %, is {rollout.percent:g} %"


def _say_stages(before: Sequence[Stage], after: Sequence[Stage]) -> str:
    pairs = enumerate(zip(before, after, strict=False), 1)
    said = [f"stage {number} {_say_stage(old, new)}" for number, (old, new) in pairs if old != new]
    if len(before) != len(after):
        said.append(f"there were {len(before)}, are {len(after)}")
    shown = [*said[:MOST_STAGES], f"{len(said) - MOST_STAGES} more edits"] if len(said) > MOST_STAGES else said
    return f"its stages were edited: {'; '.join(shown)}" if shown else "the file was edited"


def _say_stage(before: Stage, after: Stage) -> str:
    """What of it gives users another arm; else that something did change."""
    if before.percent != after.percent:
        return f"was {before.percent:g} %, is {after.percent:g} %"
    return "has other cohorts" if before.cohorts != after.cohorts else "has other conditions"


def notification_of(judgement: Judgement, progress: Progress) -> Transition:
    """What a rule says though nothing changes."""
    return Transition(
        kind="notify",
        before=progress,
        after=progress,
        actor="rule",
        name=judgement.rule,
        reason=judgement.reason,
        judgement=judgement,
    )


def blockage_of(judgement: Judgement, progress: Progress, worst: Sequence[Finding]) -> Transition:
    """What a gate on mismatches holds up, with the fields that differ most."""
    return Transition(
        kind="blocked",
        before=progress,
        after=progress,
        actor="plan",
        name=f"stage {progress.stage + 1}",
        reason=_say_blockage(judgement, worst),
        judgement=judgement,
        inputs={"fields": [_list_finding(finding) for finding in worst]},
    )


def _say_blockage(judgement: Judgement, worst: Sequence[Finding]) -> str:
    parts = [f"{judgement.rule} is {judgement.verdict}: {say_judgement(judgement)}"]
    if judgement.verdict is Verdict.UNKNOWN and judgement.value is not None:  # else that was its cause
        parts.append(say_cause(judgement.rule, judgement.reason, judgement.needs, is_gate=True))
    if worst:
        parts.append(f"worst: {', '.join(map(say_finding, worst))}")
    return "; ".join(parts)


def _list_finding(finding: Finding) -> dict[str, object]:
    path, tally = finding.path, finding.tally
    return {
        "route": path.route,
        "path": path.path,
        "field": finding.field,
        "kind": finding.kind,
        "counted": tally.counted,
        "compared": path.compared,
    }


def say_reason(transition: Transition) -> str:
    """Why; of a rule with the numbers that it rests on."""
    judgement = transition.judgement
    if transition.actor != "rule" or judgement is None:
        return transition.reason
    if judgement.reason == Reason.BOTH_ARMS:
        return f"both_arms: the baseline breaks {judgement.rule}, too: {say_judgement(judgement)}"
    return f"{judgement.rule} was broken: {say_judgement(judgement)}"


def _show(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def standing_of(rollout: Rollout, progress: Progress) -> Standing:
    """Where a rollout stands, as events have it."""
    return Standing(str(progress.state), lifecycle.share_of(rollout, progress))


def _inputs(transition: Transition) -> dict[str, object]:
    """What it rests on: what was asked, and what the rule saw."""
    inputs = dict(transition.inputs)
    if transition.kind == "rollback" and transition.after.to_shadow:
        inputs["to"] = SHADOW
    if transition.judgement is not None:
        said = {"rule": transition.judgement.rule, **list_values(transition.judgement)}
        inputs |= {key: value for key, value in said.items() if value is not None}
    return inputs
