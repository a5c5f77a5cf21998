"""One metric of both arms over time, for charts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from gateway.admin.answers import show_epoch
from gateway.admin.control import compute
from gateway.admin.paths import choose_routes, want
from gateway.admin.questions import DEFAULT_WINDOW, Question, Window, read_window
from gateway.control.paths import show_ms
from gateway.core.histogram import quantile
from gateway.core.types import Arm
from gateway.core.windows import Cell, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.admin.control import Call
    from gateway.core.figures import Subject

Metric = Literal["requests", "errors", "error_rate", "client_error_rate", "p50", "p90", "p95", "p99"]
Unit = Literal["count", "ratio", "ms"]
METRICS: tuple[str, ...] = get_args(Metric)

_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class SeriesView(msgspec.Struct, frozen=True):
    """One metric of both arms; `times`, `baseline` and `candidate` are equally long."""

    metric: Metric
    unit: Unit
    """Of the values: a count per step, a ratio from 0 to 1, or milliseconds."""
    step_s: float
    times: list[str]
    """Where each step begins: RFC 3339, UTC."""
    baseline: list[float | None]
    """Null where it is unknown: a rate without requests, a latency without any."""
    candidate: list[float | None]


class SeriesQuery(Question, frozen=True):
    """What to draw."""

    route: str = ""
    """Only this route's requests."""
    rollout: str = ""
    """Only those of the routes that share this rollout."""
    path: str = ""
    """Only this path template's."""
    metric: Metric = "requests"
    window: Window = DEFAULT_WINDOW
    """The trailing time, from `1s` to `24h`."""
    step: Window = "1s"
    """How long a step is at the least: where little comes, a second has too few requests to draw."""


async def show_series(call: Call, asked: SeriesQuery) -> SeriesView:
    """One metric of both arms over time.

    In steps of a second up to ten minutes, of ten seconds up to an hour, of a minute beyond; or of `step`, where that
    is longer: each then begins at a multiple of it, and the first and the last may have only a part of their time.
    """
    control = call.control
    seconds, step_seconds = read_window(asked.window), math.ceil(read_window(asked.step, "step"))
    routes = choose_routes(control.table, asked.route, asked.rollout)
    now = control.now().timestamp()
    wanted = want({route.name for route in routes}, asked.path)
    steps = await compute(control.figures.windows.steps, now - seconds, now, wanted)
    return await compute(lambda: view_series(asked.metric, widen_steps(cut_steps(steps, seconds), step_seconds)))


def cut_steps(steps: Steps, seconds: float) -> Steps:
    """The newest, as many as ``seconds`` have: the one under way counts, the one that is cut through does not."""
    newest = slice(-math.ceil(seconds / steps.step_seconds), None)
    return Steps(steps.step_seconds, steps.times[newest], steps.cells[newest])


def widen_steps(steps: Steps, seconds: int) -> Steps:
    """Steps of ``seconds``, if that is longer; what was counted in those that become one is taken together."""
    if seconds <= steps.step_seconds:
        return steps
    wide: dict[float, dict[Subject, Cell]] = {}
    for at, cells in zip(steps.times, steps.cells, strict=True):
        total = wide.setdefault(at - at % seconds, {})
        for subject, cell in cells.items():
            total.setdefault(subject, Cell()).add(cell)
    return Steps(seconds, list(wide), list(wide.values()))


def view_series(metric: Metric, steps: Steps) -> SeriesView:
    """The series of ``metric``, an arm's requests taken together at each step."""
    measure = MEASURES[metric]
    return SeriesView(
        metric=metric,
        unit="count" if metric in {"requests", "errors"} else "ms" if metric in _SHARES else "ratio",
        step_s=steps.step_seconds,
        times=[show_epoch(at) for at in steps.times],
        baseline=[measure(take_arm(cells, Arm.BASELINE)) for cells in steps.cells],
        candidate=[measure(take_arm(cells, Arm.CANDIDATE)) for cells in steps.cells],
    )


def take_arm(cells: Mapping[Subject, Cell], arm: Arm) -> Cell:
    """What one arm did, over all subjects."""
    total = Cell()
    for subject, cell in cells.items():
        if subject.arm == arm:
            total.add(cell)
    return total


def _measure_quantile(share: float) -> Callable[[Cell], float | None]:
    return lambda cell: show_ms(quantile(cell.latencies, share))


def _divide(count: int, requests: int) -> float | None:
    return count / requests if requests else None


MEASURES: dict[str, Callable[[Cell], float | None]] = {
    "requests": lambda cell: cell.requests,
    "errors": lambda cell: cell.error_count,
    "error_rate": lambda cell: _divide(cell.error_count, cell.requests),
    "client_error_rate": lambda cell: _divide(cell.client_errors, cell.requests),
    **{metric: _measure_quantile(share) for metric, share in _SHARES.items()},
}
