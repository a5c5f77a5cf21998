"""The API's shapes have the fields that the contract names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.admin.views import ConfigView, ProblemView, view_config, view_problems
from gateway.control.configuration import Configuration
from gateway.errors import Problem
from tests.control.texts import BROKEN, GOOD, source


def test_the_configurations_fields_are_those_of_the_contract() -> None:
    """Fields may be added, never renamed."""
    assert [field.name for field in msgspec.structs.fields(ConfigView)] == [
        "revision",
        "loaded_at",
        "file",
        "yaml",
        "last_reload_ok",
        "problems",
        "waits_for_restart",
    ]


def test_a_problem_has_its_place() -> None:
    """An editor can jump to it."""
    assert view_problems([Problem(3, 7, "routes.0", "bad")]) == [ProblemView(3, 7, "routes.0", "bad")]


async def test_the_view_shows_what_is_in_force_and_what_was_refused(tmp_path: Path) -> None:
    """Times in RFC 3339, the text unexpanded."""
    configuration = Configuration(source(tmp_path, TOKEN="x"), lambda _table: None, lambda _accepted: None)
    assert view_config(configuration) is None
    await configuration.take(GOOD.encode(), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    await configuration.take(BROKEN.encode(), datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    view = view_config(configuration)

    assert view is not None
    assert (view.loaded_at, view.yaml, view.last_reload_ok) == ("2026-01-02T03:04:05.000Z", GOOD, False)
    assert [problem.path for problem in view.problems] == ["rollouts.shop.percent"]
    assert view.file == str(tmp_path / "gateway.yaml")
