"""`crossfade start`, `pause`, `resume`, `promote`, `step-back`, `rollback`: an operator drives a rollout.

They are alike but for what they are for, so one table makes them all.
"""

from __future__ import annotations

from typing import Final

import click

from gateway.admin.rollouts import RolloutView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import show_percent
from gateway.cli.set import if_version, list_given, path_of, warn_of_limits
from gateway.core.progress import Action, say_state

PURPOSES: Final = {
    "start": "Begin ROLLOUT's plan with its first stage.",
    "pause": "Stop ROLLOUT's plan where it is: share and cohorts stay, the hold stands still, guards go on.",
    "resume": "Go on with ROLLOUT after a pause; after a rollback, begin anew once its cooldown is over.",
    "promote": "Approve ROLLOUT's next stage.",
    "step-back": "Take ROLLOUT back to the stage before; from the first stage, or a fixed percentage, to 0 %.",
    "rollback": "Take ROLLOUT back to 0 %, at once.",
}


def make_command(name: str, purpose: str) -> click.Command:
    """The command that does ``name`` with a rollout; each option that is given becomes a field of what is asked."""

    @click.command(name=name, help=purpose)
    @click.argument("rollout")
    @click.option("--reason", default="", metavar="TEXT", help="For the audit log.")
    @click.option("--force", is_flag=True, help="Resume before the cooldown is over; promote without hold and gates.")
    @if_version
    @admin_options
    def command(admin: Admin, as_json: bool, rollout: str, **wish: object) -> None:
        path = path_of(rollout)
        before = read(admin.get(path), RolloutView)
        if name == Action.ROLLBACK:
            wish["version"] = None  # a gateway that does not know the field would refuse it
        content = admin.send("POST", f"{path}/{name}", list_given(wish))
        if as_json:
            click.echo(content)
        else:
            tell_step(before, read(content, RolloutView))

    if name == "rollback":
        command.params.append(
            click.Option(["--to"], type=click.Choice(["shadow"]), help="Copies go on; else they end, too.")
        )
    return command


COMMANDS: Final = {name: make_command(name, purpose) for name, purpose in PURPOSES.items()}
"""By their names."""


def tell_step(before: RolloutView, after: RolloutView) -> None:
    """Say what was and what is, in one line; and where that is not all."""
    click.echo(f"{show(after.name)}: {say_standing(before)} -> {say_standing(after)}")
    if after.cooldown_until is not None:
        click.echo(f"cools down until {after.cooldown_until}; `crossfade resume --force` skips that", err=True)
    if after.has_journal and after.state == "rolled_back" != before.state:
        click.echo(say_reconcile(show(after.name)), err=True)
    warn_of_limits(after)


def say_reconcile(rollout: str) -> str:
    """What to do about the writes that the baseline lacks."""
    return (
        f"writes that only the candidate took: `crossfade reconcile {rollout}`;"
        " in a fleet, on each gateway that `crossfade fleet` names"
    )


def say_standing(rollout: RolloutView) -> str:
    """``running at 25 %, stage 2 of 5``."""
    by = " (operator)" if rollout.source == "operator" else ""
    stage = f", stage {rollout.stage.index} of {rollout.stage.of}" if rollout.stage is not None else ""
    copies = ", copies go on" if rollout.to_shadow else ""
    return f"{say_state(rollout.state)} at {show_percent(rollout.percent)}{by}{stage}{copies}"
