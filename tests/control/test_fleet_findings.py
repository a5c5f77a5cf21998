"""What one gateway's comparer has found, all of them show."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from gateway.control.fleet_findings import (
    CLEARED,
    FOUND_BYTES,
    LEAST_FOUND_BYTES,
    LOOK_SECONDS,
    MOST_FAILED,
    MOST_REPLICAS,
)
from gateway.control.mismatches import SETTLING_SECONDS, name_policy
from gateway.core.failures import FailedRequest
from gateway.core.fleet import LEASE_SECONDS, SUM_SECONDS, Pulse, Report, Role
from gateway.core.tallies import PathTally
from gateway.errors import StoreUnavailable
from gateway.store.records import Event, NewEvent
from tests.control.found import PRICE, field, path, sample
from tests.control.replicas import ADA, Fleet, Replica
from tests.telemetry.scene import shadow

ORDERS = frozenset({"orders"})


async def compare(size: int = 3) -> Fleet:
    """A fleet whose gateways compare."""
    fleet = Fleet(size=size)
    for each in fleet.replicas:
        each.shadow = shadow()
    await fleet.begin()
    return fleet


def find(replica: Replica, *found: PathTally) -> None:
    """Its comparer tells what came since it told last."""
    now = replica.fleet.wall
    replica.mismatches.take(found, now)
    replica.findings.take(found, now)


async def settle(fleet: Fleet, *replicas: Replica) -> None:
    """Long enough for a report, for the store, and for who looks there."""
    await fleet.live(int(SUM_SECONDS + LOOK_SECONDS) + 1, *replicas)


async def shown(replica: Replica) -> dict[str, int]:
    """By path, how often prices differed, as it says when it is asked."""
    return {each.path: each.fields[PRICE].count for each in await replica.findings.paths(ORDERS)}


async def clear(replica: Replica, route: str = "orders") -> Event:
    """As an operator, through this gateway."""
    told = await replica.store.record(cleared(route))
    await replica.findings.clear(route, told)
    return told


def cleared(route: str) -> NewEvent:
    return NewEvent(
        time="2026-11-21T10:15:00Z",
        rollout="shop",
        kind=CLEARED,
        actor=ADA,
        before=None,
        after=None,
        reason="",
        inputs={"route": route},
        revision="r1",
    )


def failed(name: str, at: float, where: str = "/a") -> FailedRequest:
    return FailedRequest(at, name, "orders", where, "GET", 500, "5xx")


async def test_what_any_gateway_found_all_of_them_show() -> None:
    """Counts of the same path added up, with the samples of both; what only one has seen as it is."""
    fleet = await compare()
    one, two, three = fleet.replicas
    find(one, path({PRICE: field(3, 3, 0, sample(1.0, name="from-one"))}, compared=10))
    find(two, path({PRICE: field(4, 4, 0, sample(2.0, name="from-two"))}, compared=90), path(name="/rare"))
    await settle(fleet)

    assert [await shown(each) for each in (one, two, three)] == [{"/orders/{id}": 7, "/rare": 1}] * 3
    (both, _) = sorted(await three.findings.paths(ORDERS), key=lambda each: each.path)
    assert (both.compared, [each.request_id for each in both.fields[PRICE].samples]) == (100, ["from-one", "from-two"])


async def test_the_leader_names_what_differs_most_anywhere() -> None:
    """It is what says what holds up a plan, and what an incident shows."""
    fleet = await compare()
    find(fleet.followers[0], path())
    await settle(fleet)

    assert [each.path for each in fleet.leader.findings.known(ORDERS)] == ["/orders/{id}"]
    assert fleet.followers[1].findings.known(ORDERS) == []


async def test_much_that_was_found_goes_in_pieces_and_all_of_it_once() -> None:
    """No report is much larger than its share, not even with a path that is larger by itself."""
    fleet = await compare(2)
    follower, share = fleet.followers[0], FOUND_BYTES // 2
    for number in range(30):
        big = sample(float(number), baseline="x" * 30_000)
        find(follower, path({PRICE: field(2, 2, 0, big)}, name=f"/{number}"))
    find(follower, path({PRICE: field(9, 9, 0, *[sample(n, baseline="y" * 100_000) for n in range(5)])}, name="/big"))
    sizes: list[int] = []
    for _ in range(10):
        await fleet.live(1)
        sizes += [len(packed) for _, _, packed in fleet.meeting.stored.reports[-2:]]
    await settle(fleet)

    assert share / 2 < max(sizes) < share + LEAST_FOUND_BYTES
    assert await shown(follower) == {**{f"/{number}": 2 for number in range(30)}, "/big": 9}
    (big_one,) = [each for each in fleet.leader.findings.known(ORDERS) if each.path == "/big"]
    assert [each.time for each in big_one.fields[PRICE].samples] == [4]


async def test_what_was_found_while_the_store_was_away_is_handed_in_later() -> None:
    """Meanwhile each shows what it has found by itself."""
    fleet = await compare()
    follower = fleet.followers[0]
    find(follower, path(name="/before"))
    await settle(fleet)
    fleet.meeting.is_away = True
    for _ in range(3):
        find(follower, path(name="/meanwhile"))
        await fleet.live(2)
    assert await shown(follower) == {"/before": 1, "/meanwhile": 3}
    assert await shown(fleet.replicas[-1]) in ({}, {"/before": 1})

    fleet.meeting.is_away = False
    await settle(fleet)
    assert [await shown(each) for each in fleet.replicas] == [{"/before": 1, "/meanwhile": 3}] * 3


async def test_what_arrived_though_no_answer_came_is_not_there_twice() -> None:
    """A store that stands still for a moment has written what it is told again."""
    fleet = await compare()
    follower = fleet.followers[0]
    report = follower.door.report

    async def write_and_be_silent(*said: Any, **wish: Any) -> Pulse:
        await report(*said, **wish)
        raise StoreUnavailable("no answer in time")

    await fleet.live(1)
    follower.door.report = write_and_be_silent  # type: ignore[method-assign]
    for name in ("/one", "/two"):
        find(follower, path(name=name))
        await fleet.live(1)
    follower.door.report = report  # type: ignore[method-assign]
    find(follower, path(name="/two"))
    await settle(fleet)

    assert await shown(follower) == {"/one": 1, "/two": 2}


async def test_who_leads_once_more_takes_what_it_has_taken_before() -> None:
    """It goes by the record that is stored, and the reports since that was written."""
    fleet = await compare(2)
    leader, again = fleet.leader, Report("gw-9", {}, [(name_policy(shadow().compare), path())], batch=7)
    for _ in range(2):
        leader.findings.merge(again)
    assert [each.fields[PRICE].count for each in leader.findings.known(ORDERS)] == [1]

    await leader.findings.begin()
    leader.findings.merge(again)
    assert [each.fields[PRICE].count for each in leader.findings.known(ORDERS)] == [1]


async def test_of_many_gateways_that_came_and_went_the_first_are_forgotten() -> None:
    """A leader may lead for months."""
    fleet = await compare(2)
    found = [(name_policy(shadow().compare), path())]
    for number in [*range(MOST_REPLICAS + 1), MOST_REPLICAS, 0]:
        fleet.leader.findings.merge(Report(f"gw-{number}", {}, found, batch=7))

    assert [each.fields[PRICE].count for each in fleet.leader.findings.known(ORDERS)] == [MOST_REPLICAS + 2]


async def test_a_new_leader_goes_on_with_the_record() -> None:
    """It has what the former wrote, and adds what comes."""
    fleet = await compare()
    former, others = fleet.leader, fleet.followers
    find(others[0], path())
    await settle(fleet)
    find(others[0], path(name="/not-written-yet"))
    await fleet.live(1)
    while former.role is Role.LEADER or fleet.meeting.stored.lease[0] == former.name:
        await fleet.live(1, *others)
    find(others[1], path())
    await settle(fleet, *others)

    assert await shown(fleet.leader) == {"/orders/{id}": 2, "/not-written-yet": 1}


@pytest.mark.parametrize("is_last", [True, False])
async def test_a_leader_that_ends_leaves_all_that_was_found(is_last: bool) -> None:
    """To its successor, or to the fleet of tomorrow; nothing is there twice."""
    fleet = await compare(2)
    leader, follower = fleet.leader, fleet.followers[0]
    find(follower, path())
    await settle(fleet)
    find(follower, path())
    find(leader, path())
    if is_last:
        await follower.membership.close(follower.rollouts)
    await leader.membership.close(leader.rollouts)
    if is_last:
        fleet.pass_time(3600)
        leader.start()
        await leader.begin()
    await settle(fleet, leader if is_last else follower)

    assert await shown(leader if is_last else follower) == {"/orders/{id}": 3}


async def test_who_was_leader_shows_what_all_have_found_since() -> None:
    """Its own record ended with its lease."""
    fleet = await compare()
    former, others = fleet.leader, fleet.followers
    await fleet.live(int(LEASE_SECONDS) + 2, *others)
    find(others[0], path())
    await settle(fleet)

    assert (former.role, await shown(former)) == (Role.FOLLOWER, {"/orders/{id}": 1})


@pytest.mark.parametrize("by", ["the leader", "a follower"])
async def test_a_record_that_somebody_begins_anew_begins_anew_everywhere(by: str) -> None:
    """In the store, on every gateway and in its comparer; other routes keep theirs."""
    fleet = await compare()
    told: Counter[str] = Counter()
    for each in fleet.replicas:
        each.mismatches.on_clear = lambda name=each.name: told.update([name])  # type: ignore[misc]
        find(each, path())
    await settle(fleet)
    await clear(fleet.leader if by == "the leader" else fleet.followers[0])
    await fleet.live(2)
    find(fleet.followers[0], path(name="/late"))
    await settle(fleet)

    assert [await shown(each) for each in fleet.replicas] == [{}, {}, {}]
    assert fleet.meeting.stored.mismatches == {}
    assert [each.mismatches.paths(ORDERS) for each in fleet.replicas] == [[], [], []]
    assert told == {each.name: 1 for each in fleet.replicas}

    fleet.pass_time(SETTLING_SECONDS)
    find(fleet.followers[1], path(name="/new"))
    await settle(fleet)
    assert [await shown(each) for each in fleet.replicas] == [{"/new": 1}] * 3


async def test_a_record_is_begun_anew_by_who_could_not_read_that_at_first() -> None:
    """Else the leader would show for ever what nobody else does."""
    fleet = await compare()
    leader, follower = fleet.leader, fleet.followers[0]
    find(follower, path())
    await settle(fleet)
    events = leader.door.events

    async def fail_once(*wish: Any) -> list[Event]:
        leader.door.events = events  # type: ignore[method-assign]
        raise StoreUnavailable("connection reset")

    leader.door.events = fail_once  # type: ignore[method-assign]
    await clear(follower)
    await settle(fleet)

    assert [await shown(each) for each in fleet.replicas] == [{}, {}, {}]


async def test_a_record_is_begun_anew_while_another_begins_to_lead() -> None:
    """It may have read the record before it was cleared in the store."""
    fleet = await compare()
    leader, (heir, other) = fleet.leader, fleet.followers
    find(heir, path())
    await settle(fleet)
    old = await heir.door.mismatches()
    await clear(other)
    await fleet.live(1, heir, other)
    fleet.meeting.stored.mismatches = {(each.tally.route, each.tally.path): each for each in old}
    await leader.membership.close(leader.rollouts)
    await fleet.live(2, heir)
    await settle(fleet, heir, other)

    assert [await shown(each) for each in (heir, other)] == [{}, {}]


async def test_what_was_found_before_a_record_began_anew_is_not_handed_in_after_that() -> None:
    """Also by a gateway that was cut off, and hears of it only when it is back."""
    fleet = await compare()
    lost, other = fleet.followers
    lost.door.is_cut = True
    find(lost, path(name="/tried"))
    await fleet.live(1)
    find(lost, path(name="/kept"))
    await clear(other)
    await fleet.live(int(SETTLING_SECONDS) + 3)
    lost.door.is_cut = False
    await settle(fleet)
    find(lost, path(name="/new"))
    await settle(fleet)

    assert [await shown(each) for each in fleet.replicas] == [{"/new": 1}] * 3


async def test_what_was_cleared_before_a_gateway_began_is_not_cleared_again() -> None:
    """Events of yesterday are read at the start, too."""
    fleet = await compare(2)
    await clear(fleet.leader)
    await settle(fleet)
    follower = fleet.followers[0]
    follower.start()
    follower.mismatches.on_clear = lambda: pytest.fail("it was told to forget")
    await follower.begin()
    await fleet.live(2)

    assert follower.history.events("shop")[-1].kind == CLEARED


async def test_what_was_found_by_another_policy_is_left_out() -> None:
    """Gateways whose files differ: the leader's counts."""
    fleet = await compare()
    leader, follower = fleet.leader, fleet.followers[0]
    follower.shadow = shadow(ignore=("$.price",))
    follower.publish()
    fleet.pass_time(SETTLING_SECONDS)
    find(follower, path())
    find(leader, path(name="/by-the-leader"))
    await settle(fleet)

    assert await shown(leader) == {"/by-the-leader": 1}


async def test_who_records_an_incident_has_requests_that_failed_on_other_gateways() -> None:
    """The newest of each report; its own it has once."""
    fleet = await compare()
    leader, follower = fleet.leader, fleet.followers[0]
    leader.samples.take([failed("own", fleet.wall, "/own")])
    leader.findings.fail([failed("own", fleet.wall, "/own")])
    follower.findings.fail([failed(f"far-{number}", fleet.wall + number) for number in range(MOST_FAILED + 5)])
    await fleet.live(2)

    names = [each.request_id for each in leader.samples.find(ORDERS, fleet.wall - 60)]
    assert names.count("own") == 1
    names.remove("own")
    assert names == [f"far-{number}" for number in range(MOST_FAILED + 4, MOST_FAILED - 6, -1)]


async def test_of_many_who_ask_at_once_one_reads() -> None:
    """And for a moment nobody does: a dashboard asks again and again."""
    fleet = await compare()
    follower, reads = fleet.followers[0], 0
    read = follower.door.mismatches

    async def count() -> object:
        nonlocal reads
        reads += 1
        return await read()

    follower.door.mismatches = count  # type: ignore[method-assign, assignment]
    await asyncio.gather(*(follower.findings.paths(ORDERS) for _ in range(5)))
    fleet.pass_time(LOOK_SECONDS / 2)
    await follower.findings.paths(ORDERS)
    assert reads == 1
    fleet.pass_time(LOOK_SECONDS)
    await follower.findings.paths(ORDERS)
    assert reads == 2


def test_reports_of_older_and_newer_gateways_can_be_read() -> None:
    """While a fleet is being replaced one by one."""
    older = msgspec.msgpack.decode(msgspec.msgpack.encode(["a", {}]), type=Report)
    newer = msgspec.msgpack.decode(msgspec.msgpack.encode(["a", {}, [], [], 0, "more"]), type=Report)

    assert older == newer == Report("a", {})
