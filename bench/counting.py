"""Whether the figures are those of the load, whatever dies on the way.

``python -m bench.counting [--requests N] [--delayed N]``

First a known mix of paths, arms, methods and codes goes through two workers. At a quarter a worker is killed, at half
the controller; `crossfade_requests_total` must equal the load's own log, but for what the connections of the killed
worker were answered in its last 250 ms. Then every request is made to wait for a time of its own, and the quantiles of
``/api/v1/paths`` are held against the exact ones.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.command import carry_out
from bench.processes import BenchError
from tests.e2e.exposition import counted
from tests.e2e.figure_load import BACKENDS, FigureLoad, Place, configure, delayed, mix
from tests.e2e.gateway import Gateway
from tests.e2e.obedient import obedient

REPORT_SECONDS = 0.25
LINK_SECONDS = 0.1  # how late, on a busy machine, the report before may have left
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
WORST = 0.03


@contextmanager
def served() -> Iterator[tuple[Gateway, tuple[int, int]]]:
    """A gateway with two workers before two backends that do as they are told."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name, obedient(Path(name) / "backend") as ports:
        folder = Path(name) / "gateway"
        folder.mkdir()
        with Gateway(configure(ports), folder) as gateway:
            yield gateway, ports


def count(requests: int) -> None:
    """Kill on the way, and compare. Raises `BenchError` when a request is missing or was counted twice."""
    with served() as (gateway, ports):
        begun = time.monotonic()
        with FigureLoad(gateway.port, mix(requests), ports) as load:
            kill(gateway, load, "w1", requests // 4)
            kill(gateway, load, "contr", requests // 2)
        seconds = time.monotonic() - begun
        log, allowed = load.tally(), load.answered_last(REPORT_SECONDS + LINK_SECONDS)
        gateway.wait_until(lambda: not log - allowed - counted(gateway))
        time.sleep(1.0)  # for whoever would repeat a report
        shown = counted(gateway)
    table = Table("what", "how many")
    table.add_row("requests", f"{requests:,} in {seconds:.0f} s, {len(log)} combinations of labels")
    table.add_row("broken off with the worker", f"{len(load.broken)}")
    table.add_row("answered, by the load's log", f"{log.total():,}")
    table.add_row("counted", f"{shown.total():,}")
    table.add_row("of the worker's last 250 ms, missing", f"{(log - shown).total():,}, of {allowed.total():,} answered")
    table.add_row("otherwise missing", f"{(log - allowed - shown).total():,}")
    table.add_row("counted more than once", f"{(shown - log).total():,}")
    Console(width=120).print(table)
    if load.surprises or shown - log or log - allowed - shown:
        raise BenchError(f"the figures are not those of the load: {dict(shown - log)} {load.surprises[:3]}")


def kill(gateway: Gateway, load: FigureLoad, name: str, after: int) -> None:
    """Kill a process under load, and wait for its successor."""
    load.wait_for(after)
    (pid,) = gateway.pids(name)
    os.kill(pid, signal.SIGKILL)
    gateway.wait_until(lambda: gateway.pids(name) not in ([], [pid]) and gateway.is_ready())


def estimate(requests: int) -> None:
    """Compare quantiles. Raises `BenchError` when one is off by more than 3 %."""
    with served() as (gateway, ports):
        with FigureLoad(gateway.port, delayed(requests), ports, connections=128) as load:
            pass
        gateway.wait_until(lambda: counted(gateway).total() >= requests)
        items: list[dict[str, Any]] = gateway.ask("/api/v1/paths?window=10m")[1]["items"]
    worst = show_quantiles(load, items)
    if worst > WORST:
        raise BenchError(f"a quantile is off by {worst:.1%}")


def show_quantiles(load: FigureLoad, items: list[dict[str, Any]]) -> float:
    """Print each quantile beside the exact one; returns by how much the worst is off."""
    table = Table("path", "arm", "requests", *(f"{name} ms, exact and off by" for name in SHARES))
    worst = 0.0
    for row in items:
        for arm in BACKENDS:
            places = Counter(entry.place for entry in load.entries if is_at(entry.place, row, arm))
            if not places:
                continue
            cells = []
            for name, share in SHARES.items():
                exact = load.quantile(share, places.__contains__) * 1000
                off = row[arm][name] / exact - 1
                worst = max(worst, abs(off))
                cells.append(f"{exact:.2f}  {off:+.2%}")
            table.add_row(row["path"], arm, f"{places.total():,}", *cells)
    Console(width=120).print(table)
    return worst


def is_at(place: Place, row: dict[str, Any], arm: str) -> bool:
    """Whether a place is of this row and arm."""
    return (place.route, place.path, place.arm) == (row["route"], row["path"], arm)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.counting", description="The figures against the load's own log.")
    parser.add_argument("--requests", type=int, default=200_000, help="that are counted (default 200,000)")
    parser.add_argument(
        "--delayed", type=int, default=12_000, help="whose quantiles are compared (default 12,000; 0: none)"
    )
    options = parser.parse_args()
    carry_out(lambda: count(options.requests))
    if options.delayed:
        carry_out(lambda: estimate(options.delayed))


if __name__ == "__main__":
    main()
