"""What paths did on both arms, as rows: for the API, and for the record of a rollback."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from gateway.core.histogram import quantiles
from gateway.core.types import Arm
from gateway.core.windows import Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.core.figures import Subject
    from gateway.core.types import Route

_SHARES = (0.5, 0.95, 0.99)
_DIGITS = 3
"""Of latencies, in ms: the buckets are a percent wide, but short ones deserve their microseconds."""

Arms = dict[str, Cell]


class ArmView(msgspec.Struct, frozen=True):
    """What one arm did in the window. Latencies are in milliseconds, to the backend's header; null without any."""

    requests: int
    per_second: float
    errors: int
    """Of the arm: 5xx, refused or broken connections, time-outs."""
    error_rate: float | None
    """0 to 1; null without requests."""
    p50: float | None
    p95: float | None
    p99: float | None
    kept_away: int = 0
    """Of the candidate: requests that the breaker or health checks sent to the baseline instead. They are none of its
    `requests` and `errors`, but rules count them against it: of an ill baseline only as many as failed there.
    """


class PathView(msgspec.Struct, frozen=True):
    """One path template of one route."""

    route: str
    path: str
    """A template, never a raw path."""
    candidate: ArmView | None
    """Null for a route without a rollout."""
    baseline: ArmView
    compared: int
    """Copies whose answer was held against the user's."""
    mismatch_rate: float | None
    """The share of those that differed in more than noise, 0 to 1; null when nothing was compared."""


def view_paths(routes: Iterable[Route], cells: Mapping[Subject, Cell], seconds: float) -> list[PathView]:
    """The rows for figures that were taken over ``seconds``."""
    places = merge_arms(cells)
    return [row for route in routes for row in _view_route(route, places.get(route.name, {}), seconds)]


def excess_errors(row: PathView) -> float:
    """How many more requests the candidate failed than it would have with the baseline's error rate."""
    if row.candidate is None:
        return 0.0
    kept_away = row.candidate.kept_away  # as rules do
    meant = row.candidate.requests + kept_away
    return row.candidate.errors + kept_away - (row.baseline.error_rate or 0.0) * meant


def slowness(row: PathView) -> float:
    """The candidate's p99 over the baseline's; 0 where one of them is not known."""
    if row.candidate is None or row.candidate.p99 is None or not row.baseline.p99:
        return 0.0
    return row.candidate.p99 / row.baseline.p99


def merge_arms(cells: Mapping[Subject, Cell]) -> dict[str, dict[str, Arms]]:
    """Cells by route, path and arm: those whose arm was asked for, and the others, taken together."""
    places: dict[str, dict[str, Arms]] = defaultdict(dict)
    for subject, cell in cells.items():
        arms = places[subject.route].setdefault(subject.path, {})
        arms.setdefault(subject.arm, Cell()).add(cell)
    return places


def _view_route(route: Route, paths: Mapping[str, Arms], seconds: float) -> list[PathView]:
    known: dict[str, Arms] = {path: {} for path in route.paths} | dict(paths)
    busiest = sorted(known.items(), key=lambda each: -sum(cell.requests for cell in each[1].values()))
    return [_view_path(route, path, arms, seconds) for path, arms in busiest]


def _view_path(route: Route, path: str, arms: Arms, seconds: float) -> PathView:
    candidate, baseline = (arms.get(arm, Cell()) for arm in (Arm.CANDIDATE, Arm.BASELINE))
    return PathView(
        route=route.name,
        path=path,
        candidate=None if route.candidate is None else view_arm(candidate, seconds, baseline.kept_away),
        baseline=view_arm(baseline, seconds),
        compared=candidate.compared,
        mismatch_rate=candidate.mismatches / candidate.compared if candidate.compared else None,
    )


def view_arm(cell: Cell, seconds: float, kept_away: int = 0) -> ArmView:
    """An arm's figures of ``seconds``; ``kept_away`` requests were meant for it and went to the other."""
    p50, p95, p99 = (show_ms(latency) for latency in quantiles(cell.latencies, _SHARES))
    return ArmView(
        requests=cell.requests,
        per_second=round(cell.requests / seconds, _DIGITS),
        errors=cell.error_count,
        error_rate=cell.error_count / cell.requests if cell.requests else None,
        p50=p50,
        p95=p95,
        p99=p99,
        kept_away=kept_away,
    )


def show_ms(seconds: float | None) -> float | None:
    """A latency in milliseconds."""
    return None if seconds is None else round(seconds * 1000, _DIGITS)
