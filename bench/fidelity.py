"""Whether copies are what users sent: odd requests of every shape, compared byte by byte with what the candidate got.

``python -m bench.fidelity [--requests N] [--seed N]``

Methods, targets, fields and bodies must be equal but for the fields that are documented (`tests.e2e.fidelity`).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.command import carry_out
from bench.processes import BenchError
from tests.e2e.fidelity import Mirror

AT_A_TIME = 500
SHOWN = 10


def show(requests: int, seed: int) -> None:
    """Print how many there were of each method. Raises `BenchError` where a copy is not what was sent."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name, Mirror(Path(name)) as mirror:
        mirror.candidate.asked.clear()
        changes = []
        for start in range(0, requests, AT_A_TIME):
            changes += mirror.run(min(AT_A_TIME, requests - start), seed + start)
        asked = list(mirror.candidate.asked)
    table = Table("method", "copies", "bytes of bodies", title=f"{len(asked):,} copies, {len(changes)} differences")
    content_bytes: Counter[str] = Counter()
    for copy in asked:
        content_bytes[copy.method.decode()] += len(copy.content)
    for method, count in Counter(copy.method.decode() for copy in asked).most_common():
        table.add_row(method, f"{count:,}", f"{content_bytes[method]:,}")
    Console().print(table)
    if changes:
        raise BenchError("\n".join(["copies are not what was sent:", *changes[:SHOWN]]))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.fidelity", description="Copies against what was sent.")
    parser.add_argument("--requests", type=int, default=10_000, help="how many (default 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    options = parser.parse_args()
    carry_out(lambda: show(options.requests, options.seed))


if __name__ == "__main__":
    main()
