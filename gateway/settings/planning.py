"""From a validated rollout to its plan, as the controller follows it."""

from __future__ import annotations

import msgspec

from gateway.core import plans
from gateway.core.plans import Do, Plan, Query, Rule, Webhook
from gateway.settings import schema
from gateway.settings.schema.plans import Gate, Guard, QueryGate, QueryGuard, RuleGate, RuleGuard, Stage, WebhookGate


def compile_plan(rollout: schema.Rollout) -> Plan:
    """The plan of a rollout; one with a fixed percentage has guards only."""
    gates = tuple(_compile_gate(gate) for gate in rollout.gates)
    return Plan(
        stages=tuple(_compile_stage(stage, gates) for stage in rollout.stages),
        starts_by_itself=rollout.start == "auto",
        guards=tuple(_compile_guard(guard) for guard in rollout.guard),
        min_requests=rollout.min_requests,
        confidence=None if rollout.confidence is None else rollout.confidence / 100,
        cooldown_seconds=rollout.cooldown,
        retries=rollout.retry,
        watch_seconds=rollout.watch,
    )


def _compile_stage(stage: Stage, gates: tuple[plans.Gate, ...]) -> plans.Stage:
    return plans.Stage(
        percent=stage.percent or 0.0,
        hold_seconds=stage.hold,
        cohorts=stage.cohorts,
        gates=gates if stage.gates is None else tuple(_compile_gate(gate) for gate in stage.gates),
        guards=tuple(_compile_guard(guard) for guard in stage.guard),
        needs_approval=stage.approval == "manual",
    )


def _compile_gate(gate: Gate) -> plans.Gate:
    if isinstance(gate, WebhookGate):
        return Webhook(gate.webhook, gate.timeout, gate.interval, gate.secret)
    return _compile_query(gate) if isinstance(gate, QueryGate) else _compile_rule(gate)


def _compile_guard(guard: Guard) -> plans.Guard:
    if isinstance(guard, QueryGuard):
        return plans.Guard(_compile_query(guard, guard.holds), Do(guard.do))
    return plans.Guard(_compile_rule(guard), Do(guard.do))


def _compile_query(asked: QueryGate | QueryGuard, window_seconds: float = 0.0) -> Query:
    op, value = asked.when
    return Query(asked.prometheus, asked.query, op, value, asked.timeout, asked.interval, window_seconds)


def _compile_rule(rule: RuleGate | RuleGuard) -> Rule:
    return msgspec.structs.replace(
        rule.when,
        route=rule.route,
        path=rule.path,
        per_path=rule.per == "path",
        acts_on_shared=rule.shared == "act",
    )
