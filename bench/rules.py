"""What it takes to watch many rollouts: the CPU of one second's worth of sums and verdicts.

``python -m bench.rules`` prints it for 500 rollouts with ten rules each, for a quiet second and for one in which every
candidate is a little bad, so that evidence is looked for everywhere.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from bench.decision import build_table
from gateway.core.figures import Subject
from gateway.core.histogram import bucket_of
from gateway.core.plans import Bound, Do, Guard, Metric, Op, Plan, Rule, Stage
from gateway.core.types import Arm, KeyKind, KeySource, Rollout
from gateway.core.watch import Watch
from gateway.core.windows import Cell

ROLLOUTS = 500
PATHS = 4
"""Of each rollout's one route."""
REQUESTS = 40
"""In a second, of each rollout, on both arms together."""
CANDIDATE_SHARE = 0.25
SECONDS = 330
"""Before the measured ones: longer than every window."""
ROUNDS = 5
USUAL_ERROR_RATE, BAD_ERROR_RATE = 0.002, 0.025
"""The bad one breaks plainly what the evidence of a minute does not yet support."""

GUARDS = (
    Rule("error_rate > 20% for 5s", Metric.ERROR_RATE, Op.ABOVE, Bound(0.2), 5.0),
    Rule("error_rate > 2% for 1m", Metric.ERROR_RATE, Op.ABOVE, Bound(0.02), 60.0),
    Rule("error_rate > baseline + 1% for 1m", Metric.ERROR_RATE, Op.ABOVE, Bound(0.01, is_added=True), 60.0),
    Rule("p50 > 2x baseline for 5m", Metric.P50, Op.ABOVE, Bound(factor=2.0), 300.0),
    Rule("p99 > 2x baseline for 5m", Metric.P99, Op.ABOVE, Bound(factor=2.0), 300.0),
    Rule("p95 > 1s for 1m", Metric.P95, Op.ABOVE, Bound(1.0), 60.0),
    Rule("failover_rate > 5% for 1m", Metric.FAILOVER_RATE, Op.ABOVE, Bound(0.05), 60.0),
)
GATES = (
    Rule("error_rate < 0.5% for 5m", Metric.ERROR_RATE, Op.BELOW, Bound(0.005), 300.0),
    Rule("p95 < 1.1x baseline for 5m", Metric.P95, Op.BELOW, Bound(factor=1.1), 300.0),
    Rule("requests > 1000 for 5m", Metric.REQUESTS, Op.ABOVE, Bound(1000.0), 300.0),
)
STAGE = Stage(percent=100 * CANDIDATE_SHARE, hold_seconds=3600.0, gates=GATES)
PLAN = Plan(stages=(STAGE,), guards=tuple(Guard(rule, Do.ROLLBACK) for rule in GUARDS))


def build_rollout() -> Rollout:
    """One with the ten rules."""
    table = build_table(1, KeySource(KeyKind.HEADER, "X-User-ID"))
    return msgspec.structs.replace(table.rollouts[0], plan=PLAN)


def count_second(route: str, error_rate: float, dice: Random) -> dict[Subject, Cell]:
    """What a second of requests leaves behind: log-normal latencies, and some errors of the candidate."""
    cells: dict[Subject, Cell] = {}
    for _ in range(REQUESTS):
        arm = Arm.CANDIDATE if dice.random() < CANDIDATE_SHARE else Arm.BASELINE
        path = f"/resource-{dice.randrange(PATHS)}/{{id}}"
        cell = cells.setdefault(Subject(route, path, str(arm), is_forced=False), Cell())
        cell.requests += 1
        bucket = bucket_of(dice.lognormvariate(-3, 0.5))
        cell.latencies[bucket] = cell.latencies.get(bucket, 0) + 1
        if dice.random() < (error_rate if arm is Arm.CANDIDATE else USUAL_ERROR_RATE):
            cell.errors["5xx"] = cell.errors.get("5xx", 0) + 1
    return cells


def measure(rollouts: int, error_rate: float) -> list[tuple[float, float]]:
    """CPU seconds of each measured second: taking in, and judging."""
    dice, rollout = Random(1), build_rollout()
    watches = [Watch(rollout, {"shop"}) for _ in range(rollouts)]
    for second in range(SECONDS):
        cells = count_second("shop", error_rate if second > SECONDS - 60 else USUAL_ERROR_RATE, dice)
        for watch in watches:
            watch.take(float(second), cells)
    return [
        _measure_second(watches, float(SECONDS + number), count_second("shop", error_rate, dice))
        for number in range(ROUNDS)
    ]


def _measure_second(watches: list[Watch], second: float, cells: Mapping[Subject, Cell]) -> tuple[float, float]:
    begun = time.process_time()
    for watch in watches:
        watch.take(second, cells)
    taken = time.process_time()
    for watch in watches:
        watch.judge_guards(second, STAGE)
        watch.judge_gates(second, STAGE)
    return taken - begun, time.process_time() - taken


def main() -> None:
    """Print the table: the middle one of a few seconds, each with the slots that happen to end in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    options = parser.parse_args()
    grid = Grid("candidates", "taking in", "judging", "together", "worst second")
    for name, error_rate in (("well", USUAL_ERROR_RATE), ("a little bad", BAD_ERROR_RATE)):
        measured = sorted(measure(options.rollouts, error_rate), key=sum)
        taking, judging = measured[len(measured) // 2]
        times = (taking, judging, taking + judging, sum(measured[-1]))
        grid.add_row(name, *(f"{each * 1e3:.0f} ms" for each in times))
    rules = len(GUARDS) + len(GATES)
    Console(width=100).print(f"{options.rollouts} rollouts of {rules} rules, CPU of one second's tick", grid)


if __name__ == "__main__":
    main()
