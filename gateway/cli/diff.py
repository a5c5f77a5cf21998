"""`crossfade diff`: what a change of the configuration does to routes and to keys, before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from gateway.cli.table import read_table
from gateway.core.movement import GENERATED_KEYS, Change, Kind, Movement, Shift, compare_tables, generate_keys
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
    """Show what the change from OLD to NEW does: routes that differ, and how many keys move to which arm or backend."""
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
    for change in movement.routes:
        yield from _draw_changes("route", (change,))
        yield from _draw_moves(movement, change.name)
    if movement.routes_reordered:
        yield "routes are tried in another order"
    yield from _draw_changes("backend", movement.backends)
    if movement.server:
        yield f"server changed: {', '.join(movement.server)}"
    if movement.tokens:
        yield f"jwt changed: {', '.join(movement.tokens)}; which tokens are good can't be told from keys alone"
    for shift in movement.rollouts:
        yield from _draw_shift(shift, movement.keys)
    if movement.rollouts or movement.moves:
        origin = "generated keys" if generated else "keys of the file"
        yield f"counted over {movement.keys:,} {origin}; cohorts are not counted with"


def _draw_changes(word: str, changes: tuple[Change, ...]) -> Iterator[str]:
    for change in changes:
        fields = f": {', '.join(change.fields)}" if change.fields else ""
        yield f"{word} {change.name} {change.kind}{fields}"


def _draw_moves(movement: Movement, route: str) -> Iterator[str]:
    """Which backend answers, where a route gets others or another rollout."""
    for move in movement.moves:
        if move.route == route:
            label = f"stay on {move.after}" if move.before == move.after else f"{move.before} -> {move.after}"
            yield _draw_row(label, move.keys, movement.keys)


def _draw_shift(shift: Shift, keys: int) -> Iterator[str]:
    fields = f": {', '.join(shift.fields)}" if shift.fields else ""
    if shift.kind is Kind.CHANGED:
        yield f"rollout {shift.name} changed{fields}  ({shift.percent_before:g} % -> {shift.percent_after:g} %)"
        yield from _draw_arms(shift, keys)
    else:
        yield f"rollout {shift.name} {shift.kind}"
    if not shift.is_counted:
        yield f"    not counted: its routes are {shift.kind}, too, and others may serve their requests"
    if shift.from_beginning:
        yield "    its plan is counted from its beginning: files do not say how far it is"
    if shift.reshuffled_by:
        yield f"    users are reshuffled: {' and '.join(shift.reshuffled_by)} changed"
    if "key" in shift.reshuffled_by:
        yield "    which user gets which key now can't be told from keys alone: the counts leave it out"


def _draw_arms(shift: Shift, keys: int) -> Iterator[str]:
    yield _draw_row("baseline -> candidate", shift.to_candidate, keys)
    yield _draw_row("candidate -> baseline", shift.to_baseline, keys)
    yield _draw_row("stay on the candidate", shift.stay_candidate, keys)
    yield _draw_row("stay on the baseline", shift.stay_baseline, keys)


def _draw_row(label: str, count: int, keys: int) -> str:
    return f"    {label:<22}{count:>10,}  {100 * count / max(keys, 1):6.2f} %"
