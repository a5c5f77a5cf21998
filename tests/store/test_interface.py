"""What every store does alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from gateway.errors import StoreConflict
from gateway.store import Store, open_store
from gateway.store.records import Event, Incident
from tests.store.records import event, incident, path_record, progress


async def test_it_is_empty_at_first(store: Store) -> None:
    """And in order."""
    assert store.is_ok
    assert await store.progresses() == {}
    assert await store.events() == []
    assert await store.incidents() == []
    assert await store.mismatches() == []


async def test_what_was_committed_last_is_how_far_a_rollout_is(store: Store) -> None:
    """As it was, for each of them."""
    await store.commit("checkout", progress(5, version=1), event())
    await store.commit("search", progress(0.01, stepped_back_from=(1, 2), stage_cohorts=("a", "b")), event())
    await store.commit("checkout", progress(20, version=2), event())

    assert await store.progresses() == {
        "checkout": progress(20, version=2),
        "search": progress(0.01, stepped_back_from=(1, 2), stage_cohorts=("a", "b")),
    }


async def test_time_that_passed_is_kept_without_an_event(store: Store) -> None:
    """Of many rollouts at once."""
    await store.commit("checkout", progress(), event())
    kept = {name: progress(held_seconds=7.0) for name in ("checkout", "search")}

    assert await store.keep(kept, fence=1) == {"checkout", "search"}
    assert await store.keep(kept, fence=1) == set()

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
        await store.commit(name, progress(version=number), event(), incident(f"2026010{number}", rollout=name))

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


async def test_of_two_moves_from_one_version_the_store_takes_the_first(store: Store) -> None:
    """The other hears what is there, and nothing of it is written."""
    await store.commit("checkout", progress(5, version=7), event())
    with pytest.raises(StoreConflict) as refused:
        await store.commit("checkout", progress(9, version=7), event(), incident())
    with pytest.raises(StoreConflict):
        await store.commit("checkout", progress(9, version=6), event())

    assert (refused.value.newest, store.is_ok) == (7, True)
    assert await store.progresses() == {"checkout": progress(5, version=7)}
    assert (len(await store.events()), await store.incidents()) == (1, [])


async def test_what_is_written_again_word_by_word_is_written_once(store: Store) -> None:
    """After an attempt that seemed to fail, its answer being lost."""
    first = await store.commit("checkout", progress(version=1), event(), incident())
    await store.record(event(kind="notify"))

    assert await store.commit("checkout", progress(version=1), event(), incident()) == first
    assert len(await store.events()) == 2


async def test_passed_time_is_not_kept_over_what_is_newer(store: Store) -> None:
    """What the store has forgotten is, and it says so."""
    await store.commit("checkout", progress(version=2), event())

    assert await store.keep({"checkout": progress(version=1), "search": progress(version=9)}) == {"search"}
    assert await store.keep({"checkout": progress(version=2, held_seconds=3.0)}, fence=1) == {"checkout"}
    assert await store.progresses() == {
        "checkout": progress(version=2, held_seconds=3.0),
        "search": progress(version=9),
    }


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_of_eight_that_move_at_once_exactly_one_does(kind: str, url_of: Callable[[str], str]) -> None:
    """At every version: the others look again, and try the next one."""
    url = url_of(kind)
    won = await asyncio.gather(*(win_versions(url, name) for name in "abcdefgh"))

    assert sorted(version for versions in won for version in versions) == list(range(1, 41))
    store = open_store(url)
    assert [each.inputs["version"] for each in await store.events()] == list(range(1, 41))
    await store.close()


async def win_versions(url: str, name: str) -> list[int]:
    """The first forty versions, each tried for by whoever sees the one before it: those that were ours."""
    store, won, version = open_store(url), [], 0
    while version < 40:
        version += 1
        try:
            await store.commit("checkout", progress(version=version), event(inputs={"version": version, "by": name}))
            won.append(version)
        except StoreConflict:
            version = (await store.progresses())["checkout"].version
    await store.close()
    return won


async def test_what_another_store_holds_is_written_as_it_is_there(store: Store) -> None:
    """Then ids go on."""
    told = [Event(id=number, **msgspec.structs.asdict(event())) for number in (3, 7)]
    await store.load(told, [incident("a"), incident("b")])

    assert await store.events() == told == await store.events(rollout="checkout")
    assert await store.newest("percent") == told[-1]
    assert [each.id for each in await store.incidents()] == ["b", "a"]
    assert (await store.record(event())).id == 8


async def test_what_is_cleared_is_gone_but_for_the_ids(store: Store) -> None:
    """Of events no number is used twice."""
    await store.commit("checkout", progress(version=3), event(), incident())
    await store.keep_mismatches([path_record()])
    await store.clear()

    assert (await store.progresses(), await store.events(), await store.incidents()) == ({}, [], [])
    assert (await store.mismatches(), await store.newest("percent")) == ([], None)
    assert (await store.commit("checkout", progress(), event())).id == 2
    assert [each.id for each in await store.events(rollout="checkout")] == [2]


async def test_the_last_event_of_each_rollout_is_at_hand(store: Store) -> None:
    """And the last that concerns the whole gateway; nobody has to read the log for it."""
    assert await store.last_events() == []
    for rollout in ("shop", "cart", None, "shop", None):
        await store.record(msgspec.structs.replace(event(), rollout=rollout))

    assert [(each.id, each.rollout) for each in await store.last_events()] == [(2, "cart"), (4, "shop"), (5, None)]
