"""`crossfade diff`: what a change of the configuration does to routes and to keys, before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from gateway.cli.table import read_table
from gateway.core.movement import GENERATED_KEYS, Change, Movement, Shift, compare_tables, generate_keys
from gateway.errors import CommandError

_FILE = click.Path(path_type=Path)


@click.command(name="diff")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--keys",
    "keys_path",
    type=_FILE,
    metavar="FILE",
    help=f"One key per line; without it {GENERATED_KEYS:,} made-up ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
def command(old: Path, new: Path, keys_path: Path | None, as_json: bool) -> None:
    """Show what the change from OLD to NEW does: routes that differ, and how many keys move to which arm."""
    before, after = read_table(old), read_table(new)
    movement = compare_tables(before, after, read_keys(keys_path) if keys_path else generate_keys())
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(movement), "keys_from": str(keys_path or "generated")}))
        return
    for line in draw_movement(movement, generated=keys_path is None):
        click.echo(line)


def read_keys(path: Path) -> list[bytes]:
    """One key per line, outer white space off, without empty lines and repeats."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    return list(dict.fromkeys(key for line in lines if (key := line.strip())))


def draw_movement(movement: Movement, *, generated: bool) -> Iterator[str]:
    """The movement as lines of text."""
    if movement.is_empty:
        yield "no difference"
        return
    yield from _draw_changes("route", movement.routes)
    if movement.routes_reordered:
        yield "routes are tried in another order"
    yield from _draw_changes("backend", movement.backends)
    if movement.server:
        yield f"server changed: {', '.join(movement.server)}"
    for shift in movement.rollouts:
        yield from _draw_shift(shift, movement.keys)
    if movement.rollouts:
        origin = "generated keys" if generated else "keys of the file"
        yield f"counted over {movement.keys:,} {origin}; cohorts are not counted with"


def _draw_changes(word: str, changes: tuple[Change, ...]) -> Iterator[str]:
    for change in changes:
        fields = f": {', '.join(change.fields)}" if change.fields else ""
        yield f"{word} {change.name} {change.kind}{fields}"


def _draw_shift(shift: Shift, keys: int) -> Iterator[str]:
    fields = f": {', '.join(shift.fields)}" if shift.fields else ""
    yield f"rollout {shift.name} {shift.kind}{fields}  ({shift.percent_before:g} % -> {shift.percent_after:g} %)"
    rows = {
        "baseline -> candidate": shift.to_candidate,
        "candidate -> baseline": shift.to_baseline,
        "stay on the candidate": shift.stay_candidate,
        "stay on the baseline": shift.stay_baseline,
    }
    for label, count in rows.items():
        yield f"    {label:<22}{count:>10,}  {100 * count / max(keys, 1):6.2f} %"
    if shift.reshuffled_by:
        yield f"    users are reshuffled: {' and '.join(shift.reshuffled_by)} changed"
    if "key" in shift.reshuffled_by:
        yield "    which user gets which key now can't be told from keys alone: the counts leave it out"
