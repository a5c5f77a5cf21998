"""A rollback, and everything that is known of it."""

from __future__ import annotations

from typing import Any

from gateway.control.incidents import Seen, build_incident
from gateway.control.paths import ArmView, PathView
from gateway.core.failures import FailedRequest
from gateway.core.lifecycle import Progress, State, Transition
from gateway.core.plans import Bound, Do, Guard, Metric, Op, Plan, Rule, Stage
from gateway.core.types import Rollout
from gateway.core.verdicts import Judgement, Verdict
from gateway.store.records import Actor, Event, Incident, Standing
from tests.telemetry import scene

AT = 1_795_256_100.0
"""2026-11-21 10:15:00 UTC."""
TEXT = "error_rate > 5% for 10m"
GUARD = Guard(Rule(TEXT, Metric.ERROR_RATE, Op.ABOVE, Bound(0.05), window_seconds=600.0), Do.ROLLBACK)
STAGES = (Stage(5.0, hold_seconds=3600.0), Stage(50.0, hold_seconds=3600.0))
JUDGEMENT = Judgement(
    rule=f"{TEXT}, route orders",
    verdict=Verdict.BROKEN,
    reason="broken",
    route="orders",
    value=0.24,
    bound=0.05,
    baseline=0.002,
    candidate_requests=1200,
    baseline_requests=1234,
)


def checkout(**fields: Any) -> Rollout:
    """A rollout in the file, with a plan and a guard."""
    return scene.rollout("checkout", **{"percent": 0.0, "plan": Plan(STAGES, guards=(GUARD,)), **fields})


def rollback(judgement: Judgement | None = JUDGEMENT, **fields: Any) -> Transition:
    """From the second stage to nothing, by a guard; or by a person who says why."""
    before = Progress(state=State.RUNNING, stage=1, stage_percent=50.0)
    given: dict[str, Any] = {
        "kind": "rollback",
        "before": before,
        "after": Progress(state=State.ROLLED_BACK),
        "actor": "rule" if judgement is not None else "operator",
        "name": judgement.rule if judgement is not None else "ada",
        "reason": "" if judgement is not None else "customers complain",
        "judgement": judgement,
    }
    return Transition(**given | fields)


def arm(requests: int = 0, errors: int = 0, p99: float | None = None) -> ArmView:
    rate = errors / requests if requests else None
    return ArmView(requests, requests / 600, errors, rate, p99 and p99 / 4, p99 and p99 / 2, p99)


def row(path: str, candidate: ArmView | None, baseline: ArmView | None = None) -> PathView:
    return PathView("orders", path, candidate, baseline or arm(1000, 0, 100.0), 0, None)


def happened(kind: str = "stage", number: int = 1, **fields: Any) -> Event:
    """An event of the rollout."""
    given: dict[str, Any] = {
        "id": number,
        "time": "2026-11-21T09:15:00.000Z",
        "rollout": "checkout",
        "kind": kind,
        "actor": Actor("plan", "stage 2"),
        "before": Standing("running", 5.0),
        "after": Standing("running", 50.0),
        "reason": "the hold is over and all gates are ok",
        "inputs": {},
        "revision": "r1",
    }
    return Event(**given | fields)


def incident(name: str = "20261121-101500-checkout", transition: Transition | None = None) -> Incident:
    """The record of it."""
    seen = Seen(
        [row("/orders/{id}", arm(1200, 288, 480.0)), row("/orders", arm(10, 0, 90.0))],
        [FailedRequest(AT - 1, "id-1", "orders", "/orders/{id}", "POST", 503, "5xx")],
        [happened()],
        seconds=600.0,
    )
    return build_incident(name, checkout(), transition or rollback(), seen, AT)
