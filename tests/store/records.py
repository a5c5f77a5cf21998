"""Records to write."""

from __future__ import annotations

from typing import Any

from gateway.store.records import Actor, NewEvent, Standing


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
