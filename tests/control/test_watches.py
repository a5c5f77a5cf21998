"""Watches see what is counted, once, and begin anew where what they saw says nothing any more."""

from __future__ import annotations

from pathlib import Path

from gateway.control.watches import Clocks, Sight, Watches
from gateway.core.lifecycle import Action
from gateway.core.plans import Do, Stage
from tests.control.gateway import ADA, Gateway

ERRORS = ("errors > 150 for 1m", Do.ROLLBACK)


def watch(gateway: Gateway) -> Watches:
    """Watches over its one rollout, in front of nobody who acts."""
    clocks = Clocks(lambda: gateway.second, lambda: gateway.wall, gateway.now)
    watches = Watches(Sight(gateway.figures, lambda: len(gateway.published)), gateway.rollouts, clocks, None)
    watches.arrange(gateway.rollouts.plans(), gateway.second)
    return watches


def see(watches: Watches, gateway: Gateway, errors: int) -> float | None:
    """One second more with so many errors; what the first guard reads then."""
    gateway.second += 1
    gateway.wall += 1
    gateway.count(errors)
    watches.take(gateway.second)
    return value_of(watches, gateway)


def value_of(watches: Watches, gateway: Gateway) -> float | None:
    """What the first guard reads now."""
    return watches.of("shop").judge_guards(gateway.second, None)[0][1].value


async def test_an_edit_of_something_else_leaves_a_watch_as_it_is(tmp_path: Path) -> None:
    """A percentage, say: it is of the same rollout, whose rules are the same."""
    gateway = Gateway(tmp_path, ERRORS)
    await gateway.begin()
    watches = watch(gateway)
    was = watches.of("shop")
    gateway.percent = 7.0
    gateway.publish()

    assert watches.arrange(gateway.rollouts.plans(), gateway.second) == set()
    assert watches.of("shop") is was
    assert watches.routes("shop") == {"orders"}
    await gateway.end()


async def test_an_edited_plan_is_watched_anew_with_what_was_counted_before(tmp_path: Path) -> None:
    """Its rules are others, or look at something else; what users met is the same."""
    gateway = Gateway(tmp_path, ERRORS)
    await gateway.begin()
    watches = watch(gateway)
    was = watches.of("shop")
    assert see(watches, gateway, errors=40) == 40
    gateway.plan = Gateway(tmp_path, ("errors > 500 for 1m", Do.PAUSE)).plan
    gateway.publish()

    assert watches.arrange(gateway.rollouts.plans(), gateway.second) == {"shop"}
    assert watches.of("shop") is not was
    assert value_of(watches, gateway) == 40
    await gateway.end()


async def test_a_restart_forgets_what_a_stage_goes_on_with(tmp_path: Path) -> None:
    """Counts go on with the next stage, as a fault does not end with it; a rollout that begins again is judged anew."""
    gateway = Gateway(tmp_path, ERRORS)
    await gateway.begin()
    watches = watch(gateway)
    see(watches, gateway, errors=40)

    watches.begin("shop", is_restart=False)
    assert see(watches, gateway, errors=2) == 42
    watches.begin("shop", is_restart=True)
    assert see(watches, gateway, errors=1) == 1
    await gateway.end()


async def test_who_begins_anew_is_not_judged_by_what_was(tmp_path: Path) -> None:
    """Windows do not reach behind a resume."""
    gateway = Gateway(tmp_path, ("errors > 150 for 1m", Do.ROLLBACK))
    await gateway.begin()
    await gateway.live(2, errors=100)
    assert gateway.kinds == ["rollback"]

    await gateway.rollouts.act("shop", Action.RESUME, reason="mended", actor=ADA, force=True)
    await gateway.live(5, errors=1)

    assert gateway.kinds == ["rollback", "resume"]
    assert gateway.share == 5
    await gateway.end()


async def test_what_is_reported_late_is_no_second_fault(tmp_path: Path) -> None:
    """Workers tell of requests under the former table after a step back; those under the new one are another matter."""
    stages = (Stage(5, hold_seconds=2), Stage(50, hold_seconds=100))
    gateway = Gateway(tmp_path, ("errors > 50 for 1m", Do.STEP_BACK), stages=stages)
    await gateway.begin()
    await gateway.live(3)
    await gateway.live(1, errors=60)
    assert (gateway.kinds, gateway.share) == (["stage", "step_back"], 5)

    former = len(gateway.published) - 1
    gateway.count(errors=100, serial=former)
    await gateway.conductor.tick()
    assert gateway.kinds == ["stage", "step_back"]

    gateway.count(errors=60)
    await gateway.conductor.tick()
    assert gateway.kinds == ["stage", "step_back", "rollback"]
    await gateway.end()
