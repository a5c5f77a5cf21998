from __future__ import annotations

import re

import pytest

from gateway.settings.json_schema import walk_sections
from gateway.settings.reference import PAGE, SCHEMA, main, render_files, render_page
from gateway.settings.schema import Config


def test_the_generated_files_are_current() -> None:
    """Editors and readers see what the code says; `--write` brings the files up to date."""
    assert main(["--check"]) == 0


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Without one of the two options it says which there are."""
    assert main([]) == 2
    assert "--write|--check" in capsys.readouterr().err


def test_every_field_is_on_the_page() -> None:
    """A field that is not on the page would not exist for its readers."""
    rows = re.findall(r"^\| `(\w+)` \|", render_page(), re.MULTILINE)
    fields = [field.alias or name for section in walk_sections(Config) for name, field in section.model_fields.items()]

    assert sorted(set(rows)) == sorted(set(fields))


def test_every_row_has_its_meaning() -> None:
    """No cell for the meaning is empty, and no row is broken by a bar of its own."""
    rows = [line for line in render_page().splitlines() if line.startswith("| `")]

    assert [row for row in rows if len(re.split(r"(?<!\\)\|", row)) != 6 and "default" not in row] == []
    assert [row for row in rows if row.endswith("|  |")] == []


def test_two_files_are_made() -> None:
    """One for people, one for editors."""
    assert set(render_files()) == {PAGE, SCHEMA}
