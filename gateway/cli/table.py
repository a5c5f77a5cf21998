"""The routing table of a configuration file, for the commands that only look at it."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.core.types import Table
from gateway.settings.compile import compile_table
from gateway.settings.load import load_file
from gateway.settings.switches import Switches


def read_table(path: Path) -> Table:
    """Read, validate and compile the file, under this process's environment, emergency switches included.

    Raises ConfigError with everything that is wrong with it.
    """
    env = dict(os.environ)
    loaded = load_file(path, env)
    return compile_table(loaded.config, loaded.revision, Switches.from_env(env), path.parent)
