"""What users notice of a candidate that does its worst with their copies.

``python -m bench.shadow_faults [FAULT...] [--seconds N] [--rounds N] [--rate N]``

One gateway, one worker, 100 % copied, users at a bounded rate. For each fault a route without shadow and the one whose
copies meet the fault take turns, so that the machine's moods fall on both. The baseline is nginx; the candidate is
`bench.unruly`. Before a turn it is known what came of all copies of the one before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench import arena, copies
from bench.cases import MIB
from bench.command import carry_out
from bench.copies import Turn, list_uncompared, steady, take_turn
from bench.processes import BenchError, free_port, running
from tests.e2e.gateway import Gateway

SHADOW = "{percent: 100, timeout: 2s}"
FAULTS = {
    "well": "none: it answers well",
    "hangs": "hangs",
    "refuses": "refuses",
    "slow": "100 times slower",
    "endless": "sends 1 GiB",
    "garbage": "sends garbage",
    "bomb": "gzip of 128 MiB",
}
WARM_UP_SECONDS = 1.0
OFF = "off"

Pairs = list[tuple[Turn, Turn]]
"""Without shadow, and with it, one after the other."""


def configure(baseline_port: int, candidate_port: int) -> str:
    """A route for each fault, and one without shadow."""
    routes = [
        copies.route(fault, f"/{fault}/**", SHADOW, "nobody" if fault == "refuses" else "new") for fault in FAULTS
    ]
    return copies.head(baseline_port, candidate_port) + copies.route(OFF, f"/{OFF}/**") + "".join(routes)


def measure(faults: list[str], seconds: float, rounds: int, per_second: int) -> dict[str, Pairs]:
    """Let each fault take turns with shadow off."""
    port = free_port()
    # It stands for another machine, so it must not take the processors from this one.
    command = ["nice", "-n", "19", sys.executable, "-m", "bench.unruly", str(port)]
    with (
        arena.opened() as place,
        running("unruly", command, place.folder, f"http://127.0.0.1:{port}/well"),
        tempfile.TemporaryDirectory() as name,
        Gateway(configure(place.upstream.baseline_port, port), Path(name)) as gateway,
    ):

        def turn(route: str, seconds: float) -> Turn:
            case = steady(route, f"/{route}/orders/7", per_second)
            return take_turn(gateway, case, seconds, "" if route == OFF else route)

        turn(OFF, WARM_UP_SECONDS)
        turn("well", WARM_UP_SECONDS)
        return {fault: [(turn(OFF, seconds), turn(fault, seconds)) for _ in range(rounds)] for fault in faults}


def show(faults: list[str], seconds: float, rounds: int, per_second: int) -> None:
    """Print a row for each fault. Raises `BenchError` when a user's request failed."""
    columns = ("p50: off", "on", "p99: off", "on", "errors", "worker per request: off", "on", "worker", "comparer")
    table = Table("the candidate", *columns)
    measured = measure(faults, seconds, rounds, per_second)
    for fault, pairs in measured.items():
        table.add_row(FAULTS[fault], *list_cells(pairs))
    caption = f"{per_second:,} requests/s, {rounds} rounds of {seconds:g} s, medians; memory is the most there was"
    Console(width=140).print(table, caption)
    show_outcomes(measured)
    if any(turn.load.failed for pairs in measured.values() for pair in pairs for turn in pair):
        raise BenchError("a user's request failed")


def list_cells(pairs: Pairs) -> list[str]:
    """The figures of one fault."""
    off, on = zip(*pairs, strict=True)
    return [
        *(f"{median(turn.load.p50_ms for turn in turns):.2f} ms" for turns in (off, on)),
        *(f"{median(turn.load.p99_ms for turn in turns):.2f} ms" for turns in (off, on)),
        f"{sum(turn.load.failed for turn in off + on)}",
        *(f"{median(turn.worker_us for turn in turns):.0f} µs" for turns in (off, on)),
        f"{max(turn.worker_bytes for turn in on) / MIB:.0f} MiB",
        f"{max(turn.comparer_bytes for turn in on) / MIB:.0f} MiB",
    ]


def show_outcomes(measured: dict[str, Pairs]) -> None:
    """Print what came of copies."""
    table = Table("the candidate", "requests", "compared", "not compared")
    for fault, pairs in measured.items():
        on = [pair[1] for pair in pairs]
        requests, compared = sum(turn.load.requests for turn in on), sum(turn.compared for turn in on)
        table.add_row(FAULTS[fault], f"{requests:,}", f"{compared:,}", list_uncompared(on))
    Console(width=140).print(table)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.shadow_faults", description="Copies to a bad candidate.")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}; default: all")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument("--rate", type=int, default=1_000, help="requests per second (default 1,000)")
    options = parser.parse_args()
    unknown = set(options.faults) - FAULTS.keys()
    if unknown:
        parser.error(f"no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    carry_out(lambda: show(options.faults or list(FAULTS), options.seconds, options.rounds, options.rate))


if __name__ == "__main__":
    main()
