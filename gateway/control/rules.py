"""What the rules of a rollout say, as people and programs outside are shown it: each by a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from gateway.control.readings import list_values
from gateway.core.verdicts import Judgement, Verdict

if TYPE_CHECKING:
    from gateway.core.conducting import Outcome
    from gateway.core.lifecycle import Transition
    from gateway.core.plans import Stage


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule, and what it says now."""

    id: str
    """Unlike every other rule's of the rollout, and the same as long as the rule is."""
    kind: Literal["gate", "guard"]
    when: str
    do: str | None
    judgement: Judgement


def list_rules(outcome: Outcome) -> list[RuleState]:
    """What each rule said in that second, gates first."""
    gates = [RuleState("", "gate", gate.text, None, said) for gate, said in outcome.gates]
    guards = [RuleState("", "guard", each.when.text, str(each.do), said) for each, said in outcome.guards]
    return _number([*gates, *guards])


def _number(rules: list[RuleState]) -> list[RuleState]:
    """Each with an id: its name, and a number where several have the same."""
    seen: dict[str, int] = {}
    numbered = []
    for rule in rules:
        name = rule.judgement.rule
        seen[name] = number = seen.get(name, 0) + 1
        numbered.append(replace(rule, id=name if number == 1 else f"{name} ({number})"))
    return numbered


def list_unmet(rules: Iterable[RuleState], stage: Stage | None) -> list[str]:
    """Why the gates of a stage are not ok, for who would promote it; None is for a rollout that is in no stage."""
    gates = _gates_of(rules)
    if stage is not None and len(gates) < len(stage.gates):
        return ["nobody has said yet what its gates say"]
    return [f"{gate.id} is {gate.judgement.verdict}" for gate in gates if gate.judgement.verdict is not Verdict.OK]


def complete(transition: Transition, rules: Iterable[RuleState]) -> Transition:
    """A transition with what it rests on: what a plan does, on the hold and on what the gates said."""
    if transition.actor != "plan":
        return transition
    gates = [{"id": rule.id, **list_values(rule.judgement)} for rule in _gates_of(rules)]
    inputs = {"held_s": round(transition.before.held_seconds, 1), "gates": gates}
    return msgspec.structs.replace(transition, inputs=transition.inputs | inputs)


def _gates_of(rules: Iterable[RuleState]) -> Sequence[RuleState]:
    return [rule for rule in rules if rule.kind == "gate"]
