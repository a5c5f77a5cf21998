"""Rollouts as the API shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.admin.rollouts import ArmCounts, PlannedStage, RolloutView, RuleView, StageView

FIXED = RolloutView(
    name="checkout",
    mode="live",
    state="running",
    percent=5.0,
    source="file",
    stage=None,
    stages=[],
    cooldown_until=None,
    retries_left=None,
    routes=["orders"],
    rules=[],
    revision="r1",
)


def planned(stage: int = 2, **changes: Any) -> RolloutView:
    """In a stage of a plan of three."""
    shares = (5.0, 25.0, 100.0)
    view = StageView(stage, len(shares), shares[stage - 1], [], "2026-01-01T12:00:00Z", 90.0, ["hold"])
    fields: dict[str, Any] = {
        "percent": shares[stage - 1],
        "source": "plan",
        "stage": view,
        "stages": [PlannedStage(share, [], 3600.0, approval=False, gates=[]) for share in shares],
        "retries_left": 0,
    }
    return msgspec.structs.replace(FIXED, **fields | changes)


def rule(**changes: Any) -> RuleView:
    """A guard that has nothing to say yet."""
    fields: dict[str, Any] = {
        "id": "error_rate > 5% for 1m",
        "kind": "guard",
        "when": "error_rate > 5% for 1m",
        "do": "rollback",
        "route": None,
        "path": None,
        "verdict": "unknown",
        "reason": "few_requests",
        "value": None,
        "bound": 0.05,
        "baseline": None,
        "requests": ArmCounts(3, 80),
        "needs": 17,
    }
    return RuleView(**fields | changes)
