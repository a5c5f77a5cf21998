"""`crossfade set`: an operator's percentage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import click

from gateway.admin.rollouts import RolloutView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import show_percent
from gateway.settings.quantities import parse_percent

if_version: Final = click.option(
    "--if-version",
    "version",
    type=click.IntRange(0),
    metavar="N",
    help="Only while ROLLOUT is at this version (`crossfade status ROLLOUT`); a rollback is never refused for it.",
)


def list_given(wish: Mapping[str, object]) -> dict[str, object]:
    """What of a wish was said; an older gateway need not know the rest."""
    return {key: value for key, value in wish.items() if value is not None and value is not False and value != ""}


def path_of(rollout: str) -> str:
    """Where the API has a rollout."""
    return f"/api/v1/rollouts/{quote(rollout, safe='', errors='surrogateescape')}"


def tell_change(content: bytes, before: RolloutView) -> None:
    """Say what was and what is."""
    after = read(content, RolloutView)
    was = f"{show_percent(before.percent)} ({before.source})"
    click.echo(f"{show(after.name)}: {was} -> {show_percent(after.percent)} ({after.source})")
    warn_of_limits(after)


def warn_of_limits(after: RolloutView) -> None:
    """Say where what was asked for is not what users get."""
    if not after.stored:
        click.echo(
            "not stored yet, as the store can't be used: in force on this gateway alone; "
            "where there are others, send it to each",
            err=True,
        )
    if after.source == "switch":
        click.echo("an emergency switch in the gateway's environment has the last word", err=True)
    if after.mode != "live":
        click.echo(f"the rollout is in mode {after.mode}: the candidate answers nobody", err=True)


@click.command(name="set")
@click.argument("rollout")
@click.argument("percent")
@click.option("--reason", default="", metavar="TEXT", help="For the audit log.")
@if_version
@admin_options
def command(admin: Admin, as_json: bool, rollout: str, percent: str, **wish: object) -> None:
    """Give ROLLOUT an operator's PERCENT: 5, 0.01 or 5%.

    It holds over restarts and edits of the file, until `crossfade unset`; a plan stands still meanwhile.
    """
    try:
        wanted = parse_percent(percent)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="PERCENT") from None
    before = read(admin.get(path_of(rollout)), RolloutView)
    content = admin.send("PUT", f"{path_of(rollout)}/percent", {"percent": wanted, **list_given(wish)})
    if as_json:
        click.echo(content)
    else:
        tell_change(content, before)
