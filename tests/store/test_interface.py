"""What every store does alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway.store import Store, open_store
from gateway.store.records import Event
from tests.store.records import event


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
    assert await store.percents() == {}
    assert await store.events() == []


async def test_a_percentage_stays_until_it_is_given_back(store: Store) -> None:
    """One for each rollout."""
    await store.set_percent("checkout", 5, event())
    await store.set_percent("search", 0.01, event())
    await store.set_percent("checkout", 20, event())
    assert await store.percents() == {"checkout": 20, "search": 0.01}

    await store.set_percent("checkout", None, event())
    assert await store.percents() == {"search": 0.01}


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


async def test_setting_a_percentage_records_its_event(store: Store) -> None:
    """Both are there, or neither."""
    recorded = await store.set_percent("checkout", 20, event())

    assert await store.events() == [recorded]


async def test_the_newest_of_a_kind_is_found(store: Store) -> None:
    """Whatever came after it."""
    assert await store.newest("config") is None
    for kind in ("config", "config", "percent"):
        await store.record(event(kind=kind))

    newest = await store.newest("config")

    assert newest is not None
    assert newest.id == 2
