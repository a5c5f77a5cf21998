"""`crossfade`: finds the command, and turns what goes wrong into one status and lines that help.

Each command is a module of its own that is imported when it is called for: `crossfade --help` is there at once, and
`check` does not pay for the data plane.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from gateway import __version__
from gateway.errors import ConfigError, GatewayError

COMMANDS = {
    "run": "Run the gateway.",
    "check": "Validate a configuration.",
    "explain": "Which arm a request takes, and why.",
    "diff": "What a configuration change does.",
    "status": "A running gateway at a glance.",
    "fleet": "The gateways on one store, and who leads.",
    "paths": "Requests, errors and latencies per path and arm.",
    "mismatches": "What differs between the answers of both arms.",
    "start": "A plan begins with its first stage.",
    "pause": "A plan stops where it is; guards go on.",
    "resume": "A plan goes on, or begins anew after a rollback.",
    "promote": "The next stage is approved.",
    "step-back": "Back to the stage before.",
    "rollback": "Everybody back to the baseline, at once.",
    "set": "Give a rollout an operator's percentage.",
    "unset": "Give a rollout back to the file or its plan.",
    "events": "Who or what changed what, when and why.",
    "incidents": "The records of rollbacks.",
    "reconcile": "Replay onto the baseline what only the candidate took.",
    "simulate": "What a rollout's plan and guard would do, on synthetic traffic.",
    "store": "What the gateway keeps, copied to another store.",
    "schema": "Print the JSON Schema of the configuration.",
    "demo": "Watch a rollout between two demo backends.",
}
"""In the order of ``--help``. ``name`` is the module ``gateway.cli.name``, whose ``command`` it is."""

STEERING = frozenset({"start", "pause", "resume", "promote", "step-back", "rollback"})
"""These are alike, and all in ``gateway.cli.steering``."""

FAILURE = 1
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, without importing any."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """The command, imported now; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in STEERING:
            command = importlib.import_module("gateway.cli.steering").COMMANDS[cmd_name]
        else:
            command = importlib.import_module(f"gateway.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - the agreement between this module and the commands
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """The list in ``--help``, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crossfade", message="%(prog)s %(version)s")
def cli() -> None:
    """Fade traffic from a legacy service to its replacement, user by user."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 when it succeeded, 1 with the reason on standard error, 2 on wrong usage."""
    accept_any_text()
    try:
        status = cli.main(args=args, prog_name="crossfade", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GatewayError as error:
        sys.exit(fail(error))
    except BrokenPipeError:
        # Whoever read our output has had enough: `crossfade schema | head`.
        sys.stderr.close()
        sys.exit(FAILURE)
    except OSError as error:
        sys.exit(fail(GatewayError(f"{error.strerror or error}")))
    sys.exit(status if isinstance(status, int) else 0)


def accept_any_text() -> None:
    """Names from elsewhere may hold what the terminal's encoding lacks: it is then shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fail(error: GatewayError) -> int:
    """Print the reason, a configuration's problems one a line; returns the exit status."""
    lines = error.lines() if isinstance(error, ConfigError) else [f"crossfade: {error}"]
    for line in lines:
        click.echo(line, err=True)
    return FAILURE
