"""How long the metrics of a large configuration take: the copy that the loop makes, and the rendering in a thread.

``python -m bench.metrics_render`` prints both for 200 routes of 10 paths and 2 arms, in both formats.
"""

from __future__ import annotations

import argparse
import time
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from bench.decision import build_table
from gateway.core import types
from gateway.core.figures import DURATION_BOUNDS, ERROR_KINDS, Answer, Exemplar, PathFigures, Subject
from gateway.core.histogram import bucket_of
from gateway.core.types import Arm, KeyKind, KeySource
from gateway.telemetry.metrics import OPENMETRICS_TYPE, RolloutLevel, Snapshot, expose

ROUTES, PATHS = 200, 10
LATENCIES = 30
"""Buckets per subject: as many as a service takes whose slowest answers take twice the time of its quickest."""
ROUNDS = 5
NOW = 1_770_000_000.0


def build_totals(table: types.Table, dice: Random) -> dict[Subject, PathFigures]:
    """Figures of every configured path on both arms."""
    return {
        Subject(route.name, path, str(arm), is_forced=False): _build_figures(str(route.baseline), dice)
        for route in table.routes
        for path in route.paths
        for arm in Arm
    }


def _build_figures(backend: str, dice: Random) -> PathFigures:
    answers = ((method, code) for method in ("GET", "POST") for code in (200, 404))
    first = bucket_of(dice.uniform(0.005, 0.05))
    return PathFigures(
        answers={Answer(backend, method, code, "split"): dice.randrange(1_000_000) for method, code in answers},
        errors=dict.fromkeys(ERROR_KINDS[:2], 3),
        durations=[dice.randrange(100_000) for _ in range(len(DURATION_BOUNDS) + 1)],
        duration_seconds=dice.uniform(0, 100_000),
        latencies={first + offset: dice.randrange(10_000) for offset in range(LATENCIES)},
        latency_seconds=dice.uniform(0, 100_000),
        exemplars={dice.randrange(10): Exemplar(f"{dice.getrandbits(128):032x}", 0.02, NOW)},
    )


def build_snapshot(table: types.Table, totals: dict[Subject, PathFigures]) -> Snapshot:
    """What the controller of a gateway with this table would show."""
    return Snapshot(
        totals=totals,
        table=table,
        rollouts=[RolloutLevel(rollout.name, rollout.percent, "running") for rollout in table.rollouts],
        reloads={"success": 1},
        last_reload_ok=True,
        revision=table.revision,
        connections={"client": 100, "backend": 100},
        in_flight=10,
        workers={"ready": 2},
        endpoints={backend.name: {each.url: True for each in backend.endpoints} for backend in table.backends},
        dropped={},
        version="bench",
        started_at=NOW,
    )


def build_wide_table(routes: int, paths: int) -> types.Table:
    """So many routes of so many configured paths, one rollout for all."""
    table = build_table(routes, KeySource(KeyKind.HEADER, "X-User-ID"))
    templates = tuple(f"/api/service/resource-{number}/{{id}}" for number in range(paths))
    wide = tuple(msgspec.structs.replace(route, paths=templates) for route in table.routes)
    return msgspec.structs.replace(table, routes=wide)


def main() -> None:
    """Print the table: the best of a few rounds, since whatever else ran can only have added to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=ROUTES)
    parser.add_argument("--paths", type=int, default=PATHS)
    options = parser.parse_args()
    table = build_wide_table(options.routes, options.paths)
    totals = build_totals(table, Random(1))
    grid = Grid("format", "copy on the loop", "rendering in a thread", "samples", "size")
    for name, accept in (("text 0.0.4", ""), ("OpenMetrics 1.0", OPENMETRICS_TYPE)):
        grid.add_row(name, *_measure(table, totals, accept))
    Console(width=100).print(f"{options.routes} routes of {options.paths} paths on 2 arms", grid)


def _measure(table: types.Table, totals: dict[Subject, PathFigures], accept: str) -> tuple[str, ...]:
    copying: list[float] = []
    rendering: list[float] = []
    body = b""
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        snapshot = build_snapshot(table, totals)
        copied = time.perf_counter()
        body, _ = expose(snapshot, accept)
        copying.append(copied - begun)
        rendering.append(time.perf_counter() - copied)
    samples = sum(not line.startswith(b"#") for line in body.splitlines())
    times = (f"{min(copying) * 1e3:.1f} ms", f"{min(rendering) * 1e3:.0f} ms")
    return (*times, f"{samples:,}", f"{len(body) / (1 << 20):.1f} MiB")


if __name__ == "__main__":
    main()
