"""How often a guard acts without cause, and how soon with one: many simulated rollouts.

``python -m bench.rollouts [CASE...] [--runs N] [--hold TIME] [--processes N]``

``alike`` is a candidate as good as the baseline through a whole plan (5, 25, 50, 100 %, an hour each, 50 requests/s):
whatever acts there acts without cause. The other cases strike at 5 % of 200 requests/s with the faults that rollouts
are there to find. All have the default guard, at 95 %, but for the one with ``per: path``.

2,000 runs of ``alike`` are 28.8 million simulated seconds: half an hour on two CPUs. Fewer runs, or a
shorter ``--hold``, say nearly as much: false alarms come early in a stage or not at all.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table as Grid

from gateway.core.plans import Bound, Do, Guard, Metric, Op, Plan, Rule, Stage
from gateway.core.rules import parse_rule
from gateway.core.types import Hash, KeyKind, KeySource, MissingKey, Mode, Rollout
from gateway.settings.quantities import parse_duration
from gateway.simulation.campaign import Summary, run_campaign, summarize
from gateway.simulation.faults import parse_fault
from gateway.simulation.traffic import Traffic
from gateway.simulation.trial import Scenario, Trial

PERCENTAGES = (5, 25, 50, 100)
WARM_UP_SECONDS = 330.0
"""When a fault strikes: all windows of the default guard are full of healthy traffic by then."""
PATIENCE_SECONDS = 900.0
"""How long a fault may go unnoticed."""
FEWER = 10
"""Detection needs fewer runs than false alarms, which are rare: a tenth."""

DEFAULT_GUARD = (
    "error_rate > 20% for 5s",
    "error_rate > 5% for 1m",
    "error_rate > baseline + 1% for 1m",
    "client_error_rate > baseline + 10% for 5m",
    "p99 > 2x baseline for 5m",
)
PER_PATH = Rule("error_rate > 20% for 1m", Metric.ERROR_RATE, Op.ABOVE, Bound(0.2), 60.0, per_path=True)


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of candidate, and how it is to be treated."""

    name: str
    title: str
    fault: str | None
    most_seconds: float | None
    """The median time to act must not be longer; None: nothing may act at all."""
    paths: int = 1
    is_per_path: bool = False


CASES = {
    case.name: case
    for case in (
        Case("alike", "as good as the baseline", None, None),
        Case("errors", "errors 0.2 % -> 5 %", "errors=5%", 60.0),
        Case("latency", "all latencies x 3", "latency=3x", 120.0),
        Case("path", "one path of twenty broken", "path=1", 180.0, paths=20, is_per_path=True),
        Case("both", "both arms fail alike", "both=20%", None),
        Case("dead", "500 to everything", "errors=100%", 3.0),
    )
}


def build_scenario(case: Case, hold_seconds: float) -> Scenario:
    """The case as something to simulate."""
    stages = tuple(Stage(percent=percent, hold_seconds=hold_seconds) for percent in PERCENTAGES)
    rules = [parse_rule(text) for text in DEFAULT_GUARD] + [PER_PATH] * case.is_per_path
    return Scenario(
        rollout=Rollout(
            name="checkout",
            mode=Mode.LIVE,
            key=((KeySource(KeyKind.HEADER, "X-User-ID"),),),
            on_missing_key=MissingKey.BASELINE,
            salt="checkout",
            hash=Hash.MURMUR3,
            cohorts=(),
            percent=0.0,
            plan=Plan(stages=stages, guards=tuple(Guard(rule, Do.ROLLBACK) for rule in rules)),
        ),
        places=tuple(("orders", f"/orders-{number}/{{id}}") for number in range(case.paths)),
        traffic=Traffic(requests_per_second=200.0 if case.fault else 50.0),
        faults=(parse_fault(case.fault),) if case.fault else (),
        fault_at_seconds=WARM_UP_SECONDS,
        bound_seconds=WARM_UP_SECONDS + PATIENCE_SECONDS if case.fault else None,
    )


def measure(case: Case, runs: int, hold_seconds: float, processes: int) -> tuple[Summary, float]:
    """What the runs say, and how many seconds were simulated in one second."""
    begun = time.monotonic()
    trials = run_campaign(build_scenario(case, hold_seconds), 1, runs, processes)
    seen = list(_follow(trials, case, runs))
    return summarize(seen), sum(trial.seconds for trial in seen) / (time.monotonic() - begun)


def _follow(trials: Iterator[Trial], case: Case, runs: int) -> Iterator[Trial]:
    yield from track(trials, case.title, runs, console=Console(stderr=True), transient=True, disable=not _is_watched())


def _is_watched() -> bool:
    return sys.stderr.isatty()


def list_cells(case: Case, summary: Summary, speed: float) -> list[str]:
    """The row of a case."""
    spans = summary.detection_seconds
    times = ["", "", ""] if spans is None else [f"{each:.0f} s" for each in (spans.median, spans.p90, spans.max)]
    missed = f"{summary.undetected / summary.faults:.1%}" if summary.faults and case.most_seconds else ""
    return [
        case.title,
        f"{summary.runs:,}",
        f"{summary.false_alarms} ({summary.false_alarm_rate:.2%})",
        *times,
        missed,
        f"{speed:,.0f}",
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.rollouts", description="False alarms and times to act.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--runs", type=int, default=2000, help="of `alike`; a tenth of the others (default 2000)")
    parser.add_argument("--hold", type=parse_duration, default="1h", help="of each stage (default 1h)")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="default: all CPUs")
    options = parser.parse_args()
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    columns = ("candidate", "runs", "false rollbacks", "median", "p90", "max", "missed", "simulated s/s")
    grid = Grid(*columns)
    for name in options.cases or CASES:
        case = CASES[name]
        runs = options.runs if case.fault is None else max(1, options.runs // FEWER)
        summary, speed = measure(case, runs, options.hold, options.processes)
        grid.add_row(*list_cells(case, summary, speed))
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
