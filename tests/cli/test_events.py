"""The audit log as a person reads it."""

from __future__ import annotations

import json

import msgspec
import pytest

from gateway.cli.admin import Admin
from gateway.cli.events import Columns, command, list_cells, tell_program
from gateway.errors import CommandError
from gateway.store.records import Actor, Event, Standing
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


def test_what_comes_later_stands_below_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Each column keeps its place, whatever a row has nothing of; there is one head."""
    table = Columns()
    table.tell([SET])
    table.tell([])
    table.tell([LOADED])

    head, first, second = capsys.readouterr().out.splitlines()
    for title, of_first, of_second in (
        ("rollout", "checkout", "\N{EN DASH}"),
        ("event", "percent", "config"),
        ("change", "5 % -> 20 %", "\N{EN DASH}"),
        ("by", "operator ada", "file g.yaml"),
        ("reason", "looks good", "looks good"),
    ):
        place = head.index(f"  {title}") + 2
        assert first[place:].startswith(of_first)
        assert second[place:].startswith(of_second)


def test_a_longer_text_widens_its_column_for_all_that_follows(capsys: pytest.CaptureFixture[str]) -> None:
    """So that it happens once, not at each such row."""
    long = msgspec.structs.replace(SET, rollout="a-rollout-with-a-name-of-its-own")
    table = Columns()
    table.tell([long])
    table.tell([SET])

    places = [line.index("5 % -> 20 %") for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(set(places)) == 1


def test_a_rollout_that_is_not_there_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows would read as if nothing had happened to it; one that was removed still has its events."""
    asked = []

    def get(_admin: Admin, path: str, _query: object = None) -> bytes:
        asked.append(path)
        if path == "/api/v1/events":
            return b'{"items": [], "next": null}'
        raise CommandError("there is no rollout `nope`")

    monkeypatch.setattr(Admin, "get", get)
    with pytest.raises(CommandError, match="there is no rollout `nope`"):
        command.main(["--rollout", "nope"], standalone_mode=False)
    assert asked == ["/api/v1/events", "/api/v1/rollouts/nope"]


def test_programs_get_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As the API has it."""
    tell_program([SET, LOADED])

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["id"], first["from"]["percent"], second["id"]) == (7, 5, 8)


def test_where_the_share_stays_the_states_are_shown_and_force_is_said() -> None:
    """`0 % -> 0 %` says nothing."""

    def change(before: Standing, after: Standing, **inputs: object) -> object:
        return list_cells(msgspec.structs.replace(SET, before=before, after=after, inputs=inputs))[3]

    paused, running = Standing("paused", 5), Standing("running", 5)
    assert change(paused, running) == "paused -> running"
    assert change(Standing("pending", 0), running) == "0 % -> 5 %, running"
    assert change(Standing("rolled_back", 0), running, force=True) == "0 % -> 5 %, running, forced"
    assert change(running, Standing("running", 20), force=True) == "5 % -> 20 %, forced"
    assert change(running, Standing("rolled_back", 0), to="shadow") == "5 % -> 0 %, rolled back, to shadow"
