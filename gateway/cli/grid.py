"""Tables for people: aligned, plain, whole when they are piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.admin import show

UNKNOWN = "\N{EN DASH}"
PIPED_COLUMNS = 10_000
"""Nothing is cut for a file or another program."""


def draw_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns; those whose name ends with ``>`` stand to the right. None is unknown."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.removesuffix(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(UNKNOWN if cell is None else show(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        click.echo(line.rstrip())


def show_percent(percent: float | None) -> str | None:
    """``5 %``, ``0.01 %``, ``99.999 %``: what somebody wrote, so as it was written."""
    return None if percent is None else f"{_write_out(percent, 10)} %"


def show_rate(rate: float | None) -> str | None:
    """A rate from 0 to 1 as a percentage: what somebody measured, so no more figures than count."""
    return None if rate is None else f"{_write_out(rate * 100, 3)} %"


def _write_out(number: float, figures: int) -> str:
    """So many figures that count, and never a power of ten: ``0.00001``."""
    return f"{Decimal(f'{number:.{figures}g}'):f}"


def show_milliseconds(milliseconds: float | None) -> str | None:
    """``0.31 ms``, ``12.5 ms``, ``1,250 ms``."""
    if milliseconds is None:
        return None
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2  # noqa: PLR2004 - three figures that count
    return f"{milliseconds:,.{digits}f} ms"


def show_span(seconds: float) -> str:
    """How long: its two largest units."""
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    left = int(seconds)
    parts: list[str] = []
    for name, size in units:
        number, left = divmod(left, size)
        if number or (name == "s" and not parts):
            parts.append(f"{number} {name}")
    return " ".join(parts[:2])
