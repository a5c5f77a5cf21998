"""`crossfade run` explains what keeps it from starting; what it does when it starts is in tests/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.run import command
from gateway.errors import ConfigError


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    """By the error that the command line shows."""
    with pytest.raises(ConfigError, match="can't be read"):
        CliRunner().invoke(command, ["-c", str(tmp_path / "none.yaml")], catch_exceptions=False)


def test_without_a_file_it_is_wrong_usage() -> None:
    """Status 2, and the option's name."""
    outcome = CliRunner().invoke(command, [])

    assert outcome.exit_code == 2
    assert "--config" in outcome.output
