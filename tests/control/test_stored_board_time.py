"""Time that passes is written beside what moves rollouts: it tells no move that is still to be told."""

from __future__ import annotations

import msgspec

from gateway.core.lifecycle import Action, State, Transition
from gateway.core.plans import Stage
from tests.control.replicas import Fleet, Replica


async def begin() -> tuple[Fleet, Replica, Replica]:
    """A fleet, its leader, and another."""
    fleet = Fleet()
    await fleet.begin()
    return fleet, fleet.leader, fleet.followers[0]


def pass_time(replica: Replica, *, is_due: bool = True) -> None:
    """Some has passed; it is written now, or only in a few seconds."""
    replica.rollouts._kept_at = float("-inf" if is_due else "inf")
    replica.rollouts.pass_time({"shop": msgspec.structs.replace(replica.progress, held_seconds=7.0)})


async def test_a_rollback_that_is_owed_is_told_with_its_event() -> None:
    """Written as time that passed it would be there already, as if somebody else had told it."""
    fleet, leader, _ = await begin()
    fleet.meeting.is_away = True
    await leader.act(Action.ROLLBACK)
    fleet.meeting.is_away = False
    pass_time(leader)
    await leader.finish()
    await leader.rollouts.pay()

    assert fleet.meeting.kinds == ["rollback"]


async def test_a_move_that_was_refused_takes_the_place_of_no_other() -> None:
    """The rollback of another gateway has its number."""
    fleet, leader, other = await begin()
    before = leader.progress
    await other.act(Action.ROLLBACK)
    after = msgspec.structs.replace(before, state=State.PAUSED, version=before.version + 1)
    pause = Transition(kind="pause", before=before, after=after, actor="rule", name="errors", reason="broken")
    assert await leader.rollouts.commit("shop", pause, leader.membership.mandate().fence) is None
    pass_time(leader)
    await leader.finish()

    assert fleet.meeting.progress().state is State.ROLLED_BACK
    await fleet.live(2)
    assert fleet.shares == [0, 0]


async def test_an_edit_of_a_plan_that_runs_is_told() -> None:
    """Most of its seconds are not written yet when the file is read, and are written with what the file begins."""
    fleet, leader, _ = await begin()
    pass_time(leader, is_due=False)
    leader.plan = msgspec.structs.replace(leader.plan, stages=(Stage(3, hold_seconds=9999),))
    leader.revision = "r2"
    leader.publish()
    await leader.finish()

    assert (fleet.meeting.kinds, leader.share) == (["edit"], 3)
