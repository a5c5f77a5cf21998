"""The audit log as a person reads it."""

from __future__ import annotations

import json

import msgspec
import pytest

from gateway.cli.events import draw, list_cells
from gateway.store.records import Actor, Event
from tests.store.records import event

SET = Event(id=7, **msgspec.structs.asdict(event()))
LOADED = Event(
    id=8,
    **msgspec.structs.asdict(
        event(rollout=None, kind="config", before=None, after=None, actor=Actor("file", "g.yaml"))
    ),
)


def test_an_event_says_who_changed_what_and_why() -> None:
    """From where to where."""
    assert list_cells(SET) == (
        "2026-01-01T12:00:00.000Z",
        "checkout",
        "percent",
        "5 % -> 20 %",
        "operator ada",
        "looks good",
    )
    assert list_cells(LOADED)[1:5] == (None, "config", None, "file g.yaml")


def test_what_comes_later_has_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, so that following reads as one log."""
    draw([SET, LOADED], as_json=False, with_head=False)

    assert capsys.readouterr().out.splitlines() == [
        "2026-01-01T12:00:00.000Z  checkout  percent  5 % -> 20 %  operator ada  looks good",
        "2026-01-01T12:00:00.000Z  config  file g.yaml  looks good",
    ]


def test_programs_get_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As the API has it."""
    draw([SET, LOADED], as_json=True)

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["id"], first["from"]["percent"], second["id"]) == (7, 5, 8)
