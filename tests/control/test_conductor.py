"""The conductor brings the parts together: counts come in, transitions go out, and people are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.lifecycle import Action, State
from gateway.core.plans import Do, Stage
from gateway.core.rules import parse_rule
from gateway.errors import WrongAction
from tests.control.gateway import ADA, Gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path


async def test_a_plan_goes_through_its_stages(folder: Path) -> None:
    """Each is in force in the workers as long as it holds, and in the audit log when it is over."""
    gateway = Gateway(folder)
    await gateway.begin()

    shares = []
    for _ in range(4):
        await gateway.live(1)
        shares.append(gateway.share)
        await gateway.live(9)

    assert shares == [5, 50, 100, 100]
    assert gateway.kinds == ["stage", "stage", "complete"]
    await gateway.end()


async def test_a_broken_guard_takes_everybody_back(folder: Path) -> None:
    """At once, with what the rule saw in the event."""
    gateway = Gateway(folder, ("error_rate > 20% for 5s", Do.ROLLBACK))
    await gateway.begin()
    await gateway.live(5)

    await gateway.live(3, errors=100)

    assert gateway.share == 0
    event = gateway.heard[-1][0]
    assert (event.kind, event.actor.type, event.before and event.before.percent) == ("rollback", "rule", 5)
    assert event.inputs["value"] > event.inputs["bound"]  # type: ignore[operator]
    await gateway.live(30, errors=100)
    assert gateway.kinds == ["rollback"]
    await gateway.end()


async def test_a_step_back_is_taken_once_and_then_pauses(folder: Path) -> None:
    """A guard's second from one stage: somebody has to look."""
    stages = (Stage(5, hold_seconds=2), Stage(50, hold_seconds=100))
    gateway = Gateway(folder, ("error_rate > 20% for 5s", Do.STEP_BACK), stages=stages)
    await gateway.begin()
    await gateway.live(3)

    await gateway.live(1, errors=100)
    await gateway.live(5)
    await gateway.live(1, errors=100)

    assert gateway.kinds == ["stage", "step_back", "stage", "step_back"]
    assert gateway.rollouts.state("shop").progress.state is State.PAUSED
    assert gateway.share == 5
    await gateway.end()


async def test_a_clock_that_is_set_moves_no_hold(folder: Path) -> None:
    """An hour forward or back: what passed is what passed."""
    gateway = Gateway(folder, stages=(Stage(5, hold_seconds=100), Stage(50, hold_seconds=100)))
    await gateway.begin()
    await gateway.live(50)
    await gateway.live(1, wall_step=3600)
    await gateway.live(1, wall_step=-7200)

    await gateway.live(47)
    assert gateway.kinds == []
    await gateway.live(2)
    assert gateway.kinds == ["stage"]
    await gateway.end()


async def test_a_new_controller_goes_on_where_the_last_one_was(folder: Path) -> None:
    """With the state and the hold from the store, and the windows from the figures."""
    gateway = Gateway(folder, ("errors > 150 for 1m", Do.ROLLBACK), stages=(Stage(5, hold_seconds=5), Stage(50)))
    await gateway.begin()
    await gateway.live(3, errors=40)
    assert gateway.kinds == []

    await gateway.rollouts.close()
    gateway.start()
    await gateway.begin()
    await gateway.live(1, errors=40)

    assert gateway.kinds == ["rollback"]
    await gateway.rollouts.close()
    gateway.start()
    await gateway.begin()
    assert gateway.rollouts.state("shop").state == "rolled_back"
    assert gateway.share == 0
    await gateway.end()


async def test_a_rollback_does_not_wait_for_a_store_that_is_away(tmp_path: Path) -> None:
    """It is in force, and stored as soon as it can be."""
    folder = tmp_path / "later"
    gateway = Gateway(folder, ("error_rate > 20% for 5s", Do.ROLLBACK))
    await gateway.begin()

    await gateway.live(3, errors=100)
    assert gateway.share == 0

    folder.mkdir()
    await gateway.rollouts.retry()
    assert (await gateway.store.progresses())["shop"].state is State.ROLLED_BACK
    assert [event.kind for event in await gateway.store.events(rollout="shop")] == ["rollback"]
    await gateway.end()


async def test_a_plan_waits_for_a_store_that_is_away(tmp_path: Path) -> None:
    """Nobody is moved forward on what a restart would not know."""
    folder = tmp_path / "later"
    gateway = Gateway(folder)
    await gateway.begin()

    await gateway.live(15)
    assert (gateway.share, gateway.kinds) == (5, [])

    folder.mkdir()
    await gateway.live(1)
    assert (gateway.share, gateway.kinds) == (50, ["stage"])
    await gateway.end()


async def test_an_approval_does_not_skip_a_gate_that_broke_meanwhile(folder: Path) -> None:
    """Whoever means that says so with force."""
    stages = (Stage(5, gates=(parse_rule("errors < 10 for 5s"),), needs_approval=True), Stage(100, hold_seconds=99))
    gateway = Gateway(folder, stages=stages)
    await gateway.begin()
    await gateway.live(8)
    assert gateway.kinds == ["approval"]
    await gateway.live(2, errors=50)

    with pytest.raises(WrongAction, match="errors < 10 for 5s is broken"):
        await gateway.rollouts.act("shop", Action.PROMOTE, reason="", actor=ADA)
    assert gateway.share == 5

    await gateway.live(8)
    await gateway.rollouts.act("shop", Action.PROMOTE, reason="", actor=ADA)
    assert gateway.share == 100
    await gateway.end()
