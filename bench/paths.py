"""Whether memory grows with the paths that clients invent.

``python -m bench.paths [--paths N]``

A pipelining client asks for a million paths, no two the same, of many kinds; the first 100,000 warm up. Then no
process of the gateway may have grown by 20 MiB, and ``/metrics`` shows 100 templates and ``{other}``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.cases import MIB
from bench.command import carry_out
from bench.processes import BenchError, resident_bytes_of
from tests.e2e.exposition import scrape, sum_by, total
from tests.e2e.flood import flood
from tests.e2e.gateway import Gateway
from tests.e2e.obedient import obedient

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, access_log: off}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: http://127.0.0.1:{baseline}, new: http://127.0.0.1:{candidate}}}
rollouts: {{shop: {{key: [header:X-User-ID], percent: 50}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
MOST_BYTES = 20 * MIB
MOST_PATHS = 101
PARTS = 10


def resident_bytes(gateway: Gateway) -> dict[str, int]:
    """Of each process, by its name."""
    names = {"worker 0": "w0", "worker 1": "w1", "controller": "contr"}
    return {name: resident_bytes_of(gateway.pids(start)[0]) for name, start in names.items()}


def ask(gateway: Gateway, paths: int) -> list[dict[str, int]]:
    """Ask for so many paths in `PARTS`; the memory after each."""
    sizes = []
    part = paths // PARTS
    for number in range(PARTS):
        if flood(gateway.port, number * part, part) != part:
            raise BenchError("a request was not served")
        gateway.wait_until(lambda number=number: total(gateway, "crossfade_requests") == (number + 1) * part)
        sizes.append(resident_bytes(gateway))
    return sizes


def show(paths: int) -> None:
    """Print how large each process was on the way. Raises `BenchError` when one grew, or a label was not bounded."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name, obedient(Path(name) / "backend") as ports:
        folder = Path(name) / "gateway"
        folder.mkdir()
        text = CONFIGURATION.format(baseline=ports[0], candidate=ports[1])
        with Gateway(text, folder) as gateway:
            begun = time.monotonic()
            sizes = ask(gateway, paths)
            seconds = time.monotonic() - begun
            labels = len(sum_by(scrape(gateway)["crossfade_requests"], "_total", "path"))
    table = Table("process", "after a tenth", "half", "all, MiB", "grown by", caption=f"{paths:,} in {seconds:.0f} s")
    growth = {process: size - sizes[0][process] for process, size in sizes[-1].items()}
    for process, grown in growth.items():
        row = (sizes[at][process] for at in (0, PARTS // 2 - 1, -1))
        table.add_row(process, *(f"{size / MIB:.1f}" for size in row), f"{grown / MIB:+.1f}")
    Console().print(table, f"paths in /metrics: {labels}")
    if max(growth.values()) >= MOST_BYTES or labels > MOST_PATHS:
        raise BenchError("memory or labels grew with the paths")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.paths", description="Memory under paths that clients invent.")
    parser.add_argument("--paths", type=int, default=1_000_000, help="how many (default 1,000,000)")
    options = parser.parse_args()
    carry_out(lambda: show(options.paths))


if __name__ == "__main__":
    main()
