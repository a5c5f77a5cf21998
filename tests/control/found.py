"""What comparing may find, and routes that are compared."""

from __future__ import annotations

from typing import Any

from gateway.control.mismatches import Mismatches
from gateway.core.tallies import FieldTally, PathTally, Sample
from gateway.core.types import Table
from tests.telemetry import scene

AT = 1_795_256_100.0
"""2026-11-21 10:15:00 UTC."""
PRICE = ("$.items[*].price", "value")


def sample(at: float = AT, baseline: object = 9.99, candidate: object = 10, name: str = "") -> Sample:
    return Sample(name or f"id-{at:.10g}", at, baseline, candidate)


def field(count: int = 1, counted: int | None = None, noisy: int = 0, *samples: Sample, at: float = AT) -> FieldTally:
    """A field that differed so often; all of it counted, unless less is said."""
    seen = at if count else 0.0
    return FieldTally(count, count if counted is None else counted, noisy, seen, seen, list(samples))


def path(
    fields: dict[tuple[str, str], FieldTally] | None = None,
    *,
    compared: int = 100,
    twins: int = 0,
    route: str = "orders",
    name: str = "/orders/{id}",
) -> PathTally:
    return PathTally(route, name, compared, twins, {PRICE: field()} if fields is None else fields)


def table(*routes: str, **compare: Any) -> Table:
    """These routes, all compared alike."""
    return scene.table(routes=tuple(scene.split_route(name, shadow=scene.shadow(**compare)) for name in routes))


def record(*routes: str, **compare: Any) -> Mismatches:
    """An empty record of these routes."""
    made = Mismatches()
    made.adopt(table(*(routes or ("orders",)), **compare), AT)
    return made
