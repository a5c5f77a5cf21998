"""Whether a rollout is ever in a state that nobody put it in, when processes are killed amid its transitions.

``python -m bench.rollout_kills [--kills N] [--seed N]``

An operator acts without a pause on a plan that also moves by itself; the master, the controller and the workers are
killed in turn, at random. After each kill the audit log must be a chain without a gap that has every action that was
confirmed, and end where the rollout and its users are (`tests.e2e.killing`).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.command import carry_out
from bench.processes import BenchError
from tests.e2e import servers
from tests.e2e.gateway import Gateway
from tests.e2e.killing import CONFIGURATION, Killing

NAMES = {"contr": "controller", "w": "worker"}


def kill(kills: int, seed: int) -> Killing:
    """Kill so often. Raises `BenchError` at the first state that must not be."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name:
        folders = [Path(name) / each for each in ("nginx", "gateway")]
        for folder in folders:
            folder.mkdir()
        with servers.nginx(folders[0]) as nginx, Gateway(CONFIGURATION.format(url=nginx.url), folders[1]) as gateway:
            killing = Killing(gateway, seed)
            try:
                killing.run(kills)
            except AssertionError as error:
                raise BenchError(f"after {killing.killed.total()} kills: {error}") from error
            return killing


def show(kills: int, seed: int) -> None:
    """Print what happened on the way."""
    killing = kill(kills, seed)
    table = Table("what", "how often", title="none left a third state")
    for victim, count in sorted(killing.killed.items()):
        table.add_row(f"killed: {NAMES.get(victim, victim)}", str(count))
    table.add_row("actions that were confirmed", str(killing.confirmed))
    for kind, count in killing.kinds.most_common():
        table.add_row(f"event: {kind}", str(count))
    Console().print(table)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.rollout_kills", description="Kills amid transitions.")
    parser.add_argument("--kills", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    options = parser.parse_args()
    carry_out(lambda: show(options.kills, options.seed))


if __name__ == "__main__":
    main()
