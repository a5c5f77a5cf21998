"""How soon a bug is found among noise, and how much noise is taken for one.

``python -m bench.noise [--runs N] [--copies N] [--shares PERCENT...]``

An order is asked for again and again. Whoever answers, its time stamp and request ID are new, its tags come in any
order, and a counter has moved in three of ten answers. The candidate of the one half of all runs is as good as the
baseline; that of the other rounds the total wrongly in one answer of a hundred. All of it is JSON that goes through the
comparer as it runs; only the worker and the wire are missing. Nobody tells the comparer what to ignore.

Each row is a share of copies that go to the baseline a second time. Twenty copies come in a second.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from random import Random
from statistics import mean, median
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from bench.decision import build_table
from gateway.core.shadowing import Compare, Pair, Reply, Shadow
from gateway.core.types import KeyKind, KeySource, Table
from gateway.shadow.comparer import Comparer

SHARES = (1.0, 10.0)
BUG = ("$.total", "value")
BUG_RATE = 0.01
MOVED_RATE = 0.3
COPIES_PER_SECOND = 20
HEAD = b"Content-Type: application/json\r\n"
TAGS = ["new", "paid", "gift", "express", "insured"]
ITEMS = [{"sku": f"{number:08}", "name": f"thing {number}", "price": 1.5 * number, "count": 2} for number in range(20)]


class Run(NamedTuple):
    """What came of so many copies."""

    found_after: int | None
    """Copies until the bug counted; None: it did not."""
    false_mismatches: int
    """Answers that are a mismatch though nothing but noise differs, as far as fields other than the bug's counted."""


class Shop:
    """Answers to the same request, none like the other."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._visits = 0

    def answer(self, total: float = 57.0) -> Reply:
        """One of them."""
        dice = self._dice
        self._visits += dice.random() < MOVED_RATE
        order: dict[str, Any] = {
            "request_id": f"{dice.getrandbits(128):032x}",
            "answered_at": dice.random(),
            "visits": self._visits,
            "tags": dice.sample(TAGS, len(TAGS)),
            "items": ITEMS,
            "total": total,
        }
        return Reply(200, HEAD, json.dumps(order).encode())


def build_policy(noise: float) -> Table:
    """One route, all of whose requests are copied."""
    table = build_table(1, KeySource(KeyKind.HEADER, "X-User-ID"))
    compare = Compare(status=True, headers=("Content-Type",), noise=noise)
    shadow = Shadow(
        percent=100.0,
        methods=frozenset({"GET"}),
        both=False,
        body_bytes=1 << 18,
        concurrency=64,
        timeout_seconds=10.0,
        compare=compare,
    )
    return msgspec.structs.replace(table, routes=(msgspec.structs.replace(table.routes[0], shadow=shadow),))


def list_pairs(seed: int, noise: float, copies: int, bug_rate: float) -> Iterator[Pair]:
    """Copies in their order, each after its twin."""
    dice = Random(seed)
    shop = Shop(dice)
    for number in range(copies):
        user = shop.answer()
        twin = shop.answer() if dice.random() * 100 < noise else None
        copy = shop.answer(57.01 if dice.random() < bug_rate else 57.0)
        for other, is_twin in ((twin, True), (copy, False)):
            if other is not None:
                at = number / COPIES_PER_SECOND
                yield Pair("route-0", "/orders/{id}", "GET", f"{number}", at, user, other, is_twin)


def follow(seed: int, noise: float, copies: int, bug_rate: float) -> Run:
    """One run through a comparer of its own."""
    comparer = Comparer()
    comparer.adopt(build_policy(noise))
    compared = false = 0
    found_after = None
    for pair in list_pairs(seed, noise, copies, bug_rate):
        comparer.take(pair)
        comparer.tick(pair.time)
        tallies = comparer.take_tallies()
        compared += not pair.is_twin
        counted = {key: field.counted for tally in tallies for key, field in tally.fields.items() if field.counted}
        if counted.pop(BUG, 0) and found_after is None:
            found_after = compared
        false += max(counted.values(), default=0)
    return Run(found_after, false)


def list_cells(noise: float, runs: int, copies: int) -> list[str]:
    """The row of one share."""
    with_bug = [follow(seed, noise, copies, BUG_RATE) for seed in range(runs)]
    without = [follow(seed + runs, noise, copies, 0.0) for seed in range(runs)]
    found = sorted(run.found_after for run in with_bug if run.found_after is not None)
    clean = sum(run.false_mismatches == 0 for run in without)
    return [
        f"{noise:g} %",
        f"{median(found):,.0f}" if found else "",
        f"{found[-1]:,}" if found else "",
        f"{runs - len(found)}",
        f"{clean} of {runs}",
        f"{mean(run.false_mismatches for run in without):.2f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench.noise", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="with the bug, and as many without")
    parser.add_argument("--copies", type=int, default=2_000, help="of each run")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=SHARES, help="of the copies that have a twin, in percent"
    )
    asked = parser.parse_args()
    grid = Grid(
        "twins",
        "copies until a 1 % bug counts",
        "at most",
        "not found",
        "runs without a false mismatch",
        "false ones per run",
    )
    for noise in asked.shares:
        grid.add_row(*list_cells(noise, asked.runs, asked.copies))
    Console().print(grid)


if __name__ == "__main__":
    main()
