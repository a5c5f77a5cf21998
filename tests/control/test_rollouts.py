"""What was decided holds: over the file, over restarts, and only where the environment allows it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.lifecycle import Action, State
from gateway.core.plans import Do, Plan, Stage
from gateway.core.types import Held, Mode, Rollout
from gateway.errors import StoreConflict, StoreUnavailable, WrongAction
from gateway.store.records import Incident, Standing
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
