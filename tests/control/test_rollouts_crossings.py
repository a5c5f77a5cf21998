"""Moves that cross on their way to the store, or are lost behind it: a rollback stands, and no move is lost unsaid."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.control import deposits
from gateway.control.rollouts import Rollouts
from gateway.core.lifecycle import Action, State, Transition
from gateway.core.plans import Plan, Stage
from gateway.core.types import Table
from gateway.errors import StoreConflict, StoreUnavailable
from gateway.store.records import Event, Incident
from tests.control.meeting import Door, Meeting
from tests.control.replicas import ADA, Fleet, Replica
from tests.control.shops import NOON, file, shop
from tests.proxy.wiring import PATIENCE_SECONDS
from tests.store.records import incident


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what does not come."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 0.01)


async def at(percent: float) -> tuple[Fleet, Replica, Replica]:
    """A fleet that an operator has put there, its leader and another."""
    fleet = Fleet()
    await fleet.begin()
    await fleet.leader.act(Action.SET, percent)
    await fleet.live(2)
    return fleet, fleet.leader, fleet.followers[0]


async def resume(replica: Replica) -> None:
    """Whatever is left of the cooldown."""
    await replica.rollouts.act("shop", Action.RESUME, reason="", actor=ADA, force=True)


async def hit(replica: Replica, kind: str, **changes: Any) -> Event | None:
    """A guard of one gateway acts, under its lease if it has one."""
    before = replica.progress
    after = msgspec.structs.replace(before, version=before.version + 1, **changes)
    transition = Transition(kind=kind, before=before, after=after, actor="rule", name="errors", reason="broken")
    return await replica.rollouts.commit("shop", transition, replica.membership.mandate().fence)


async def settle() -> None:
    """Whatever can go on without the store has."""
    for _ in range(10):
        await asyncio.sleep(0)


def assert_rolled_back(fleet: Fleet, *kinds: str) -> None:
    """Everywhere; and that is what happened, as the audit log has it."""
    assert fleet.shares == [0] * len(fleet.replicas)
    assert {each.state for each in fleet.replicas} == {State.ROLLED_BACK}
    assert {each.progress.version for each in fleet.replicas} == {fleet.meeting.progress().version}
    assert fleet.meeting.kinds == list(kinds)


# A rollback that stands in the store.


async def test_of_what_guards_of_one_that_was_cut_off_did_nothing_is_written_over_the_fleets_rollback() -> None:
    """Neither the first, which it overtook, nor what is built on that, though the number is above the rollback's."""
    fleet, leader, other = await at(50)
    other.door.is_cut = True
    await hit(other, "step_back", percent=20.0)
    await hit(other, "pause", state=State.PAUSED)
    await leader.act(Action.ROLLBACK)
    await fleet.live(1)
    assert (other.share, other.progress.version) == (20, leader.progress.version + 1)
    other.door.is_cut = False
    await fleet.live(3)

    assert_rolled_back(fleet, "percent", "rollback")


async def test_a_guards_pause_that_overtook_a_percentage_is_not_written_over_a_rollback() -> None:
    """It is in force before what waits, but takes no number above that: whoever was quicker stands."""
    fleet, leader, other = await at(50)
    leader.door.lets_in.clear()
    asking = asyncio.ensure_future(leader.act(Action.SET, 60))
    await settle()
    pausing = asyncio.ensure_future(hit(leader, "pause", state=State.PAUSED))
    await settle()
    assert (leader.state, leader.share) == (State.PAUSED, 50)
    await other.act(Action.ROLLBACK)
    leader.door.lets_in.set()
    await asyncio.gather(asking, pausing, return_exceptions=True)
    await fleet.live(2)

    assert_rolled_back(fleet, "percent", "rollback")


async def test_a_percentage_on_top_of_a_pause_that_is_refused_is_refused_too() -> None:
    """Whoever asked for it is told; what they saw when they did was never stored."""
    fleet, leader, other = await at(50)
    leader.door.lets_in.clear()
    await hit(leader, "pause", state=State.PAUSED)
    asking = asyncio.ensure_future(leader.act(Action.SET, 60))
    await settle()
    await other.act(Action.ROLLBACK)
    leader.door.lets_in.set()
    with pytest.raises(StoreConflict):
        await asking
    await fleet.live(2)

    assert_rolled_back(fleet, "percent", "rollback")


async def test_a_guards_pause_follows_on_what_it_overtook_at_its_own_gateway() -> None:
    """What has its number in the store is its own gateway's: nobody else is written over."""
    fleet, leader, _ = await at(50)
    leader.door.lets_in.clear()
    asking = asyncio.ensure_future(leader.act(Action.SET, 60))
    await settle()
    pausing = asyncio.ensure_future(hit(leader, "pause", state=State.PAUSED))
    await settle()
    leader.door.lets_in.set()
    await asyncio.gather(asking, pausing)
    await fleet.live(2)

    assert fleet.shares == [50, 50]
    assert {each.state for each in fleet.replicas} == {State.PAUSED}
    assert fleet.meeting.kinds == ["percent", "percent", "pause"]


# A rollback that the store has lost, or never heard of.


async def test_a_rollback_that_a_failover_lost_stands_though_the_others_have_come_further() -> None:
    """Who knows of it was cut off while the leader, which had not followed yet, moved the rollout twice."""
    fleet, leader, other = await at(30)
    before = fleet.meeting.copy()
    await other.act(Action.ROLLBACK)
    fleet.meeting.go_back(before)
    other.door.is_cut = True
    await fleet.live(1, leader)
    await leader.act(Action.SET, 40)
    await leader.act(Action.SET, 50)
    assert leader.progress.version > other.progress.version
    other.door.is_cut = False
    await fleet.live(3)

    assert_rolled_back(fleet, "percent", "percent", "percent", "restored")


async def test_a_rollback_that_was_told_stands_against_who_knows_of_more_moves() -> None:
    """A failover has lost those; whoever had made them does not write them over it."""
    fleet, leader, other = await at(30)
    before = fleet.meeting.copy()
    other.door.is_cut = True
    await leader.act(Action.SET, 40)
    await leader.act(Action.SET, 50)
    await fleet.live(1, leader)
    await other.act(Action.ROLLBACK)
    fleet.meeting.go_back(before)
    other.door.is_cut = False
    await other.rollouts.retry()
    assert fleet.meeting.progress().version < leader.progress.version
    followed: list[str] = []
    leader.rollouts.followers.append(lambda _, kind: followed.append(kind))
    await fleet.live(3)
    assert followed == ["rollback"]

    assert_rolled_back(fleet, "percent", "rollback", "restored")


async def test_a_rollback_of_one_that_was_cut_off_outlives_its_controller() -> None:
    """With the event that it owed, over whatever the fleet did meanwhile."""
    fleet, leader, other = await at(30)
    other.door.is_cut = True
    await other.act(Action.ROLLBACK)
    await fleet.live(1, other)
    other.start()
    await other.begin()
    await leader.act(Action.SET, 40)
    await leader.act(Action.SET, 50)
    other.door.is_cut = False
    await fleet.live(3)

    assert_rolled_back(fleet, "percent", "percent", "percent", "rollback")


async def test_a_rollback_outlives_a_controller_that_dies_with_the_answer(tmp_path: Path) -> None:
    """The store is away and no beat comes between: the next controller has it in force; the file has it soon."""
    fleet, _, cut = await at(50)
    cut.cache_file = tmp_path / "store.cache"
    cut.start()
    await cut.begin()
    cut.door.is_cut = True
    running = asyncio.ensure_future(cut.membership.run(cut.rollouts))
    await cut.act(Action.ROLLBACK)
    kept = cut.memory.newest()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while b"rolled_back" not in cut.cache_file.read_bytes():
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running})
    cut.start()
    await cut.begin()

    assert kept is not None
    assert (kept.progresses["shop"].state, cut.share) == (State.ROLLED_BACK, 0)
    cut.door.is_cut = False
    await fleet.live(2)
    assert fleet.shares == [0, 0]


@pytest.mark.parametrize("is_resumed", [False, True])
@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_rollback_that_was_stored_though_no_answer_came_is_done_once(is_killed: bool, is_resumed: bool) -> None:
    """Whoever resumes it meanwhile has ended it; and nobody tells that it came too late."""
    fleet, hasty, other = await at(30)
    commit = hasty.door.commit

    async def record(*_about: object) -> Incident:
        return incident("20261121-101500-shop")

    async def write_and_be_cut(*move: Any, **wish: Any) -> Event:
        await commit(*move, **wish)
        hasty.door.commit, hasty.door.is_cut = commit, True  # type: ignore[method-assign]
        raise StoreUnavailable("no answer in time")

    hasty.door.commit, hasty.rollouts.record = write_and_be_cut, record  # type: ignore[method-assign]
    await hit(hasty, "rollback", state=State.ROLLED_BACK, rollbacks=1, cooldown_left_seconds=600.0)
    await fleet.live(5)
    if is_resumed:
        await resume(other)
        await fleet.live(2)
    if is_killed:
        hasty.start()
        await hasty.begin()
    hasty.door.is_cut = False
    await fleet.live(3)

    assert fleet.meeting.kinds == ["percent", "rollback", "resume"][: 2 + is_resumed]
    assert {each.state for each in fleet.replicas} == {State.RUNNING if is_resumed else State.ROLLED_BACK}


async def test_a_rollback_that_comes_late_counts_all_those_before_it() -> None:
    """Else, once it is resumed, whoever slept since an earlier one would take that for one that nobody heard of."""
    fleet = Fleet(size=3)
    await fleet.begin()
    leader, cut, asleep = fleet.leader, *fleet.followers
    cut.door.is_cut = True
    for _ in range(2):
        await leader.act(Action.ROLLBACK)
        await asleep.beat()
        await resume(leader)
    asleep.door.is_cut = True
    await cut.act(Action.ROLLBACK)
    cut.door.is_cut = False
    await fleet.live(2, leader, cut)
    assert (leader.state, leader.progress.rollbacks) == (State.ROLLED_BACK, 3)
    await resume(leader)
    asleep.door.is_cut = False
    await fleet.live(2)

    assert [each.state for each in fleet.replicas] == [State.RUNNING] * 3


async def test_a_rollout_that_was_resumed_is_not_taken_back_by_who_slept_through_it() -> None:
    """It had heard of the rollback, so it is the same one for all."""
    fleet, leader, other = await at(30)
    await leader.act(Action.ROLLBACK)
    await fleet.live(2)
    other.door.is_cut = True
    await leader.rollouts.act("shop", Action.RESUME, reason="", actor=ADA, force=True)
    await leader.act(Action.SET, 10)
    await fleet.live(5, leader)
    assert other.state is State.ROLLED_BACK
    other.door.is_cut = False
    await fleet.live(2)

    assert fleet.shares == [10, 10]
    assert fleet.meeting.kinds == ["percent", "rollback", "resume", "percent"]


# An edit.


def edit(replica: Replica, percent: float) -> None:
    """Its file says something else."""
    replica.percent, replica.revision = percent, "r2"
    replica.publish()


async def test_an_edit_while_the_store_is_away_is_told_when_it_is_back() -> None:
    """Once, by who made it; the others follow."""
    fleet = Fleet(stages=())
    await fleet.begin()
    leader = fleet.leader
    fleet.meeting.is_away = True
    edit(leader, 2)
    await leader.finish()
    assert (leader.share, leader.rollouts.is_owed("shop"), leader.kinds) == (2, True, ["edit"])
    fleet.meeting.is_away = False
    await leader.rollouts.retry()
    await fleet.live(1)

    assert (fleet.shares, fleet.meeting.kinds) == ([2, 2], ["edit"])
    assert (leader.rollouts.is_owed("shop"), leader.kinds) == (False, ["edit"])


async def test_an_edit_of_a_gateway_alone_is_owed_to_a_store_that_fails() -> None:
    """As any move that is in force; only that there is a new file is lost, and the log says so."""
    meeting = Meeting(lambda: 0.0)
    published: list[Table] = []
    rollouts = Rollouts(Door(meeting), published.append, lambda: NOON, "gateway.yaml")
    await rollouts.begin()
    rollouts.publish(file(shop(5)))
    await asyncio.gather(*rollouts._tasks)
    meeting.is_away = True
    with capture_logs() as logs:
        rollouts.publish(file(shop(50), revision="r2"))
        await asyncio.gather(*rollouts._tasks)
    meeting.is_away = False
    await rollouts.retry()

    assert [(each["event"], each["kind"]) for each in logs] == [("event_lost", "config"), ("store_late", "edit")]
    assert (meeting.kinds, meeting.progress().stage_percent) == (["edit"], 50)
    assert published[-1].rollouts[0].percent == 50


@pytest.mark.parametrize("turns", range(6))
async def test_an_edit_is_not_taken_for_what_the_store_has_forgotten(turns: int) -> None:
    """By a beat, or another's message, that reads the store while the edit is in force and on its way there."""
    fleet = Fleet(stages=())
    await fleet.begin()
    leader = fleet.leader
    with capture_logs() as logs:
        edit(leader, 2)
        for _ in range(turns):
            await asyncio.sleep(0)
        await leader.rollouts.catch_up()
        await leader.finish()
        await fleet.live(2)

    assert [each["event"] for each in logs if each["log_level"] == "warning"] == []
    assert (fleet.shares, fleet.meeting.kinds, leader.kinds) == ([2, 2], ["edit"], ["edit"])


async def test_a_rollout_is_not_lost_to_a_table_that_cannot_be_published() -> None:
    """Whoever begins to conduct adopts its file again; the former place of each stays where that fails."""
    published: list[Table] = []
    fails = False

    def publish(table: Table) -> None:
        if fails:
            raise OSError("no space left")
        published.append(table)

    rollouts = Rollouts(Door(Meeting(lambda: 0.0)), publish, lambda: datetime.now(UTC), "gateway.yaml")
    await rollouts.begin()
    rollouts.publish(file(shop(5)))
    fails = True
    with pytest.raises(OSError, match="no space"):
        rollouts.take_over()
    await asyncio.gather(*rollouts._tasks)

    assert [each.rollout.name for each in rollouts.states()] == ["shop"]


# A file with fewer stages.


async def test_a_gateway_whose_file_has_fewer_stages_resumes_what_the_leader_paused() -> None:
    """In the last that it has: files are replaced one gateway after the other."""
    stages = tuple(Stage(percent, hold_seconds=9999) for percent in (5, 20, 50))
    fleet = Fleet(stages=stages)
    await fleet.begin()
    leader, other = fleet.replicas
    for _ in range(2):
        await leader.rollouts.act("shop", Action.PROMOTE, reason="", actor=ADA, force=True)
    await leader.act(Action.PAUSE)
    await fleet.live(1)
    other.plan = Plan(stages=stages[:2], starts_by_itself=True)
    other.publish()
    await other.act(Action.RESUME)
    await fleet.live(1)

    assert fleet.shares == [20, 20]
    assert {each.state for each in fleet.replicas} == {State.RUNNING}
