from __future__ import annotations

from typing import Any

from gateway.core.plans import Bound, Do, Guard, Metric, Op, Plan, Query, Rule, Stage, Webhook
from gateway.settings.planning import compile_plan
from gateway.settings.schema import Rollout


def plan_of(**fields: Any) -> Plan:
    """The plan of a rollout with these fields."""
    return compile_plan(Rollout.model_validate({"key": "client_ip", **fields}))


def rule(text: str, metric: Metric, op: Op, bound: Bound, window_seconds: float = 60.0) -> Rule:
    """A rule that is about all of a rollout."""
    return Rule(text, metric, op, bound, window_seconds)


P99 = rule("p99 > 1s for 1m", Metric.P99, Op.ABOVE, Bound(1.0))


def test_a_rollout_that_names_no_guard_has_five() -> None:
    """A fault that is clear is met in seconds, one that is small in minutes; each takes the candidate back."""
    guards = plan_of().guards

    assert [guard.when.text for guard in guards] == [
        "error_rate > 20% for 5s",
        "error_rate > 5% for 1m",
        "error_rate > baseline + 1% for 1m",
        "client_error_rate > baseline + 10% for 5m",
        "p99 > 2x baseline for 5m",
    ]
    assert {guard.do for guard in guards} == {Do.ROLLBACK}


def test_defaults_are_those_of_the_contract() -> None:
    """Without a word, a plan waits to be told, a day after a rollback, and guards a week on."""
    assert plan_of(guard=[]) == Plan((), False, (), 20, 0.95, 86_400.0, 0, 604_800.0)


def test_all_of_a_plan_is_taken_over() -> None:
    """Durations are seconds, the confidence a share."""
    plan = plan_of(
        start="auto", stages=[{"percent": 5}], min_requests=7, confidence="99%", cooldown="1h", retry=2, watch="1d"
    )

    assert (plan.starts_by_itself, plan.stages) == (True, (Stage(5),))
    assert (plan.min_requests, plan.confidence, plan.cooldown_seconds) == (7, 0.99, 3600)
    assert (plan.retries, plan.watch_seconds) == (2, 86_400)
    assert plan_of(confidence="none").confidence is None


def test_a_stage_has_its_own_gates_or_the_plans() -> None:
    """What it names stands in place of the plan's, an empty list too; guards stand beside the plan's."""
    stages = plan_of(
        stages=[
            {"cohorts": "staff", "hold": "1d"},
            {"percent": 25, "gates": "errors < 5 for 1h", "approval": "manual", "guard": "p99 > 1s"},
            {"percent": 100, "gates": []},
        ],
        gates="p99 > 1s",
    ).stages

    errors = rule("errors < 5 for 1h", Metric.ERRORS, Op.BELOW, Bound(5.0), 3600)
    assert stages == (
        Stage(0, 86_400, cohorts=("staff",), gates=(P99,)),
        Stage(25, gates=(errors,), guards=(Guard(P99, Do.ROLLBACK),), needs_approval=True),
        Stage(100),
    )


def test_a_rule_is_narrowed() -> None:
    """To a route and a path, or to each path by itself."""
    narrow, per_path = plan_of(
        guard=[
            {"when": "p99 > 1s", "route": "orders", "path": "/api/{id}", "do": "pause"},
            {"when": "p99 > 1s", "per": "path", "shared": "act", "do": "shadow"},
        ]
    ).guards

    assert narrow == Guard(Rule(P99.text, Metric.P99, Op.ABOVE, Bound(1.0), 60, "orders", "/api/{id}"), Do.PAUSE)
    assert per_path.when == Rule(P99.text, Metric.P99, Op.ABOVE, Bound(1.0), 60, per_path=True, acts_on_shared=True)


def test_those_who_are_asked_outside_are_told_from_rules() -> None:
    """A webhook's address, a Prometheus server's question and its comparison."""
    plan = plan_of(
        stages={"percent": 5},
        gates=[
            {"webhook": "http://ci/approve?a=b", "secret": "s", "timeout": "1s"},
            {"prometheus": "http://prom:9090/", "query": "up", "when": "< 0.8", "interval": "1m"},
        ],
        guard={"prometheus": "http://prom:9090", "query": "up", "when": ">= 2", "for": "5m", "do": "notify"},
    )

    assert plan.stages[0].gates == (
        Webhook("http://ci/approve?a=b", 1, 30, "s"),
        Query("http://prom:9090", "up", Op.BELOW, 0.8, 10, 60),
    )
    assert plan.guards == (Guard(Query("http://prom:9090", "up", Op.AT_LEAST, 2, 10, 30, 300), Do.NOTIFY),)
