"""History: events and rollbacks, over restarts of the controller too."""

from __future__ import annotations

from pathlib import Path

import msgspec
from structlog.testing import capture_logs

from gateway.control.history import _LOOK_BACK, _PAGE, PER_ROLLOUT, History
from gateway.core.lifecycle import Progress, State
from gateway.store import open_store
from gateway.store.records import Actor, Event, NewEvent
from tests.control.meeting import Door, Meeting
from tests.control.rollbacks import happened, incident

PROGRESS = Progress(state=State.ROLLED_BACK)
BY_RULE = {"kind": "rollback", "actor": Actor("rule", "errors > 5")}


def new(event: object) -> NewEvent:
    """Before it has an id."""
    return msgspec.convert({**msgspec.to_builtins(event), "id": 0}, NewEvent)


def test_the_newest_events_of_each_rollout_are_kept() -> None:
    """Those of the whole gateway belong to none."""
    history = History()
    for number in range(PER_ROLLOUT + 5):
        history.hear(happened(number=number))
    history.hear(happened("config", rollout=None))

    assert [event.id for event in history.events("checkout")] == list(range(5, PER_ROLLOUT + 5))
    assert history.events("search") == []


def test_rollbacks_are_counted_by_what_rolled_back() -> None:
    """A guard by its rule, a person as the operator."""
    history = History()
    history.hear(happened(**BY_RULE))
    history.hear(happened(**BY_RULE))
    history.hear(happened("rollback", actor=Actor("operator", "ada")))
    history.hear(happened("stage"))

    assert history.rollbacks == {("checkout", "errors > 5"): 2, ("checkout", "operator"): 1}


async def test_a_new_controller_knows_what_the_store_knows(tmp_path: Path) -> None:
    """Events of before, and the rollbacks since the gateway started."""
    store = open_store(f"sqlite:{tmp_path / 'crossfade.db'}")
    await store.record(new(happened("start")))
    await store.commit("checkout", PROGRESS, new(happened(**BY_RULE)), incident("20261121-101500-checkout"))
    old = msgspec.structs.replace(incident("20250101-000000-checkout"), time="2025-01-01T00:00:00.000Z")
    await store.commit("checkout", msgspec.structs.replace(PROGRESS, version=1), new(happened(**BY_RULE)), old)
    history = History()
    await history.restore(store, 1_795_000_000.0)
    await store.close()

    assert [event.kind for event in history.events("checkout")] == ["start", "rollback", "rollback"]
    assert history.rollbacks == {("checkout", "error_rate > 5% for 10m, route orders"): 1}


async def test_without_a_store_history_begins_now(tmp_path: Path) -> None:
    """And the log says so."""
    store = open_store(f"sqlite:{tmp_path / 'missing' / 'crossfade.db'}")
    history = History()
    with capture_logs() as logs:
        await history.restore(store, 0.0)
    await store.close()

    assert [record["event"] for record in logs] == ["history_unavailable"]
    assert history.events("checkout") == []


# In a fleet.


def test_of_what_was_stored_late_there_is_one_event() -> None:
    """At first it has no number; and what others did meanwhile makes it come from somewhere else."""
    history = History()
    history.hear(happened("rollback", number=0))
    history.hear(happened(number=8, time="2026-11-21T10:00:00.000Z"))
    assert [event.id for event in history.events("checkout")] == [8, 0]
    history._keep(happened("rollback", number=9, before=None))

    assert [event.id for event in history.events("checkout")] == [8, 9]


async def test_what_other_gateways_did_is_read_up_to_the_newest_event() -> None:
    """All of it, in its order, also what was before one's own last; and each once. Theirs are not counted."""
    meeting = Meeting(lambda: 0.0)
    mine, theirs = Door(meeting), Door(meeting)
    history = History()
    for number in range(120):
        stored = await theirs.record(new(happened(**BY_RULE)))
        if number in {50, 110}:
            history.hear(await mine.record(new(happened("percent"))))
    await history.catch_up(mine, stored.id)
    await history.catch_up(mine, stored.id + 5)
    newest = await mine.record(new(happened("pause")))
    await history.catch_up(mine, newest.id)

    events = history.events("checkout")
    assert [event.id for event in events] == list(range(newest.id - PER_ROLLOUT + 1, newest.id + 1))
    assert [event.kind for event in events].count("percent") == 1
    assert not history.rollbacks


class Log(Door):
    """Counts how often events are read."""

    calls = 0

    async def events(self, after: int = 0, limit: int = 100, rollout: str | None = None) -> list[Event]:
        self.calls += 1
        return await super().events(after, limit, rollout)


async def test_of_a_long_log_only_the_end_is_read() -> None:
    """The first beat of a gateway must not take longer than a lease lasts."""
    meeting = Meeting(lambda: 0.0)
    newest = 10 * _LOOK_BACK
    meeting.stored.events = [happened(number=number) for number in range(1, newest + 1)]
    mine, history = Log(meeting), History()
    await history.catch_up(mine, newest)

    assert [event.id for event in history.events("checkout")] == list(range(newest - PER_ROLLOUT + 1, newest + 1))
    assert mine.calls <= _LOOK_BACK / _PAGE + 1


async def test_a_successor_in_a_fleet_does_not_count_what_others_rolled_back() -> None:
    """Nobody knows which of the incidents were its own gateway's; it shows their events all the same."""
    meeting = Meeting(lambda: 0.0)
    found = incident("20261121-101500-checkout")
    await Door(meeting).commit("checkout", PROGRESS, new(happened(**BY_RULE)), found)
    alone, of_many = History(), History()
    await alone.restore(Door(meeting), 1_795_000_000.0)
    await of_many.restore(Door(meeting), 1_795_000_000.0, counts=False)

    assert (sum(alone.rollbacks.values()), sum(of_many.rollbacks.values())) == (1, 0)
    assert [event.kind for event in of_many.events("checkout")] == ["rollback"]


async def test_events_that_could_not_be_read_are_read_with_the_next() -> None:
    """A store that is away for a moment leaves no gap."""
    meeting = Meeting(lambda: 0.0)
    mine, theirs = Door(meeting), Door(meeting)
    history = History()
    for each in ("pause", "resume"):
        stored = await theirs.record(new(happened(each)))
        mine.is_cut = each == "pause"
        await history.catch_up(mine, stored.id)
        assert history.is_behind == mine.is_cut

    assert [event.kind for event in history.events("checkout")] == ["pause", "resume"]
