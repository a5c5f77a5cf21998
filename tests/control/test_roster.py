"""Who is ready, and who is waited for."""

from __future__ import annotations

import asyncio

from gateway.control.roster import Roster
from gateway.core.figures import Subject


def full(slots: int, serial: int) -> Roster:
    """A roster in which every slot serves ``serial``."""
    roster = Roster(slots)
    roster.published(serial, f"r{serial}")
    for slot in range(slots):
        roster.applied(roster.joined(slot, pid=100 + slot, revision="", run=slot), serial)
    return roster


async def test_a_gateway_without_a_table_is_not_ready() -> None:
    """Before the first configuration is compiled, readiness says so."""
    assert Roster(2).lagging() == ["no configuration has been compiled yet"]


async def test_it_is_ready_when_every_slot_serves_the_newest_table() -> None:
    """Ready means all of them."""
    roster = full(2, 5)

    assert roster.lagging() == []
    assert [seat.revision for seat in roster.seats.values()] == ["r5", "r5"]


async def test_each_reason_names_its_worker() -> None:
    """Missing, behind and draining are told apart."""
    roster = full(3, 5)
    roster.left(roster.seats[0])
    roster.drains(roster.seats[2], is_draining=True)
    roster.published(6, "r6")
    roster.applied(roster.seats[2], 6)

    assert roster.lagging() == [
        "worker 0 is not connected",
        "worker 1 does not serve the newest table yet",
        "worker 2 is draining",
    ]


async def test_a_predecessors_late_farewell_does_not_unseat_its_successor() -> None:
    """The kernel may deliver the end of the old connection after the new one's Hello."""
    roster = full(1, 5)
    former = roster.seats[0]
    roster.applied(roster.joined(0, pid=200, revision="r5", run=200), 5)
    roster.left(former)

    assert roster.lagging() == []


async def test_a_slot_that_does_not_exist_takes_no_seat() -> None:
    """A stranger's number changes nothing."""
    roster = full(1, 5)
    roster.applied(roster.joined(7, pid=1, revision="", run=1), 5)

    assert list(roster.seats) == [0]


async def test_waiting_ends_when_the_last_one_has_caught_up() -> None:
    """A reload is answered when it is in force everywhere, not before."""
    roster = full(2, 5)
    roster.published(6, "r6")
    waiting = asyncio.create_task(roster.caught_up(6, seconds=60))
    roster.applied(roster.seats[0], 6)
    await asyncio.sleep(0)

    assert not waiting.done()
    roster.applied(roster.seats[1], 6)
    assert await waiting


async def test_a_newer_table_counts_as_caught_up_too() -> None:
    """Who waits for one table need not see it if the next is already there."""
    roster = full(1, 9)

    assert await roster.caught_up(6, seconds=60)


async def test_waiting_has_an_end() -> None:
    """A worker that hangs does not hang the API."""
    roster = full(1, 5)
    roster.published(6, "r6")

    assert not await roster.caught_up(6, seconds=0)


def test_workers_are_counted_by_how_they_stand() -> None:
    """Each slot once."""
    roster = full(3, 5)
    roster.published(6, "r6")
    roster.applied(roster.seats[0], 6)
    roster.drains(roster.seats[1], is_draining=True)

    assert roster.states() == {"ready": 1, "lagging": 1, "draining": 1, "missing": 0}
    roster.left(roster.seats[2])
    assert roster.states() == {"ready": 1, "lagging": 0, "draining": 1, "missing": 1}


def test_an_endpoint_is_healthy_when_every_worker_finds_it_so() -> None:
    """Each worker checks for itself."""
    roster = full(2, 5)
    roster.seats[0].endpoints = {"new": {"http://a": True, "http://b": True}}
    roster.seats[1].endpoints = {"new": {"http://a": True, "http://b": False}}

    assert roster.health() == {"new": {"http://a": True, "http://b": False}}


def test_waiting_requests_of_all_workers_add_up_while_these_live() -> None:
    """A worker that is gone keeps nobody waiting."""
    roster = full(2, 5)
    orders, items = (Subject(route, "/", "candidate", is_forced=False) for route in ("orders", "items"))
    roster.seats[0].waiting = {orders: {640: 1, 700: 2}}
    roster.seats[1].waiting = {orders: {700: 1}, items: {650: 1}}

    assert roster.waiting() == {orders: {640: 1, 700: 3}, items: {650: 1}}
    roster.left(roster.seats[0])
    assert roster.waiting() == {orders: {700: 1}, items: {650: 1}}


def test_a_journal_holds_what_the_best_informed_worker_says() -> None:
    """Each looks at the disk once a second, and knows of its own writes at once."""
    roster = full(2, 5)
    roster.seats[0].journal_bytes = {"orders": 100, "items": 7}
    roster.seats[1].journal_bytes = {"orders": 130}
    assert roster.journal_bytes() == {"orders": 130, "items": 7}


def test_what_workers_dropped_never_becomes_less() -> None:
    """Not when one dies, nor when one comes back over a new link and has not said it again yet."""
    roster = full(2, 5)
    for seat in roster.seats.values():
        roster.lost(seat, {"link": 1, "access_log": 2})
    leaving = roster.seats[1]
    again = roster.joined(1, leaving.pid, "r", leaving.run)

    assert roster.dropped() == {"link": 2, "access_log": 4}
    roster.left(leaving)
    assert roster.dropped() == {"link": 2, "access_log": 4}
    roster.lost(again, {"link": 1, "access_log": 5})
    assert roster.dropped() == {"link": 2, "access_log": 7}


def test_a_pid_that_comes_again_is_another_worker() -> None:
    """The kernel gives them out anew; what the former one lost stays lost."""
    roster = full(1, 5)
    former = roster.seats[0]
    roster.lost(former, {"link": 3})
    roster.left(former)
    roster.lost(roster.joined(0, former.pid, "", run=99), {"link": 1})

    assert roster.dropped() == {"link": 4}


def test_nobody_waits_for_the_comparer() -> None:
    """It serves no user: it is seen, but neither counted among the workers nor missed."""
    roster = full(2, 5)
    seat = roster.comparer_joined(4711, "", run=9)

    assert roster.comparer is seat
    assert roster.lagging() == []
    assert roster.states() == {"ready": 2, "lagging": 0, "draining": 0, "missing": 0}
    successor = roster.comparer_joined(4712, "", run=10)
    roster.left(seat)
    assert roster.comparer is successor
    roster.left(successor)
    assert roster.comparer is None
    assert roster.lagging() == []
