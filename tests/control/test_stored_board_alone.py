"""A gateway that is alone forgets nothing while it lives, whatever ends its controller and whatever its disk does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.control import deposits
from gateway.core.lifecycle import Action
from gateway.core.plans import Do, Plan, Stage
from gateway.store.records import Incident
from tests.control.shops import Shop, shop

PLAN = Plan(stages=(Stage(5.0, 60.0), Stage(50.0)), cooldown_seconds=600.0, starts_by_itself=True)
INCIDENT = Incident(
    id="i1",
    rollout="shop",
    rule="errors",
    time="2026-01-01T12:00:00.000Z",
    stage=1,
    percent_before=5,
    values={"value": 0.5},
    paths=[],
    samples=[{"baseline": 10**30, "candidate": None}],
)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a disk that fails."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 0.01)


async def record(*_: object) -> Incident:
    """What the rollback of a guard leaves."""
    return INCIDENT


async def begin(folder: Path, before: Shop | None = None, **file: Any) -> Shop:
    """The first controller of a gateway, or the one after ``before``; the disk of both is the same."""
    made = Shop(folder, before.memory if before else None)
    made.rollouts.record = record
    if before:
        made.now, made.store.fails = before.now, before.store.fails
    await made.begin(shop(**file))
    await asyncio.gather(*made.rollouts._tasks)
    return made


async def die(shop: Shop) -> None:
    """Of a sudden: nothing is written any more."""
    for task in shop.rollouts._tasks:
        task.cancel()
    await shop.store.close()


async def list_kinds(shop: Shop) -> list[str]:
    """What its audit log tells of it."""
    return [event.kind for event in await shop.store.events(rollout="shop")]


async def test_a_rollback_outlives_a_gateway_that_is_ended_while_its_incident_is_made(tmp_path: Path) -> None:
    """It is in force by then: who ends in order stores it before."""
    first, is_made = await begin(tmp_path), asyncio.Event()

    async def take_long(*_: object) -> Incident:
        await is_made.wait()
        return INCIDENT

    first.rollouts.record = take_long
    acting = asyncio.ensure_future(first.rollouts.commit("shop", first.hit()))
    while first.published[-1].rollouts[0].percent:
        await asyncio.sleep(0)
    closing = asyncio.ensure_future(first.rollouts.close())
    await asyncio.wait({closing}, timeout=0.01)
    is_made.set()
    await closing
    kinds = await list_kinds(first)
    await acting

    assert kinds == ["rollback"]


@pytest.mark.parametrize("has_disk", [True, False])
async def test_a_rollback_that_no_disk_took_outlives_its_controller(tmp_path: Path, has_disk: bool) -> None:
    """It is in force with the first table of the next one, and written with event and incident as the disk is back."""
    first = await begin(tmp_path)
    first.store.fails = True
    await first.rollouts.commit("shop", first.hit())
    await die(first)
    first.store.fails = not has_disk
    second = await begin(tmp_path, first)
    assert {table.rollouts[0].percent for table in second.published} == {0}
    assert second.rollouts.is_owed("shop") is not has_disk
    second.store.fails = False
    await second.rollouts.retry()

    assert (await second.store.progresses())["shop"] == second.rollouts.progress("shop")
    assert (await list_kinds(second), await second.store.incidents()) == (["rollback"], [INCIDENT])
    assert not second.rollouts.is_owed("shop")
    await die(second)
    third = await begin(tmp_path, second)
    assert (third.percent, await list_kinds(third)) == (0, ["rollback"]), "what is written is owed no more"
    await third.close()


async def test_all_that_is_owed_is_written_in_its_order(tmp_path: Path) -> None:
    """By whichever controller lives when the disk is back, with what it adds."""
    first = await begin(tmp_path)
    first.store.fails = True
    await first.rollouts.commit("shop", first.hit(Do.PAUSE))
    await die(first)
    second = await begin(tmp_path, first)
    assert second.rollouts.state("shop").state == "paused"
    await second.act(Action.ROLLBACK)
    await die(second)
    third = await begin(tmp_path, second)
    third.store.fails = False
    await third.rollouts.retry()

    assert (await list_kinds(third), third.percent) == (["pause", "rollback"], 0)
    await third.close()


async def test_who_is_killed_while_a_disk_stands_still_leaves_what_was_on_its_way(tmp_path: Path) -> None:
    """The store is told it once, with its event, whether or not it was written in the end."""
    first = await begin(tmp_path)
    first.store.turns.clear()
    acting = asyncio.ensure_future(first.act(Action.ROLLBACK))
    await asyncio.sleep(0)
    kept = first.memory.newest()
    first.store.turns.set()
    await acting
    await die(first)
    assert kept is not None
    first.memory.put(kept)
    second = await begin(tmp_path, first)

    assert (second.percent, await list_kinds(second)) == (0, ["rollback"])
    assert not second.rollouts.is_owed("shop")
    await second.close()


@pytest.mark.parametrize("action", [Action.RESUME, Action.ROLLBACK])
async def test_a_store_that_knows_more_is_believed(tmp_path: Path, action: Action) -> None:
    """A rollback that it has heard of may have been ended since: memory takes nobody back again."""
    first = await begin(tmp_path)
    await first.act(Action.ROLLBACK)
    kept = first.memory.newest()
    progress = first.rollouts.progress("shop")
    event = (await first.store.events(rollout="shop"))[-1]
    deposit = deposits.Deposit("shop", progress, event, None)
    await first.act(Action.RESUME, force=True)
    if action is Action.ROLLBACK:
        await first.act(action)
    stored = first.rollouts.progress("shop")
    await die(first)
    assert kept is not None
    first.memory.put(msgspec.structs.replace(kept, owed=msgspec.json.encode([deposit])))

    second = await begin(tmp_path, first)
    assert second.rollouts.state("shop").state == stored.state
    assert (await second.store.progresses())["shop"].version == stored.version
    await second.close()


async def test_how_all_stood_is_remembered_while_the_disk_can_not_be_read(tmp_path: Path) -> None:
    """Whatever the file says; it is in the log what rollouts stand by."""
    first = await begin(tmp_path)
    await first.set_percent(30)
    await die(first)
    (tmp_path / "state.db").rename(tmp_path / "away.db")
    (tmp_path / "state.db").mkdir()
    with capture_logs() as logs:
        second = await begin(tmp_path, first)

    assert [each["effect"] for each in logs if each["log_level"] == "error"] == [
        "rollouts stand as they are remembered"
    ]
    assert {table.rollouts[0].percent for table in second.published} == {30}
    await second.close()


async def test_a_hold_goes_on_from_what_the_store_has_of_it(tmp_path: Path) -> None:
    """Memory knows of moves only, not of the time that passed since."""
    first = await begin(tmp_path, plan=PLAN)
    await first.act(Action.PAUSE)
    await first.act(Action.RESUME)
    held = msgspec.structs.replace(first.rollouts.progress("shop"), held_seconds=42.0)
    first.rollouts.pass_time({"shop": held})
    await first.rollouts.close()
    await first.store.close()
    second = await begin(tmp_path, first, plan=PLAN)

    assert second.rollouts.progress("shop").held_seconds == 42
    await second.close()


async def test_time_that_passes_is_not_put_in_memory(tmp_path: Path) -> None:
    """Only moves are, and of those that are stored at once nothing but where they led."""
    made = await begin(tmp_path)
    puts: list[object] = []
    made.memory.put = puts.append  # type: ignore[method-assign]
    for seconds in (1.0, 2.0, 3.0):
        progress = msgspec.structs.replace(made.rollouts.progress("shop"), held_seconds=seconds)
        made.rollouts.pass_time({"shop": progress})
    assert puts == []
    await made.set_percent(7)

    (kept,) = puts
    assert kept == msgspec.structs.replace(kept, progresses={"shop": made.rollouts.progress("shop")}, owed=b"[]")
    await made.close()


async def test_a_gateway_that_was_stopped_has_only_its_store(tmp_path: Path) -> None:
    """A backup that was put back meanwhile is what it goes by: its memory ended with it."""
    first = await begin(tmp_path)
    await first.set_percent(30)
    await first.close()
    (tmp_path / "state.db").rename(tmp_path / "lost.db")
    second = await begin(tmp_path)

    assert (second.percent, second.rollouts.progress("shop").version) == (5, 0)
    await second.close()


async def test_who_ends_and_could_not_store_a_rollback_says_so(tmp_path: Path) -> None:
    """It is forgotten with the gateway, which people must not find out by their users."""
    made = await begin(tmp_path)
    made.store.fails = True
    await made.act(Action.ROLLBACK)
    with capture_logs() as logs:
        await made.rollouts.close()

    assert [entry["rollout"] for entry in logs if entry["event"] == "store_missed"] == ["shop"]
    made.store.fails = False
    with capture_logs() as logs:
        await made.rollouts.close()
    assert [entry for entry in logs if entry["event"] == "store_missed"] == []


async def test_a_rollback_whose_controller_dies_while_its_incident_is_made_is_told_as_one(tmp_path: Path) -> None:
    """By its own event, which says from where it went back; the incident is lost."""
    made = await begin(tmp_path)
    is_making = asyncio.Event()

    async def stand_still(*_: object) -> Incident:
        is_making.set()
        await asyncio.Event().wait()
        return INCIDENT

    made.rollouts.record = stand_still
    acting = asyncio.ensure_future(made.act(Action.ROLLBACK, reason="by hand"))
    await is_making.wait()
    assert made.published[-1].rollouts[0].percent == 0
    remembered = made.memory.newest()
    acting.cancel()
    await asyncio.gather(acting, return_exceptions=True)
    assert remembered is not None
    made.memory.put(remembered)  # as it was when the controller was killed
    after = await begin(tmp_path, made)

    told = [event for event in await after.store.events() if event.rollout == "shop"][-1]
    assert (after.published[-1].rollouts[0].percent, told.kind, told.reason) == (0, "rollback", "by hand")
    assert told.before is not None
    assert told.before.percent == 5
