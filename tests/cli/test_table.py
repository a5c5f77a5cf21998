"""Reading a configuration as the commands that only look at it do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.table import read_table
from gateway.errors import ConfigError
from tests.cli.configurations import SHOP, write


def test_the_file_becomes_the_table_that_a_gateway_would_serve(tmp_path: Path) -> None:
    """Names, defaults and shares as `crossfade run` would take them."""
    table = read_table(write(tmp_path, SHOP))

    assert [route.name for route in table.routes] == ["orders", "rest"]
    assert [(rollout.name, rollout.percent, rollout.salt) for rollout in table.rollouts] == [
        ("checkout", 5, "checkout")
    ]


def test_the_emergency_switches_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is explained is what would happen under this environment."""
    monkeypatch.setenv("CROSSFADE_ROLLBACK", "all")

    assert read_table(write(tmp_path, SHOP)).rollouts[0].killed


def test_a_broken_file_is_not_looked_at(tmp_path: Path) -> None:
    """Its problems are raised as `crossfade check` shows them."""
    with pytest.raises(ConfigError):
        read_table(write(tmp_path, SHOP.replace("percent: 5", "percent: 500")))
