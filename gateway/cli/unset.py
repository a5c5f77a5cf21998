"""`crossfade unset`: a rollout is given back to the file, or to its plan."""

from __future__ import annotations

import click

from gateway.admin.rollouts import RolloutView
from gateway.cli.admin import Admin, admin_options, read
from gateway.cli.set import if_version, list_given, path_of, tell_change


@click.command(name="unset")
@click.argument("rollout")
@click.option("--reason", default="", metavar="TEXT", help="For the audit log.")
@if_version
@admin_options
def command(admin: Admin, as_json: bool, rollout: str, **wish: object) -> None:
    """Take an operator's percentage of ROLLOUT back: the file's, or the plan's, holds again."""
    before = read(admin.get(path_of(rollout)), RolloutView)
    content = admin.send("DELETE", f"{path_of(rollout)}/percent", list_given(wish))
    if as_json:
        click.echo(content)
    else:
        tell_change(content, before)
