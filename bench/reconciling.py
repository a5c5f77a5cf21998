"""Whether a baseline has every write once and in order after a rollback, whatever was killed on the way.

``python -m bench.reconciling [--writes N] [--kills N] [--seed N]``

Users write while the candidate answers all of them; workers, the controller and all at once are killed in turn. Then
the rollout is rolled back and reconciled, with the controller killed amid that, and reconciled twice more
(`tests.e2e.journaled`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.command import carry_out
from bench.processes import BenchError
from tests.e2e.journaled import Journaled, count

USERS = 10
VICTIMS = ("w0", "contr", "w1", "master")


def show(writes: int, kills: int, seed: int) -> None:
    """Print what happened on the way. Raises `BenchError` when the baseline has not each write once, in order."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name, Journaled(Path(name), seed) as journaled:
        try:
            rows = _run(journaled, writes, kills)
        except AssertionError as error:
            raise BenchError(f"the baseline has not each write once, in order: {error}") from error
    table = Table("what", "how many", title="each write is there once, and in the order of its user")
    for what, many in rows:
        table.add_row(what, f"{many:,.0f}")
    Console().print(table)


def _run(journaled: Journaled, writes: int, kills: int) -> list[tuple[str, float]]:
    journaled.write(USERS, writes // USERS, list(islice(cycle(VICTIMS), kills)))
    journaled.roll_back()
    journaled.reconcile_amid_kill(writes // 3)
    first = len(journaled.baseline.asked)
    began = time.monotonic()
    _, (*_, second) = journaled.reconcile()
    seconds = time.monotonic() - began
    journaled.check()
    *_, third = journaled.call()
    journaled.check()
    return [
        ("writes that users were answered", count(journaled.written)),
        ("tries", len(journaled.candidate.asked)),
        ("kills while they wrote", kills),
        ("sent until the controller was killed", first),
        ("applied by the second run", second["applied"]),
        ("applied by the third run", third["applied"]),
        ("writes per second of the second run", second["applied"] / seconds),
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.reconciling", description="Kills amid writing and reconciling.")
    parser.add_argument("--writes", type=int, default=5000, help="how many (default 5,000)")
    parser.add_argument("--kills", type=int, default=8, help="while users write (default 8)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    options = parser.parse_args()
    carry_out(lambda: show(options.writes, options.kills, options.seed))


if __name__ == "__main__":
    main()
