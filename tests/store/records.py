"""Records to write."""

from __future__ import annotations

from typing import Any

from gateway.core.fleet import Presence
from gateway.core.progress import Progress, State
from gateway.core.tallies import FieldTally, PathTally, Sample
from gateway.store.records import Actor, Incident, NewEvent, PathRecord, Standing


def event(**changes: Any) -> NewEvent:
    """Somebody set a percentage."""
    fields: dict[str, Any] = {
        "time": "2026-01-01T12:00:00.000Z",
        "rollout": "checkout",
        "kind": "percent",
        "actor": Actor("operator", "ada"),
        "before": Standing("running", 5),
        "after": Standing("running", 20),
        "reason": "looks good",
        "inputs": {"percent": 20},
        "revision": "r1",
    }
    return NewEvent(**fields | changes)


def progress(percent: float | None = None, **changes: Any) -> Progress:
    """How far a rollout is."""
    return Progress(**{"state": State.RUNNING, "percent": percent} | changes)


def incident(name: str = "20260101-120000-checkout", **changes: Any) -> Incident:
    """A guard was broken."""
    fields: dict[str, Any] = {
        "id": name,
        "rollout": "checkout",
        "rule": "error_rate > 5% for 1m",
        "time": "2026-01-01T12:00:00.000Z",
        "stage": 2,
        "percent_before": 25.0,
        "values": {"value": 0.12, "bound": 0.05},
        "paths": [{"path": "/a", "candidate": {"errors": 3}}],
        "samples": [{"request_id": "r-1"}],
        "events": [{"id": 7}],
    }
    return Incident(**fields | changes)


def path_record(path: str = "/orders/{id}", route: str = "orders", **changes: Any) -> PathRecord:
    """A price that differed, with what was seen of it."""
    sample = Sample("r-1", 1_770_000_000.5, {"deep": [1, 2.5, None, "ü"]}, None)
    field = FieldTally(count=3, counted=2, noisy=1, first_at=1.0, last_at=2.0, samples=[sample])
    tally = PathTally(route, path, compared=10, twins=2, fields={("$.items[*].price", "value"): field})
    return PathRecord(**{"policy": "p1", "seen_at": 3.0, "tally": tally} | changes)


def presence(**changes: Any) -> Presence:
    """What a replica says of itself."""
    fields: dict[str, Any] = {
        "host": "gw-1",
        "admin": "10.0.0.1:9900",
        "version": "0.7.0",
        "revision": "r1",
        "workers": 2,
        "ready": True,
        "started_at": 1_770_000_000.0,
        "moves": 3,
    }
    return Presence(**fields | changes)
