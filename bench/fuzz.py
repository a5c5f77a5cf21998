"""Whether any byte stream makes the data plane fail, hang, or pass on what is ambiguous.

``python -m bench.fuzz --streams 100000`` sends mutated and contradictory messages through the real connections, pools
and parsers, over wires in memory, and has what comes out read by two strict readers. It ends by itself; a finding is
printed with the bytes that made it, and the exit status is 1. The test suite does the same with 3,000 streams.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import uvloop
from rich.console import Console
from rich.table import Table as Grid

from bench.command import carry_out
from bench.processes import BenchError
from tests.fuzz.theatre import Finding, Outcome, theatre
from tests.fuzz.trial import play

STREAMS = 100_000
SHOWN_FINDINGS = 10


@dataclass
class Report:
    """What became of the streams: counts by whose they were and how they ended."""

    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def print(self) -> None:
        """A row for each side."""
        grid = Grid("streams from", "sent", *(outcome.value for outcome in Outcome))
        for side in ("client", "backend"):
            counts = [self.outcomes[side, outcome] for outcome in Outcome]
            grid.add_row(side, *(f"{count:,}" for count in (sum(counts), *counts)))
        Console().print(grid)
        print(f"{self.outcomes.total():,} streams in {self.seconds:.1f} s, {len(self.findings)} findings")


async def fuzz(streams: int, seed: int) -> Report:
    """Send so many streams; each is made by its own number, so that one can be sent again alone."""
    report = Report()
    started_at = time.monotonic()
    number = seed
    while number < seed + streams:
        async with theatre() as place:  # anew after a finding: who knows what it left behind
            while number < seed + streams:
                number += 1
                try:
                    report.outcomes[await play(place, Random(number))] += 1
                except Exception as error:  # noqa: BLE001  whatever is raised is what we look for
                    what = str(error) if isinstance(error, Finding) else repr(error)
                    report.findings.append(f"stream {number}: {what}")
                    break
    report.seconds = time.monotonic() - started_at
    return report


def main() -> None:
    """Read the command line, send, and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"how many (default {STREAMS:,})")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first (default 0)")
    options = parser.parse_args()

    def body() -> None:
        report = uvloop.run(fuzz(options.streams, options.seed))
        report.print()
        if report.findings:
            print("\n".join(report.findings[:SHOWN_FINDINGS]), file=sys.stderr)
            raise BenchError(f"{len(report.findings)} findings")

    carry_out(body)


if __name__ == "__main__":
    main()
