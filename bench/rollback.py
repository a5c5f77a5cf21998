"""How soon users are away from a candidate that turns bad, and how many of them notice.

``python -m bench.rollback [--runs N] [--healthy SECONDS] [--faults NAME...]``

Half the users of about 500 requests per second are on the candidate, under the default guard, when it turns: at the
start, and after so many seconds of healthy traffic. Times run from the first request that the candidate fails: to the
rollback in force, and to the last request that reaches it. A request is lost when its client saw anything but the
whole right answer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.command import carry_out
from bench.processes import BenchError
from tests.e2e.fickle import Fickle, Mood, fickle
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {{endpoints: {new}, timeouts: {{response: 1s, idle: 1s}}}}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 50}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
FAULTS = {
    "500": Mood.FAILING,
    "refused": Mood.REFUSING,
    "hangs": Mood.SILENT,
    "garbage": Mood.GARBLED,
    "cut": Mood.CUTTING,
    "slow": Mood.SLOW,
}
CLIENTS, PAUSE_SECONDS = 16, 0.02
ANSWER_SECONDS = 0.008
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.02
WATCH_SECONDS = 3.0
"""After a rollback: whoever still comes to the candidate is seen."""
IN_FORCE_SECONDS = 1.0
"""What every worker has for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one run; seconds count from the fault."""

    rule: str
    rollback_seconds: float
    last_seconds: float
    answered: int
    per_second: float
    lost: list[str]
    late: int
    """Requests that the candidate got later than `IN_FORCE_SECONDS` after the rollback."""


def turn_bad(mood: Mood, healthy_seconds: float) -> Outcome:
    """One run on fresh processes. Raises `BenchError` when there is no rollback."""
    with fickle(ANSWER_SECONDS) as legacy, fickle(ANSWER_SECONDS) as new, tempfile.TemporaryDirectory() as name:
        configuration = CONFIGURATION.format(legacy=legacy.url, new=new.url)
        with Gateway(configuration, Path(name)) as gateway, Load(gateway.port, "/", CLIENTS, PAUSE_SECONDS) as load:
            began = time.monotonic()
            load.wait_for_answers(1)
            time.sleep(healthy_seconds)
            return observe(gateway, load, new, mood, began)


def observe(gateway: Gateway, load: Load, new: Fickle, mood: Mood, began: float) -> Outcome:
    """From the fault until it is certain that nobody comes to the candidate any more."""
    new.turn(mood)
    fault = time.monotonic()
    await_rollback(gateway, fault)
    rollback = time.monotonic()
    time.sleep(WATCH_SECONDS)
    bad = [at for at in new.asked_at if at >= fault]
    first, last = (bad[0], bad[-1]) if bad else (fault, fault)
    return Outcome(
        rule=rule_of(gateway),
        rollback_seconds=rollback - first,
        last_seconds=last - first,
        answered=load.answered,
        per_second=load.answered / (time.monotonic() - began),
        lost=list(load.failures),
        late=sum(at > rollback + IN_FORCE_SECONDS for at in bad),
    )


def await_rollback(gateway: Gateway, fault: float) -> None:
    """Return when it is in force."""
    while gateway.ask("/api/v1/rollouts/shop")[1]["state"] != "rolled_back":
        if time.monotonic() > fault + PATIENCE_SECONDS:
            raise BenchError(f"no rollback within {PATIENCE_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)


def rule_of(gateway: Gateway) -> str:
    """Which rule did it."""
    incidents = gateway.ask("/api/v1/incidents")[1]["items"]
    return str(incidents[0]["rule"]) if incidents else "?"


def show(faults: list[str], healthy_seconds: list[float], runs: int) -> None:
    """Print a row for each fault and time. Raises `BenchError` when the candidate got a request afterwards."""
    table = Table("fault", "healthy before", "rule", "rollback", "last request", "lost", "of", "requests/s")
    late = 0
    for fault in faults:
        for seconds in healthy_seconds:
            outcomes = [turn_bad(FAULTS[fault], seconds) for _ in range(runs)]
            late += sum(outcome.late for outcome in outcomes)
            table.add_row(fault, f"{seconds:.0f} s", *describe(outcomes))
    Console(width=150).print(table)
    if late:
        raise BenchError(f"the candidate got {late} requests after a rollback")


def describe(outcomes: list[Outcome]) -> list[str]:
    """Median and worst of the times; the sums of the requests."""
    return [
        ", ".join(sorted({outcome.rule for outcome in outcomes})),
        spread([outcome.rollback_seconds for outcome in outcomes]),
        spread([outcome.last_seconds for outcome in outcomes]),
        str(sum(len(outcome.lost) for outcome in outcomes)),
        f"{sum(outcome.answered for outcome in outcomes):,}",
        f"{median(outcome.per_second for outcome in outcomes):.0f}",
    ]


def spread(seconds: list[float]) -> str:
    """As people read it."""
    return f"{median(seconds):.1f} s, at most {max(seconds):.1f} s"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.rollback", description="From a fault to a rollback.")
    parser.add_argument("--runs", type=int, default=3, help="of each (default 3)")
    parser.add_argument("--healthy", type=float, nargs="+", default=[0.0, 65.0], help="seconds (default 0 and 65)")
    parser.add_argument(
        "--faults", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="NAME", help="default: all"
    )
    options = parser.parse_args()
    carry_out(lambda: show(options.faults, options.healthy, options.runs))


if __name__ == "__main__":
    main()
