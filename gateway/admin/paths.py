"""What happens per path and arm, over a trailing window."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from gateway.admin.control import compute
from gateway.admin.problems import Declined
from gateway.admin.questions import DEFAULT_WINDOW, Question, Window, read_window
from gateway.core.histogram import quantiles
from gateway.core.types import Arm
from gateway.core.windows import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gateway.admin.control import Call
    from gateway.core.figures import Subject
    from gateway.core.types import Route, Table

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


class PathView(msgspec.Struct, frozen=True):
    """One path template of one route."""

    route: str
    path: str
    """A template, never a raw path."""
    candidate: ArmView | None
    """Null for a route without a rollout."""
    baseline: ArmView
    compared: int
    """Copies whose answers were compared."""
    mismatch_rate: float | None
    """0 to 1; null when nothing was compared."""


class PathList(msgspec.Struct, frozen=True):
    """Paths by route, in the routes' order; of a route first those with the most requests."""

    items: list[PathView]
    next: None


class PathsQuery(Question, frozen=True):
    """Which paths, and over which time."""

    route: str = ""
    """Only this route's."""
    window: Window = DEFAULT_WINDOW
    """The trailing time, from `1s` to `24h`."""


async def list_paths(call: Call, asked: PathsQuery) -> PathList:
    """What happens per path and arm.

    Every path that had requests in the window, and every path that the configuration names.
    """
    control = call.control
    seconds = read_window(asked.window)
    routes = choose_routes(control.table, asked.route)
    now = control.now().timestamp()
    since = now - seconds
    wanted = want({route.name for route in routes})
    # The first second counts from its beginning.
    lasted = max(1.0, now - max(int(since), control.figures.started_at))
    return await compute(
        lambda: PathList(view_paths(routes, control.figures.windows.sum(since, now, wanted), lasted), None)
    )


def choose_routes(table: Table, name: str) -> Sequence[Route]:
    """The route of that name, or all when it is empty. Raises Declined (404)."""
    if not name:
        return table.routes
    chosen = [route for route in table.routes if route.name == name]
    if not chosen:
        raise Declined(404, f"there is no route {name!r}", "route")
    return chosen


def want(routes: set[str], path: str = "") -> Callable[[Subject], bool]:
    """Whether a subject is of one of these routes, and of this path if there is one."""
    return lambda subject: subject.route in routes and path in {"", subject.path}


def view_paths(routes: Iterable[Route], cells: Mapping[Subject, Cell], seconds: float) -> list[PathView]:
    """The rows for figures that were taken over ``seconds``."""
    places = merge_arms(cells)
    return [row for route in routes for row in _view_route(route, places.get(route.name, {}), seconds)]


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
    candidate = arms.get(Arm.CANDIDATE, Cell())
    return PathView(
        route=route.name,
        path=path,
        candidate=None if route.candidate is None else view_arm(candidate, seconds),
        baseline=view_arm(arms.get(Arm.BASELINE, Cell()), seconds),
        compared=0,
        mismatch_rate=None,
    )


def view_arm(cell: Cell, seconds: float) -> ArmView:
    """An arm's figures of ``seconds``."""
    p50, p95, p99 = (show_ms(latency) for latency in quantiles(cell.latencies, _SHARES))
    return ArmView(
        requests=cell.requests,
        per_second=round(cell.requests / seconds, _DIGITS),
        errors=cell.error_count,
        error_rate=cell.error_count / cell.requests if cell.requests else None,
        p50=p50,
        p95=p95,
        p99=p99,
    )


def show_ms(seconds: float | None) -> float | None:
    """A latency in milliseconds."""
    return None if seconds is None else round(seconds * 1000, _DIGITS)
