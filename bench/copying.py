"""What copying every request costs the process that serves users, and comparing the one that compares.

``python -m bench.copying [--seconds N] [--rounds N] [--rate N]``

A gateway without shadow and one that copies 100 % of small GETs, and compares them, take turns before the same nginx.
Both arms' answers differ in a time and an ID, which the policy names or twins teach, so that every pair is decoded and
walked. The load is at a bounded rate: then nothing is skipped, and the figures are those of copies that were compared.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench import arena, copies
from bench.command import carry_out
from bench.copies import Turn, list_uncompared, steady, take_turn
from bench.processes import BenchError
from tests.e2e.gateway import Gateway

OFF = "shadow off"
SHADOWS = {
    OFF: "",
    "100 %": copies.EVERYTHING,
    "100 %, 5 % twice": "{percent: 100, compare: {noise: 5}}",
}
TARGETS = {"100 %": 2.2}
WARM_UP_SECONDS = 1.0
NAME, PATH = "all", "/stamped/7"

Turns = dict[str, list[Turn]]


def measure(seconds: float, rounds: int, per_second: int) -> Turns:
    """Let all gateways take turns. Raises `BenchError` when a request failed."""
    turns: Turns = {title: [] for title in SHADOWS}
    with arena.opened() as place, tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        beginning = copies.head(place.upstream.baseline_port, place.upstream.candidate_port)
        gateways = {}
        for number, (title, shadow) in enumerate(SHADOWS.items()):
            folder = Path(name) / f"{number}"
            folder.mkdir()
            text = beginning + copies.route(NAME, "/**", shadow)
            gateways[title] = stack.enter_context(Gateway(text, folder))
            turn(gateways[title], title, WARM_UP_SECONDS, per_second)
        for number in range(rounds):
            for title in list(SHADOWS)[:: 1 if number % 2 else -1]:
                turns[title].append(turn(gateways[title], title, seconds, per_second))
    return turns


def turn(gateway: Gateway, title: str, seconds: float, per_second: int) -> Turn:
    """One of one gateway."""
    taken = take_turn(gateway, steady(title, PATH, per_second), seconds, NAME if SHADOWS[title] else "")
    if taken.load.failed:
        raise BenchError(f"{title}: {taken.load.failed} requests failed")
    return taken


def show(seconds: float, rounds: int, per_second: int) -> None:
    """Print a row for each. Raises `BenchError` when one costs more than it should."""
    turns = measure(seconds, rounds, per_second)
    table = Table("copied", "requests/s", "worker, per request", "to shadow off", "comparer, per pair", "not compared")
    costs = {}
    for title, taken in turns.items():
        ratios = [mine.worker_us / its.worker_us for mine, its in zip(taken, turns[OFF], strict=True)]
        costs[title] = median(ratios)
        table.add_row(title, *list_cells(taken, costs[title]))
    Console(width=120).print(table, f"{rounds} rounds of {seconds:g} s, medians of each round's ratios")
    for title, most in TARGETS.items():
        if costs[title] > most:
            raise BenchError(f"copying {title} costs {costs[title]:.2f} times as much as none; the promise is {most}")


def list_cells(taken: list[Turn], ratio: float) -> list[str]:
    """The figures of one gateway."""
    pairs = [each.comparer_seconds / each.compared * 1e6 for each in taken if each.compared]
    return [
        f"{median(each.load.requests / each.load.seconds for each in taken):,.0f}",
        f"{median(each.worker_us for each in taken):.1f} µs",
        f"{ratio:.2f}",
        f"{median(pairs):.1f} µs" if pairs else "",
        list_uncompared(taken),
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.copying", description="What copying costs.")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn (default 3)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--rate", type=int, default=2_000, help="requests per second; 0: all it can (default 2,000)")
    options = parser.parse_args()
    carry_out(lambda: show(options.seconds, options.rounds, options.rate))


if __name__ == "__main__":
    main()
