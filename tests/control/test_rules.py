"""What rules say is shown rule by rule, and what a plan does rests on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.rules import complete, list_rules, list_unmet
from gateway.core.conducting import Outcome
from gateway.core.lifecycle import Progress, State
from gateway.core.plans import Do, Gate, Guard, Stage
from gateway.core.rules import parse_rule
from gateway.core.verdicts import Judgement, Verdict
from tests.control.gateway import Gateway
from tests.control.rollbacks import rollback

TEXTS = ("errors > 10 for 5s", "errors > 20 for 5s", "requests > 5 for 1m")


def outcome(guards: tuple[str, ...] = (), gates: tuple[tuple[str, Verdict], ...] = ()) -> Outcome:
    """A second in which these rules said something."""
    asked: list[tuple[Gate, Judgement]] = [(parse_rule(text), judge(text, said)) for text, said in gates]
    judged = [(Guard(parse_rule(text), Do.PAUSE), judge(text)) for text in guards]
    return Outcome(Progress(state=State.RUNNING), None, judged, asked)


def judge(text: str, verdict: Verdict = Verdict.BROKEN) -> Judgement:
    """What a rule said."""
    return Judgement(rule=text, verdict=verdict, reason="said")


@given(st.lists(st.sampled_from(TEXTS)), st.lists(st.sampled_from(TEXTS)))
def test_each_rule_has_a_name_of_its_own(guards: list[str], gates: list[str]) -> None:
    """Gates come first; one that is another one's like has a number."""
    rules = list_rules(outcome(tuple(guards), tuple((text, Verdict.OK) for text in gates)))

    assert [rule.when for rule in rules] == [*gates, *guards]
    assert [rule.kind for rule in rules] == ["gate"] * len(gates) + ["guard"] * len(guards)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.id.startswith(rule.when) for rule in rules)


def test_who_would_promote_is_told_of_each_gate_that_is_not_ok() -> None:
    """And where no gate has said anything yet, of that."""
    stage = Stage(5, gates=tuple(map(parse_rule, TEXTS[:2])))
    said = list_rules(outcome((TEXTS[2],), ((TEXTS[0], Verdict.OK), (TEXTS[1], Verdict.UNKNOWN))))

    assert list_unmet(said, stage) == ["errors > 20 for 5s is unknown"]
    assert list_unmet([], stage) == ["nobody has said yet what its gates say"]
    assert list_unmet([], None) == []


def test_what_a_guard_or_a_person_does_rests_on_something_else() -> None:
    """What the guard saw is in its judgement."""
    transition = rollback()

    assert complete(transition, list_rules(outcome((TEXTS[0],), ((TEXTS[1], Verdict.OK),)))) is transition


async def test_a_plan_says_what_its_step_rests_on(tmp_path: Path) -> None:
    """How long it held, and what each gate saw."""
    stages = (Stage(5, hold_seconds=5, gates=(parse_rule("errors < 100 for 5s"),)), Stage(100, hold_seconds=99))
    gateway = Gateway(tmp_path, stages=stages)
    await gateway.begin()

    await gateway.live(8, errors=1)

    event = gateway.heard[-1][0]
    assert (event.kind, event.actor.type, event.actor.name) == ("stage", "plan", "stage 1")
    assert event.inputs["held_s"] == pytest.approx(6, abs=1)
    gate = event.inputs["gates"][0]  # type: ignore[index]
    assert (gate["id"], gate["verdict"], gate["bound"]) == ("errors < 100 for 5s", "ok", 100)
    await gateway.end()


async def test_rules_are_shown_with_their_numbers(tmp_path: Path) -> None:
    """Each with a name of its own, also where two have the same text."""
    gateway = Gateway(tmp_path, ("errors > 10 for 5s", Do.NOTIFY), ("errors > 10 for 5s", Do.PAUSE))
    await gateway.begin()
    assert gateway.conductor.rules("shop") == []

    await gateway.live(1, errors=3)

    rules = gateway.conductor.rules("shop")
    assert [(rule.id, rule.do) for rule in rules] == [
        ("errors > 10 for 5s", "notify"),
        ("errors > 10 for 5s (2)", "pause"),
    ]
    assert rules[0].judgement.value == 3
    assert gateway.conductor.rules("nobody") == []
    await gateway.end()
