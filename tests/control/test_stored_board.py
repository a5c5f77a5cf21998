"""What the file and the store say is put together: progress holds over edits, restarts, and a store that is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.core.lifecycle import Action, State
from gateway.core.plans import Plan, Stage
from gateway.errors import StoreUnavailable, UnknownRollout
from gateway.store.records import Standing
from gateway.store.sqlite import SqliteStore
from tests.control.shops import Shop, file, shop

PLAN = Plan(stages=(Stage(5.0, 60.0), Stage(50.0, 60.0), Stage(100.0)), cooldown_seconds=600.0)


async def test_a_percentage_holds_over_an_edit_of_the_file(tmp_path: Path) -> None:
    """Until it is given back; then the file's new percentage holds."""
    made = Shop(tmp_path)
    rollouts = await made.begin()
    await made.set_percent(20)

    rollouts.publish(file(shop(50)))
    assert made.percent == 20

    state = await made.act(Action.UNSET)
    assert (made.percent, state.source) == (50, "file")
    await made.close()


async def test_a_percentage_holds_over_a_restart(tmp_path: Path) -> None:
    """The first table that is published has it already."""
    before = Shop(tmp_path)
    await before.begin()
    await before.set_percent(0.01)
    await before.close()

    after = Shop(tmp_path)
    await after.begin()

    assert [each.rollouts[0].percent for each in after.published] == [0.01]
    await after.close()


async def test_a_percentage_waits_for_a_rollout_that_is_gone(tmp_path: Path) -> None:
    """And holds when it comes back."""
    made = Shop(tmp_path)
    rollouts = await made.begin()
    await made.set_percent(20)

    rollouts.publish(file(shop(name="search")))
    with pytest.raises(UnknownRollout, match="did you mean `search`"):
        rollouts.state("serch")
    rollouts.publish(file(shop()))

    assert made.percent == 20
    await made.close()


async def test_a_cooldown_goes_on_while_no_gateway_runs(tmp_path: Path) -> None:
    """By the time of day."""
    before = Shop(tmp_path)
    before.wait(1e6)
    await before.begin(shop(0, plan=PLAN))
    await before.act(Action.ROLLBACK)
    await before.close()

    after = Shop(tmp_path)
    after.wait(1e6 + 100)
    rollouts = await after.begin(shop(0, plan=PLAN))

    assert rollouts.progress("shop").cooldown_left_seconds == 500
    await after.close()


async def test_time_that_passed_survives_the_end_of_a_controller(tmp_path: Path) -> None:
    """A hold goes on where it was."""
    before = Shop(tmp_path)
    rollouts = await before.begin(shop(0, plan=PLAN))
    await before.act(Action.START)
    for seconds in (1.0, 2.0, 30.0):
        progress = msgspec.structs.replace(rollouts.progress("shop"), held_seconds=seconds)
        rollouts.pass_time({"shop": progress})
    await before.close()

    after = Shop(tmp_path)
    assert (await after.begin(shop(0, plan=PLAN))).progress("shop").held_seconds == 30
    await after.close()


async def test_time_that_passed_never_overwrites_a_transition(tmp_path: Path) -> None:
    """Though both are on their way to the store at once."""
    made = Shop(tmp_path)
    rollouts = await made.begin(shop(0, plan=PLAN))
    await made.act(Action.START)
    running = rollouts.progress("shop")

    acting = asyncio.create_task(made.act(Action.ROLLBACK))
    rollouts.pass_time({"shop": msgspec.structs.replace(running, held_seconds=5.0)})
    await acting
    await asyncio.gather(*rollouts._tasks)

    assert (await made.store.progresses())["shop"].state is State.ROLLED_BACK
    await made.close()


async def test_an_edit_that_moves_a_rollout_is_an_event(tmp_path: Path) -> None:
    """By the file; what an operator did meanwhile stays."""
    made = Shop(tmp_path)
    rollouts = await made.begin(shop(20))

    rollouts.publish(file(shop(0, plan=PLAN), revision="r2"))
    acting = asyncio.create_task(made.set_percent(33))
    await asyncio.gather(acting, *rollouts._tasks)

    events = {event.kind: event for event in await made.store.events(rollout="shop")}
    assert (events["edit"].actor.type, events["edit"].before) == ("file", Standing("running", 20))
    assert events["edit"].after == Standing("running", 5)
    assert (await made.store.progresses())["shop"].percent == 33
    await made.close()


async def test_without_a_store_it_serves_by_the_file_and_sets_nothing(tmp_path: Path) -> None:
    """Requests come first; once the store is there, what operators had set is in force."""
    before = Shop(tmp_path)
    await before.begin()
    await before.set_percent(20)
    await before.close()
    (tmp_path / "state.db").rename(tmp_path / "away.db")
    (tmp_path / "state.db").mkdir()

    made = Shop(tmp_path)
    with capture_logs() as logs:
        rollouts = await made.begin()
    assert [record["event"] for record in logs] == ["store_unavailable"]
    with pytest.raises(StoreUnavailable):
        await made.set_percent(30)
    await rollouts.retry()
    assert made.percent == 5

    (tmp_path / "state.db").rmdir()
    (tmp_path / "away.db").rename(tmp_path / "state.db")
    await rollouts.retry()

    assert made.percent == 20
    await made.close()


async def test_a_new_file_is_an_event_and_the_same_again_is_none(tmp_path: Path) -> None:
    """Also when a new controller reads it."""
    for revision in ("r1", "r1", "r2"):
        made = Shop(tmp_path)
        await made.rollouts.begin()
        made.rollouts.publish(file(shop(), revision=revision))
        await made.close()

    store = SqliteStore(str(tmp_path / "state.db"))
    events = await store.events()
    await store.close()
    assert [(event.kind, event.revision, event.actor.name) for event in events] == [
        ("config", "r1", "gateway.yaml"),
        ("config", "r2", "gateway.yaml"),
    ]
