"""Rollouts to simulate, small enough for a test."""

from __future__ import annotations

from gateway.core.plans import Do, Guard, Plan, Stage
from gateway.core.rules import parse_rule
from gateway.core.types import Hash, KeyKind, KeySource, MissingKey, Mode, Rollout
from gateway.simulation.faults import parse_fault
from gateway.simulation.traffic import Traffic
from gateway.simulation.trial import Scenario

DEFAULT_GUARD = (
    "error_rate > 20% for 5s",
    "error_rate > 5% for 1m",
    "error_rate > baseline + 1% for 1m",
    "client_error_rate > baseline + 10% for 5m",
    "p99 > 2x baseline for 5m",
)

STAGES = (Stage(percent=5, hold_seconds=120), Stage(percent=50, hold_seconds=120))


def build_rollout(
    stages: tuple[Stage, ...] = STAGES,
    *,
    do: Do = Do.ROLLBACK,
    guard: tuple[str, ...] = DEFAULT_GUARD,
    percent: float = 0.0,
    **plan: float,
) -> Rollout:
    """A live rollout of this plan; without stages, of this percentage."""
    guards = tuple(Guard(parse_rule(text), do) for text in guard)
    return Rollout(
        name="checkout",
        mode=Mode.LIVE,
        key=((KeySource(KeyKind.HEADER, "X-User-ID"),),),
        on_missing_key=MissingKey.BASELINE,
        salt="checkout",
        hash=Hash.MURMUR3,
        cohorts=(),
        percent=percent,
        plan=Plan(stages=stages, guards=guards, **plan),
    )


def build_scenario(*faults: str, rollout: Rollout | None = None, rps: float = 200, **others: object) -> Scenario:
    """It on one path of one route."""
    return Scenario(
        rollout=rollout or build_rollout(),
        places=(("orders", "/orders/{id}"),),
        traffic=Traffic(requests_per_second=rps),
        faults=tuple(map(parse_fault, faults)),
        **others,
    )
