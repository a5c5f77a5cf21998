"""What webhooks are told of a decision."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.control.decisions import describe_decision
from gateway.control.rules import RuleState
from gateway.core.lifecycle import Progress, State
from gateway.core.plans import Plan, Stage
from tests.control.rollbacks import JUDGEMENT, checkout

STAGES = (Stage(5.0), Stage(25.0, needs_approval=True), Stage(50.0, needs_approval=True))


def ahead(stage: int, **fields: Any) -> dict[str, Any]:
    """What is told in the stage with this index."""
    progress = Progress(state=State.RUNNING, stage=stage, stage_percent=STAGES[stage].percent)
    rule = RuleState("error_rate > 5% for 10m", "guard", "error_rate > 5% for 10m", "rollback", JUDGEMENT)
    return describe_decision(checkout(plan=Plan(STAGES), **fields), progress, [rule], "r1")


@pytest.mark.parametrize(
    ("stage", "state", "percent", "number"),
    [(0, "running", 25.0, 2), (1, "waiting", 25.0, 2), (2, "completed", 50.0, 3)],
)
def test_a_decision_leads_to_the_next_stage_a_person_or_the_end(
    stage: int, state: str, percent: float, number: int
) -> None:
    """Whoever approves sees what a yes does."""
    told = ahead(stage)

    assert told["from"] == {"state": "running", "percent": STAGES[stage].percent, "stage": stage + 1}
    assert told["to"] == {"state": state, "percent": percent, "stage": number}


def test_a_cap_of_the_environment_bounds_what_is_told() -> None:
    """A yes to 25 % under a cap of 10 % is a yes to 10 %."""
    assert ahead(0, cap=10.0)["to"]["percent"] == 10.0


def test_verdicts_come_with_the_numbers_they_rest_on() -> None:
    """As JSON, with the configuration's revision."""
    told = msgspec.json.decode(msgspec.json.encode(ahead(0)))

    assert told["revision"] == "r1"
    (verdict,) = told["verdicts"]
    assert (verdict["verdict"], verdict["value"], verdict["bound"]) == ("broken", 0.24, 0.05)
    assert verdict["requests"] == {"candidate": 1200, "baseline": 1234}
