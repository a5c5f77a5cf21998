"""What was decided holds: over the file, over restarts, and only where the environment allows it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.core.lifecycle import Action, State
from gateway.core.plans import Do, Plan, Stage
from gateway.core.types import Held, Mode, Rollout
from gateway.errors import StoreConflict, StoreUnavailable, UnknownRollout, WrongAction
from gateway.store.records import Incident, Standing
from gateway.store.sqlite import SqliteStore
from tests.control.shops import ADA, Shop, file, shop

PLAN = Plan(stages=(Stage(5.0, 60.0), Stage(50.0, 60.0), Stage(100.0)), cooldown_seconds=600.0)


async def test_an_operators_percentage_is_published_and_recorded(tmp_path: Path) -> None:
    """With who, why, from where to where."""
    made = Shop(tmp_path)
    await made.begin()

    state = await made.act(Action.SET, percent=20.0, reason="looks good")

    assert (made.percent, state.percent, state.source) == (20, 20, "operator")
    (event,) = await made.store.events(rollout="shop")
    assert (event.kind, event.actor, event.reason) == ("percent", ADA, "looks good")
    assert (event.before, event.after) == (Standing("running", 5), Standing("running", 20))
    assert (event.time, event.revision, event.inputs) == ("2026-01-01T12:00:00.000Z", "r1", {"percent": 20})
    await made.close()


async def test_it_holds_over_an_edit_of_the_file(tmp_path: Path) -> None:
    """Until it is given back; then the file's new percentage holds."""
    made = Shop(tmp_path)
    rollouts = await made.begin()
    await made.set_percent(20)

    rollouts.publish(file(shop(50)))
    assert made.percent == 20

    state = await made.act(Action.UNSET)
    assert (made.percent, state.source) == (50, "file")
    await made.close()


async def test_it_holds_over_a_restart(tmp_path: Path) -> None:
    """The first table that is published has it already."""
    before = Shop(tmp_path)
    await before.begin()
    await before.set_percent(0.01)
    await before.close()

    after = Shop(tmp_path)
    await after.begin()

    assert [each.rollouts[0].percent for each in after.published] == [0.01]
    await after.close()


async def test_it_waits_for_a_rollout_that_is_gone(tmp_path: Path) -> None:
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


async def test_a_plan_is_pending_until_it_is_started(tmp_path: Path) -> None:
    """Workers keep everybody from the candidate, and know why; then the first stage is in force."""
    made = Shop(tmp_path)
    await made.begin(shop(0, plan=PLAN))
    assert made.published[-1].rollouts[0].held is Held.PENDING

    state = await made.act(Action.START)

    assert (state.state, state.percent, state.source, made.percent) == ("running", 5, "plan", 5)
    assert made.published[-1].rollouts[0].held is None
    await made.close()


@pytest.mark.parametrize("action", [Action.RESUME, Action.SET])
async def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path, action: Action) -> None:
    """Neither in force nor in the audit log."""
    made = Shop(tmp_path)
    rollouts = await made.begin(shop(0, plan=PLAN))
    if action is Action.SET:
        await made.act(Action.ROLLBACK)
    before, published = rollouts.progress("shop"), len(made.published)

    with pytest.raises(WrongAction, match="is possible only when"):
        await made.act(action, percent=5.0)

    assert (rollouts.progress("shop"), len(made.published)) == (before, published)
    await made.close()


async def test_rolled_back_stays_rolled_back(tmp_path: Path) -> None:
    """Over edits, restarts, and a crash right after it was answered."""
    crashed = Shop(tmp_path)
    await crashed.begin(shop(0, plan=PLAN))
    await crashed.act(Action.START)
    await crashed.act(Action.ROLLBACK)
    await crashed.store.close()

    made = Shop(tmp_path)
    rollouts = await made.begin(shop(80))
    assert made.published[-1].rollouts[0].held is Held.ROLLED_BACK
    rollouts.publish(file(shop(90)))

    assert (rollouts.state("shop").state, made.percent) == ("rolled_back", 0)
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


async def test_a_rule_acts_and_its_event_carries_what_it_saw(tmp_path: Path) -> None:
    """Values, bound and sample sizes; the incident is in the store with it."""
    made = Shop(tmp_path)
    rollouts = await made.begin(shop(0, plan=PLAN))
    await made.act(Action.START)
    incident = Incident(id="i1", rollout="shop", rule="r", time="t", stage=1, percent_before=5, values={}, paths=[])

    async def record(*_: object) -> Incident:
        return incident

    rollouts.record = record
    event = await rollouts.commit("shop", made.hit())

    assert event is not None
    assert (event.kind, event.actor.type, event.actor.name) == ("rollback", "rule", "error_rate > 5% for 1m")
    assert (event.inputs["value"], event.inputs["bound"], event.inputs["incident"]) == (0.5, 0.05, "i1")
    assert await made.store.incidents() == [incident]
    assert event in [heard for heard, _ in made.heard]
    await made.close()


async def test_an_incident_that_cannot_be_made_holds_up_no_rollback(tmp_path: Path) -> None:
    """Whatever is wrong with it."""
    made = Shop(tmp_path)
    rollouts = await made.begin()

    async def record(*_: object) -> Incident:
        raise ValueError("what is this")

    rollouts.record = record
    with capture_logs() as logs:
        await rollouts.commit("shop", made.hit())

    assert [each["event"] for each in logs] == ["incident_lost"]
    assert rollouts.state("shop").state == "rolled_back"
    await made.close()


async def test_a_decision_that_somebody_was_ahead_of_is_dropped(tmp_path: Path) -> None:
    """It was made about a rollout that stood otherwise."""
    made = Shop(tmp_path)
    rollouts = await made.begin()
    late = made.hit(Do.PAUSE)
    await made.set_percent(1)

    assert await rollouts.commit("shop", late) is None
    assert rollouts.state("shop").state == "running"
    await made.close()


async def test_a_store_that_stands_still_does_not_hold_up_a_guard(tmp_path: Path) -> None:
    """It is in force and announced, and stored as soon as that is possible; a plan's next stage waits."""
    made = Shop(tmp_path)
    rollouts = await made.begin()
    made.store.turns.clear()

    event = await rollouts.commit("shop", made.hit())

    assert event is not None
    assert (event.id, made.percent) == (0, 0)
    assert event in [heard for heard, _ in made.heard]
    assert await made.store.progresses() == {}
    await made.close()
    again = Shop(tmp_path)
    assert (await again.begin()).state("shop").state == "rolled_back"
    await again.close()


async def test_a_store_that_fails_is_told_later(tmp_path: Path) -> None:
    """In the order in which things happened."""
    made = Shop(tmp_path)
    rollouts = await made.begin()
    made.store.fails = True
    await rollouts.commit("shop", made.hit(Do.PAUSE))
    await made.act(Action.ROLLBACK)
    with pytest.raises(StoreUnavailable):
        await made.act(Action.RESUME, force=True)
    assert rollouts.state("shop").state == "rolled_back"

    made.store.fails = False
    await rollouts.retry()

    assert [each.kind for each in await made.store.events(rollout="shop")] == ["pause", "rollback"]
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


@pytest.mark.parametrize(
    ("given", "wanted", "in_force", "source"),
    [
        (shop(killed=True), 20, 0, "switch"),
        (shop(cap=10.0), 20, 10, "switch"),
        (shop(cap=10.0), 8, 8, "operator"),
        (shop(10, cap=10.0), None, 10, "switch"),
        (shop(), None, 5, "file"),
    ],
)
async def test_the_environment_has_the_last_word(
    tmp_path: Path, given: Rollout, wanted: float | None, in_force: float, source: str
) -> None:
    """A switch bounds what operators and files want, and is named as what does."""
    made = Shop(tmp_path)
    rollouts = await made.begin(given)
    if wanted is not None:
        await made.set_percent(wanted)

    state = rollouts.state("shop")

    assert (state.percent, state.source, made.percent) == (in_force, source, in_force)
    await made.close()


async def test_acts_at_once_are_taken_one_after_the_other(tmp_path: Path) -> None:
    """What is published last is what was stored last, and each event begins where the one before ended."""
    made = Shop(tmp_path)
    await made.begin()

    await asyncio.gather(*(made.set_percent(percent) for percent in range(1, 21)))

    assert (await made.store.progresses())["shop"].percent == made.percent
    events = await made.store.events(rollout="shop")
    assert all(one.after == other.before for one, other in pairwise(events))
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


async def test_a_state_names_what_shares_the_rollout(tmp_path: Path) -> None:
    """And the mode, whatever the percentage."""
    made = Shop(tmp_path)
    given = shop(mode=Mode.SHADOW), shop(name="search")
    rollouts = await made.begin(*given)

    states = rollouts.states()

    assert [(state.name, state.rollout.mode, state.routes) for state in states] == [
        ("shop", "shadow", ("to-shop",)),
        ("search", "live", ("to-search",)),
    ]
    assert rollouts.table == file(*given)
    await made.close()


async def test_what_another_controller_moved_is_seen_before_it_is_moved_again(tmp_path: Path) -> None:
    """Whoever wanted it has looked at something else; now it is shown as it stands."""
    first, second = Shop(tmp_path), Shop(tmp_path)
    await first.begin()
    await second.begin()
    await first.set_percent(20)
    with pytest.raises(StoreConflict):
        await second.set_percent(50)
    assert second.percent == 5
    await second.rollouts.retry()
    assert second.percent == 20

    await second.set_percent(50)
    await first.act(Action.ROLLBACK)
    stored = (await second.store.progresses())["shop"]
    assert (stored.state, stored.version, first.rollouts.progress("shop").version) == (State.ROLLED_BACK, 3, 3)
    await first.close()
    await second.close()
