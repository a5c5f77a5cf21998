"""The figures as a table for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import datetime as dt
import os
import platform
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.cases import CASES, MIB

YARDSTICK = "nginx"
COLUMNS = (
    "case",
    "proxy",
    "CPU per request",
    f"to {YARDSTICK}",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "memory MiB",
    "failed",
)


class Figures(msgspec.Struct, frozen=True):
    """One proxy in one case: medians over the rounds."""

    case: str
    proxy: str
    cpu_us: float
    """User and system time of the whole process tree per request, in microseconds."""
    per_second: float
    p50_ms: float
    p99_ms: float
    resident_bytes: int
    """Of the whole tree after the load, shared pages counted once."""
    failed: int


class Results(msgspec.Struct):
    """A whole run, and where it was made."""

    machine: str
    started: str
    """RFC 3339, UTC."""
    seconds: float
    rounds: int
    figures: list[Figures] = msgspec.field(default_factory=list)

    @classmethod
    def begin(cls, seconds: float, rounds: int) -> Results:
        """An empty one, dated now."""
        now = dt.datetime.now(dt.UTC)
        return cls(machine(), now.isoformat(timespec="seconds"), seconds, rounds)

    def ratio(self, figures: Figures) -> float | None:
        """CPU per request over the yardstick's in the same case; None without a yardstick."""
        for other in self.figures:
            if (other.case, other.proxy) == (figures.case, YARDSTICK) and other.cpu_us:
                return figures.cpu_us / other.cpu_us
        return None

    def rows(self) -> list[tuple[str, ...]]:
        """What the tables show, as `COLUMNS` names it."""
        return [_row(figures, self.ratio(figures)) for figures in self.figures]

    def heading(self) -> str:
        """Machine, date and length in one line."""
        return f"{self.machine}; {self.started}; {self.rounds} rounds of {self.seconds:g} s, medians"


def machine() -> str:
    """Processor, cores, memory, kernel, Python: what the figures depend on."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    cores = len(os.sched_getaffinity(0))
    kernel = platform.release().split("-")[0]
    return f"{_processor()}, {cores} cores, {memory_gib:.0f} GiB, Linux {kernel}, Python {platform.python_version()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _row(figures: Figures, ratio: float | None) -> tuple[str, ...]:
    return (
        CASES[figures.case].title,
        figures.proxy,
        duration(figures.cpu_us),
        "" if ratio is None else f"{ratio:.2f}",
        f"{figures.per_second:,.0f}" if figures.per_second >= 10 else f"{figures.per_second:.2f}",
        f"{figures.p50_ms:.2f}",
        f"{figures.p99_ms:.2f}",
        f"{figures.resident_bytes / MIB:.0f}",
        str(figures.failed or ""),
    )


def duration(microseconds: float) -> str:
    """With a unit that leaves few digits."""
    if microseconds < 1_000:
        return f"{microseconds:.1f} µs"
    return f"{microseconds / 1_000:.1f} ms" if microseconds < 1_000_000 else f"{microseconds / 1_000_000:.2f} s"


def line(figures: Figures) -> str:
    """One proxy's figures while the run goes on."""
    return f"{figures.case:18} {figures.proxy:10} {duration(figures.cpu_us):>10}  {figures.per_second:>9,.1f}/s"


def show(results: Results) -> None:
    """Print the table; a line between cases."""
    table = Table(*COLUMNS, caption=results.heading())
    for column in table.columns[2:]:
        column.justify = "right"
    for figures, row, after in zip(results.figures, results.rows(), [*results.figures[1:], None], strict=True):
        table.add_row(*row, end_section=after is None or after.case != figures.case)
    # A pipe has no width: then as wide as the table wants to be.
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


def markdown(results: Results) -> str:
    """The table as it stands in ``bench/README.md``."""
    rows = [COLUMNS, ("---", "---", *("--:" for _ in COLUMNS[2:])), *results.rows()]
    return "\n".join([results.heading(), "", *("| " + " | ".join(row) + " |" for row in rows)])


def json_of(results: Results) -> bytes:
    """Machine, date and every figure."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"
