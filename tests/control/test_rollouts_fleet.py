"""Through several gateways a rollout is moved as through one, whatever the store does meanwhile."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.control import deposits
from gateway.control.cache import Remembered
from gateway.core.fleet import Role
from gateway.core.lifecycle import Action, Progress, State
from gateway.core.plans import Stage
from gateway.errors import StoreConflict, StoreUnavailable
from gateway.store.records import Standing
from tests.control.replicas import Fleet, Replica


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what does not come."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 0.01)


def states(fleet: Fleet) -> list[State]:
    return [each.state for each in fleet.replicas]


# Operators.


async def test_an_operator_moves_a_rollout_through_any_gateway() -> None:
    """Under no lease; the others have it with their next beat, and the event is one."""
    fleet = Fleet(size=3)
    await fleet.begin()
    for percent, replica in zip((20, 30, 40), fleet.replicas, strict=True):
        await replica.act(Action.SET, percent)
        assert replica.share == percent
        await fleet.live(1)
        assert fleet.shares == [percent] * 3

    assert fleet.meeting.kinds == ["percent"] * 3
    assert [each.kinds for each in fleet.replicas] == [["percent"]] * 3


async def test_who_looked_at_something_older_moves_what_is_newest() -> None:
    """It is read before it is moved, so nobody has to wait for a beat."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    await first.act(Action.SET, 20)
    await second.act(Action.SET, 30)

    assert fleet.meeting.progress().version == 2
    assert fleet.meeting.stored.events[-1].before == Standing("running", 20)


@pytest.mark.parametrize("action", [Action.SET, Action.PAUSE])
async def test_of_two_at_once_one_is_told_that_it_was_late(action: Action) -> None:
    """And has in force what the other did."""
    fleet = Fleet()
    await fleet.begin()
    both = [
        fleet.replicas[0].act(action, 20 if action is Action.SET else None),
        fleet.replicas[1].act(Action.SET, 30),
    ]
    found = await asyncio.gather(*both, return_exceptions=True)
    await fleet.live(1)

    assert [type(each) for each in found].count(StoreConflict) == 1
    assert len(fleet.meeting.kinds) == 1
    assert fleet.shares[0] == fleet.shares[1]


async def test_of_two_rollbacks_at_once_there_is_one() -> None:
    """Whoever was late is told so; everybody is back in any case."""
    fleet = Fleet()
    await fleet.begin()
    found = await asyncio.gather(*(each.act(Action.ROLLBACK) for each in fleet.replicas), return_exceptions=True)
    await fleet.live(1)

    assert [type(each) for each in found].count(StoreConflict) == 1
    assert (fleet.shares, states(fleet)) == ([0, 0], [State.ROLLED_BACK] * 2)
    assert fleet.meeting.kinds == ["rollback"]


async def test_a_rollback_is_above_a_move_that_came_at_once() -> None:
    """Of another gateway: neither an operator nor a plan undoes it."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    await asyncio.gather(first.act(Action.SET, 80), second.act(Action.ROLLBACK), return_exceptions=True)
    await fleet.live(2)

    assert (fleet.shares, states(fleet)) == ([0, 0], [State.ROLLED_BACK] * 2)


# The store is away.


async def test_without_a_store_only_a_rollback_can_be_done() -> None:
    """At once, on the gateway that was asked; on all when the store is back, and it is told once."""
    fleet = Fleet(size=3)
    await fleet.begin()
    follower = fleet.replicas[2]
    fleet.meeting.is_away = True
    await fleet.live(5)
    with pytest.raises(StoreUnavailable):
        await follower.act(Action.SET, 50)
    await follower.act(Action.ROLLBACK)
    assert fleet.shares == [5, 5, 0]

    fleet.meeting.is_away = False
    await fleet.live(2)
    assert fleet.shares == [0, 0, 0]
    assert fleet.meeting.kinds == ["rollback"]
    assert {each.progress.version for each in fleet.replicas} == {1}


async def test_a_rollback_while_one_is_cut_off_is_above_what_the_others_did_meanwhile() -> None:
    """Its event says from where it really came."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    second.door.is_cut = True
    await fleet.live(4)
    await first.act(Action.SET, 60)
    await first.act(Action.SET, 70)
    await second.act(Action.ROLLBACK)
    await fleet.live(1)
    second.door.is_cut = False
    await fleet.live(2)

    assert (fleet.shares, states(fleet)) == ([0, 0], [State.ROLLED_BACK] * 2)
    assert {each.progress.version for each in fleet.replicas} == {3}
    told = fleet.meeting.stored.events[-1]
    assert (told.kind, told.before, told.after) == ("rollback", Standing("running", 70), Standing("rolled_back", 0))


async def test_all_that_roll_back_alone_make_one_rollback() -> None:
    """Each gateway was asked while it heard nothing of the others."""
    fleet = Fleet(size=3)
    await fleet.begin()
    fleet.meeting.is_away = True
    await fleet.live(5)
    for each in fleet.replicas:
        await each.act(Action.ROLLBACK)
    fleet.meeting.is_away = False
    await fleet.live(3)

    assert fleet.meeting.kinds == ["rollback"]
    assert {each.progress for each in fleet.replicas} == {fleet.meeting.progress()}


# The store has forgotten something.


@pytest.mark.parametrize("who", ["the leader", "a follower"])
async def test_a_rollback_that_a_failover_lost_is_written_again(who: str) -> None:
    """By whoever knows of it, though the others follow the store meanwhile."""
    fleet = Fleet(size=3)
    await fleet.begin()
    await fleet.live(1)
    before = fleet.meeting.copy()
    knows = fleet.leader if who == "the leader" else fleet.followers[-1]
    await knows.act(Action.ROLLBACK)
    fleet.meeting.go_back(before)
    await fleet.live(3)

    assert (fleet.shares, states(fleet)) == ([0, 0, 0], [State.ROLLED_BACK] * 3)
    assert fleet.meeting.progress().state is State.ROLLED_BACK


@pytest.mark.parametrize("who", ["the leader", "a follower"])
async def test_it_stands_though_something_else_has_taken_its_version(who: str) -> None:
    """What keeps users from harm is above what does not."""
    fleet = Fleet(size=3)
    await fleet.begin()
    await fleet.live(1)
    before = fleet.meeting.copy()
    knows = fleet.leader if who == "the leader" else fleet.followers[-1]
    other = next(each for each in fleet.replicas if each is not knows)
    await knows.act(Action.ROLLBACK)
    fleet.meeting.go_back(before)
    await other.act(Action.SET, 80)
    assert other.progress.version == knows.progress.version
    await fleet.live(3)

    assert (fleet.shares, states(fleet)) == ([0, 0, 0], [State.ROLLED_BACK] * 3)
    assert fleet.meeting.progress().version == 2


async def test_a_store_that_was_wiped_learns_from_who_knows_most() -> None:
    """Also of a gateway that was the only one to know of a rollback, and who leads has not heard of it."""
    fleet = Fleet(size=3)
    await fleet.begin()
    await fleet.leader.act(Action.SET, 30)
    await fleet.live(1)
    follower = fleet.followers[-1]
    await follower.act(Action.ROLLBACK)
    fleet.meeting.go_back()
    await fleet.live(4)

    assert (fleet.shares, states(fleet)) == ([0, 0, 0], [State.ROLLED_BACK] * 3)
    assert fleet.meeting.progress().version == 2
    assert fleet.leader.membership.fence > 1


async def test_of_several_that_write_again_what_was_forgotten_one_tells() -> None:
    """Whoever was first; what the log was told before is gone with the rest."""
    fleet = Fleet(size=3)
    await fleet.begin()
    await fleet.leader.act(Action.SET, 30)
    await fleet.live(1)
    fleet.meeting.go_back()
    await fleet.live(4)

    (told,) = (event for event in fleet.meeting.stored.events if event.rollout is not None)
    assert (told.kind, told.before, told.after) == ("restored", None, Standing("running", 30))


async def test_what_was_never_moved_is_written_again_too() -> None:
    """By who leads: a gateway that joins later must not wait for ever."""
    fleet = Fleet(stages=())
    await fleet.begin()
    fleet.meeting.go_back()
    await fleet.live(7)

    assert fleet.meeting.progress().state is State.RUNNING
    assert fleet.shares == [5, 5]


# The file.


async def test_a_rollout_is_begun_by_the_leader_and_at_nothing_until_then() -> None:
    """A follower that has read of it first keeps everybody on the baseline."""
    fleet = Fleet(stages=())
    first, second = fleet.replicas
    await first.membership.begin(first.rollouts)
    await second.begin()
    assert (first.role, second.role) == (Role.LEADER, Role.FOLLOWER)
    assert (second.share, second.state, fleet.meeting.stored.progresses) == (0, State.PENDING, {})
    assert second.rollouts.begun() == {}

    first.publish()
    await first.finish()
    assert fleet.meeting.progress().state is State.RUNNING
    await fleet.live(1)
    assert fleet.shares == [5, 5]


async def edit(replica: Replica, percent: float) -> None:
    """Its file says something else."""
    replica.percent, replica.revision = percent, f"r{percent:g}"
    replica.publish()
    await replica.finish()


async def test_only_the_leaders_file_moves_rollouts() -> None:
    """What the others' files say counts for their routes; the share stays what all have."""
    fleet = Fleet(stages=())
    await fleet.begin()
    leader, follower = fleet.replicas
    await edit(follower, 80)
    await fleet.live(1)
    assert (fleet.shares, fleet.meeting.kinds) == ([5, 5], [])

    await edit(leader, 40)
    await fleet.live(1)
    assert (fleet.shares, fleet.meeting.kinds) == ([40, 40], ["edit"])
    told = [event.revision for event in fleet.meeting.stored.events if event.kind == "config"]
    assert told == ["r1", "r40"]


async def test_a_new_leader_goes_by_its_own_file() -> None:
    """And says so in the audit log."""
    fleet = Fleet(stages=())
    await fleet.begin()
    leader, follower = fleet.replicas
    await edit(follower, 80)
    await leader.membership.close(leader.rollouts)
    await fleet.live(2, follower)

    assert (follower.role, follower.share) == (Role.LEADER, 80)
    assert fleet.meeting.kinds == ["edit"]
    assert [event.revision for event in fleet.meeting.stored.events if event.kind == "config"] == ["r1", "r80"]


async def test_an_edit_while_a_lease_had_run_out_counts_when_it_goes_on() -> None:
    """Nobody else led meanwhile, so it has the same lease as before."""
    fleet = Fleet(stages=(), size=1)
    await fleet.begin()
    (alone,) = fleet.replicas
    fleet.pass_time(2.6)
    assert alone.role is Role.FOLLOWER
    await edit(alone, 60)
    assert alone.share == 5
    await alone.beat()

    assert (alone.role, alone.membership.fence, alone.share) == (Role.LEADER, 1, 60)
    assert fleet.meeting.kinds == ["edit"]


async def test_one_that_takes_long_to_start_begins_what_its_file_says() -> None:
    """Though the lease that it had got at first had run out by then."""
    fleet = Fleet(stages=(), size=1)
    (alone,) = fleet.replicas
    await alone.membership.begin(alone.rollouts)
    fleet.pass_time(2.6)
    alone.publish()
    assert (alone.role, alone.state) == (Role.FOLLOWER, State.PENDING)
    await alone.beat()

    assert (alone.membership.fence, alone.role, alone.state, alone.share) == (1, Role.LEADER, State.RUNNING, 5)
    assert fleet.meeting.progress().state is State.RUNNING


async def test_time_that_passed_is_known_to_who_leads_next() -> None:
    """The hold of a stage goes on where it was, as far as it was written."""
    fleet = Fleet(stages=(Stage(5, hold_seconds=30), Stage(50, hold_seconds=9999)))
    await fleet.begin()
    await fleet.live(10)
    leader, follower = fleet.replicas
    held = leader.progress.held_seconds
    while follower.role is not Role.LEADER:
        await fleet.live(1, follower)
    assert held <= follower.progress.held_seconds + 1 <= held + 2
    await fleet.live(30, follower)

    assert (follower.share, fleet.meeting.kinds) == (50, ["stage"])


async def test_what_others_did_while_a_rollback_waited_is_not_in_force_for_a_moment() -> None:
    """Nothing that is read meanwhile puts anybody back on the candidate."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    second.door.lets_in.clear()
    await second.act(Action.ROLLBACK)
    await first.act(Action.SET, 90)
    seen = []
    for _ in range(3):
        await second.beat()
        seen.append(second.share)
    second.door.lets_in.set()
    await fleet.live(2)

    assert seen == [0, 0, 0]
    assert (fleet.shares, fleet.meeting.progress().state) == ([0, 0], State.ROLLED_BACK)


async def test_what_is_remembered_is_begun_by_nobody_else() -> None:
    """A gateway that starts without the store has in force what it knew, and does not write over what is newer."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    await fleet.live(1)
    old = msgspec.structs.replace(second.progress, percent=90.0, version=0)
    await first.act(Action.SET, 10)
    gone = Progress(state=State.ROLLED_BACK, version=3)
    second.memory.put(Remembered({"shop": old, "gone": gone}))
    second.start()
    second.door.is_cut = True
    await second.begin()
    assert second.share == 90
    second.door.is_cut = False
    await fleet.live(2)

    assert fleet.shares == [10, 10]
    assert fleet.meeting.progress("gone").version == 3
