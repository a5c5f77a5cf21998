"""What every store does alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway.store import Store, open_store
from gateway.store.records import Event, Incident
from tests.store.records import event, incident, path_record, progress


@pytest.fixture(params=["sqlite"])
async def store(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store of each kind, empty."""
    made = open_store(f"{request.param}:{tmp_path / 'state.db'}")
    await made.open()
    yield made
    await made.close()


async def test_it_is_empty_at_first(store: Store) -> None:
    """And in order."""
    assert store.is_ok
    assert await store.progresses() == {}
    assert await store.events() == []
    assert await store.incidents() == []
    assert await store.mismatches() == []


async def test_what_was_committed_last_is_how_far_a_rollout_is(store: Store) -> None:
    """As it was, for each of them."""
    await store.commit("checkout", progress(5), event())
    await store.commit("search", progress(0.01, stepped_back_from=(1, 2), stage_cohorts=("a", "b")), event())
    await store.commit("checkout", progress(20), event())

    assert await store.progresses() == {
        "checkout": progress(20),
        "search": progress(0.01, stepped_back_from=(1, 2), stage_cohorts=("a", "b")),
    }


async def test_time_that_passed_is_kept_without_an_event(store: Store) -> None:
    """Of many rollouts at once."""
    await store.commit("checkout", progress(), event())
    await store.keep({name: progress(held_seconds=7.0) for name in ("checkout", "search")})

    assert {name: each.held_seconds for name, each in (await store.progresses()).items()} == {
        "checkout": 7,
        "search": 7,
    }
    assert len(await store.events()) == 1


async def test_a_rollback_comes_with_its_incident(store: Store) -> None:
    """Progress, event and incident together."""
    recorded = await store.commit("checkout", progress(), event(kind="rollback"), incident())

    assert await store.events() == [recorded]
    assert await store.incidents() == [incident()]
    assert await store.incident(incident().id) == incident()
    assert await store.incident("nowhere") is None


async def test_incidents_come_the_newest_first_and_page_by_page(store: Store) -> None:
    """Of all rollouts, or of one."""
    for number in range(5):
        name = "even" if number % 2 == 0 else "odd"
        await store.commit(name, progress(), event(), incident(f"2026010{number}", rollout=name))

    def ids(found: list[Incident]) -> list[str]:
        return [each.id[-1] for each in found]

    assert ids(await store.incidents(limit=2)) == ["4", "3"]
    assert ids(await store.incidents(before="20260103", limit=2)) == ["2", "1"]
    assert ids(await store.incidents(rollout="odd")) == ["3", "1"]


async def test_an_event_comes_back_as_it_was_recorded(store: Store) -> None:
    """With its id."""
    recorded = await store.record(event(reason="ünïcode and \x00 too", inputs={"deep": {"list": [1, 2.5, None]}}))

    (found,) = await store.events()
    assert found == recorded == Event(**msgspec.structs.asdict(recorded) | {"id": 1})
    assert found.reason == "ünïcode and \x00 too"


async def test_events_come_in_their_order_after_what_is_known(store: Store) -> None:
    """So a reader goes on where it was."""
    for number in range(5):
        await store.record(event(rollout="even" if number % 2 == 0 else "odd"))

    assert [each.id for each in await store.events(limit=2)] == [1, 2]
    assert [each.id for each in await store.events(after=2)] == [3, 4, 5]
    assert [each.id for each in await store.events(after=1, rollout="odd")] == [2, 4]


async def test_the_newest_of_a_kind_is_found(store: Store) -> None:
    """Whatever came after it."""
    assert await store.newest("config") is None
    for kind in ("config", "config", "percent"):
        await store.record(event(kind=kind))

    newest = await store.newest("config")

    assert newest is not None
    assert newest.id == 2


async def test_what_was_found_on_a_path_comes_back_as_it_was_written_last(store: Store) -> None:
    """Whole, samples of any JSON included; and what is gone is gone."""
    older, other = path_record(seen_at=1.0), path_record("/else", policy="p2")
    await store.keep_mismatches([older, other])
    await store.keep_mismatches([path_record(), path_record("/short")], [("orders", "/short"), ("no", "where")])
    await store.keep_mismatches([], [("orders", "/short")])

    found = sorted(await store.mismatches(), key=lambda each: each.tally.path)
    assert found == [other, path_record()]


async def test_the_last_event_of_each_rollout_is_at_hand(store: Store) -> None:
    """And the last that concerns the whole gateway; nobody has to read the log for it."""
    assert await store.last_events() == []
    for rollout in ("shop", "cart", None, "shop", None):
        await store.record(msgspec.structs.replace(event(), rollout=rollout))

    assert [(each.id, each.rollout) for each in await store.last_events()] == [(2, "cart"), (4, "shop"), (5, None)]
