"""The same on a real Redis, as far as nobody has to wait for its clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.core.fleet import Role
from gateway.core.lifecycle import Action, State
from gateway.core.plans import Do
from gateway.errors import StoreConflict
from gateway.store import open_fleet, open_store
from tests.control.replicas import Fleet, Replica
from tests.store.servers import RedisServer, running


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of these tests' own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with running(server):
        yield server


@pytest.fixture
async def fleet(redis: RedisServer) -> AsyncIterator[Fleet]:
    """Two gateways that have joined each other, and a rule that takes a hundred requests."""
    redis.ask("FLUSHALL")
    made = Fleet(("requests > 100 for 5m", Do.ROLLBACK))
    for each in made.replicas:
        await connect(each, redis)
    await made.begin()
    yield made
    for each in made.replicas:
        await each.rollouts.close()
        await each.meeting.close()
        await each.store.close()


async def connect(replica: Replica, redis: RedisServer) -> None:
    """Its store is there."""
    meeting = open_fleet(redis.url)
    assert meeting is not None
    replica.store, replica.meeting = open_store(redis.url), meeting
    replica.start()


def states(fleet: Fleet) -> list[State]:
    return [each.state for each in fleet.replicas]


async def test_a_fleet_is_led_by_one_and_judged_by_what_both_have_counted(fleet: Fleet, redis: RedisServer) -> None:
    """A successor goes on with all of it, and its rollback is everywhere."""
    await fleet.live(5, requests=8)
    await fleet.live(1, requests=0)
    leader, (follower,) = fleet.leader, fleet.followers
    await leader.membership.close(leader.rollouts)
    await leader.store.close()
    await fleet.live(2, follower, requests=0)
    assert follower.role is Role.LEADER
    assert [rule.judgement.value for rule in follower.conductor.rules("shop")] == [80]

    await fleet.live(4, follower, requests=10)
    assert (follower.state, follower.kinds) == (State.ROLLED_BACK, ["rollback"])
    await connect(leader, redis)
    await leader.begin()
    assert (leader.state, leader.share) == (State.ROLLED_BACK, 0)


async def test_operators_move_it_through_any_gateway_and_one_at_a_time(fleet: Fleet) -> None:
    """The others have it with their next beat."""
    first, second = fleet.replicas
    for percent, replica in ((20, first), (30, second)):
        await replica.act(Action.SET, percent)
        await fleet.live(1, requests=0)
        assert fleet.shares == [percent, percent]
    found = await asyncio.gather(first.act(Action.SET, 40), second.act(Action.SET, 50), return_exceptions=True)

    assert [type(each) for each in found].count(StoreConflict) == 1
    events = await first.store.events(rollout="shop")
    assert [event.kind for event in events] == ["percent"] * 3


async def test_a_rollback_outlives_a_store_that_was_wiped(fleet: Fleet, redis: RedisServer) -> None:
    """Whoever knows of it says it again."""
    (follower,) = fleet.followers
    await follower.act(Action.ROLLBACK)
    redis.ask("FLUSHALL")
    await fleet.live(3, requests=0)

    assert states(fleet) == [State.ROLLED_BACK] * 2
    assert (await follower.store.progresses())["shop"].state is State.ROLLED_BACK
