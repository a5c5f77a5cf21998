"""Driving a rollout: what the commands `start`, `pause`, `resume`, `promote`, `step-back` and `rollback` share."""

from __future__ import annotations

import click

from gateway.admin.rollouts import RolloutView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import show_percent
from gateway.cli.set import path_of

_FORCE = "resume: before the cooldown is over; promote: without waiting for the hold and the gates."


def build(name: str, summary: str, *options: click.Option) -> click.Command:
    """The command that does ``name`` with a rollout; each of ``options`` becomes a field of what is asked."""

    @admin_options
    def steer(admin: Admin, as_json: bool, rollout: str, **wish: object) -> None:
        path = path_of(rollout)
        before = read(admin.get(path), RolloutView)
        content = admin.send("POST", f"{path}/{name}", {key: value for key, value in wish.items() if value})
        if as_json:
            click.echo(content)
        else:
            tell(before, read(content, RolloutView))

    command = click.command(name=name, help=summary)(steer)
    reason = click.Option(["--reason"], default="", metavar="TEXT", help="For the audit log.")
    force = click.Option(["--force"], is_flag=True, help=_FORCE)
    command.params[:0] = [click.Argument(["rollout"]), reason, force, *options]
    return command


TO = click.Option(["--to"], type=click.Choice(["shadow"]), help="Go on to copy requests to the candidate.")


def tell(before: RolloutView, after: RolloutView) -> None:
    """What was and what is, in a line."""
    click.echo(f"{show(after.name)}: {_stand(before)} -> {_stand(after)}")
    if after.cooldown_until is not None:
        click.echo(f"cools down until {after.cooldown_until}; `crossfade resume --force` skips that", err=True)
    if after.mode != "live":
        click.echo(f"the rollout is in mode {after.mode}: the candidate answers nobody", err=True)


def _stand(view: RolloutView) -> str:
    stage = f", stage {view.stage.index} of {view.stage.of}" if view.stage is not None else ""
    return f"{view.state.replace('_', ' ')} at {show_percent(view.percent)}{stage}"
