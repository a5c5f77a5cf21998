"""`crossfade check`: whether the gateway would take this configuration."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway.core.store_urls import file_of
from gateway.errors import ConfigError, Problem
from gateway.settings.load import Loaded, load_file
from gateway.settings.schema import Config
from gateway.settings.switches import Switches


@click.command(name="check")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs: problems and warnings as one JSON document.")
def command(path: Path, as_json: bool) -> None:
    """Validate a configuration, without running it.

    Every problem is a line on standard error: FILE:LINE:COLUMN: path.to.field: what is wrong and what is allowed.
    Environment variables count as they are set now. Warnings do not make a configuration invalid.
    """
    try:
        loaded = load_file(path, os.environ)
    except ConfigError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"ok": False, "file": str(path), "problems": _list(error.problems), "warnings": []}))
        sys.exit(1)
    beside = [*Switches.from_env(os.environ).unknown(loaded.config), *find_homeless_store(loaded.config)]
    click.echo(_as_json(path, loaded, beside) if as_json else _summarize(path, loaded, beside))


def find_homeless_store(config: Config) -> Iterator[str]:
    """Whether the store's folder is missing, here at least: the gateway may run elsewhere."""
    file = file_of(config.store)
    folder = Path(file or "").parent
    if file is not None and not folder.is_dir():
        yield f"store: there is no folder `{folder}` here; where the gateway runs, nothing is kept or set without it"


def _summarize(path: Path, loaded: Loaded, beside: list[str]) -> str:
    config = loaded.config
    counts = (
        (len(config.routes), "route"),
        (len(config.rollouts_in_use()), "rollout"),
        (len(config.backends), "backend"),
    )
    summary = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    warnings = [f"warning: {line}" for line in (*ConfigError(str(path), loaded.warnings).lines(), *beside)]
    return "\n".join([*warnings, f"{path}: OK: {summary}; revision {loaded.revision}"])


def _as_json(path: Path, loaded: Loaded, beside: list[str]) -> str:
    config = loaded.config
    return json.dumps(
        {
            "ok": True,
            "file": str(path),
            "revision": loaded.revision,
            "routes": len(config.routes),
            "rollouts": len(config.rollouts_in_use()),
            "backends": len(config.backends),
            "problems": [],
            "warnings": [*_list(loaded.warnings), *_list([Problem(0, 0, "", line) for line in beside])],
        }
    )


def _list(problems: list[Problem]) -> list[dict[str, Any]]:
    return [
        {"line": problem.line, "column": problem.column, "path": problem.path, "message": problem.message}
        for problem in problems
    ]
