"""`crossfade run`: the gateway itself."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command(name="run")
@click.option(
    "-c", "--config", "path", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The configuration."
)
def command(path: Path) -> int:
    """Run the gateway until SIGTERM or Ctrl-C.

    Requests under way are then finished, for at most server.timeouts.drain. SIGHUP reads the configuration again.
    """
    from gateway.runtime.launch import run_gateway  # noqa: PLC0415 - heavy, and no other command needs it

    return run_gateway(path, dict(os.environ))
