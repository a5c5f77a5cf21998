"""Who is there, who leads, and what a gateway goes by while it hears nothing of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from gateway.control import membership
from gateway.control.cache import Remembered
from gateway.control.membership import ABSTAIN_SECONDS, MOST_FAILURES, REMIND_SECONDS, START_SECONDS
from gateway.core.fleet import LEASE_SECONDS, SETTLE_SECONDS, Role, Sum
from gateway.core.lifecycle import Action, Progress, State
from gateway.core.types import Held
from gateway.errors import StoreUnavailable
from tests.control.replicas import Fleet
from tests.proxy.wiring import PATIENCE_SECONDS

FOLLOWER, LEADER, DEGRADED = Role.FOLLOWER, Role.LEADER, Role.DEGRADED


def roles(fleet: Fleet) -> list[Role]:
    return [each.role for each in fleet.replicas]


async def test_one_of_a_fleet_leads_and_the_others_know_it() -> None:
    """The first that asked; each has the same rollouts in force."""
    fleet = Fleet(size=3)
    await fleet.begin()

    assert roles(fleet) == [LEADER, FOLLOWER, FOLLOWER]
    assert [each.membership.leader for each in fleet.replicas] == ["gw-0"] * 3
    assert [each.membership.fence for each in fleet.replicas] == [1] * 3
    assert fleet.shares == [5, 5, 5]
    assert [each.mandate().fence for each in (one.membership for one in fleet.replicas)] == [1, None, None]


async def test_when_the_leader_dies_another_leads_a_beat_after_its_lease() -> None:
    """And nobody meanwhile."""
    fleet = Fleet(size=3)
    await fleet.begin()
    left = fleet.replicas[1:]
    for _ in range(int(LEASE_SECONDS) - 1):
        await fleet.live(1, *left)
        assert roles(fleet)[1:] == [FOLLOWER, FOLLOWER]
    await fleet.live(2, *left)

    assert roles(fleet) == [FOLLOWER, LEADER, FOLLOWER]
    assert [each.membership.leader for each in left] == ["gw-1"] * 2
    assert left[0].membership.mandate().fence == 2


async def test_one_that_was_paused_follows_when_it_goes_on() -> None:
    """Before it has asked anybody: its lease counted from before it had it."""
    fleet = Fleet()
    await fleet.begin()
    former, other = fleet.replicas
    await fleet.live(4, other)

    assert roles(fleet) == [FOLLOWER, LEADER]
    await other.act(Action.SET, 30)
    await former.live()
    assert (former.role, former.membership.leader, former.share) == (FOLLOWER, "gw-1", 30)


async def test_who_leaves_is_succeeded_at_the_next_beat() -> None:
    """An orderly end costs a fleet nothing."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    await first.membership.close(first.rollouts)
    await fleet.live(1, second)

    assert second.role is LEADER
    assert [seen.replica for seen in await second.door.replicas()] == ["gw-1"]


async def test_a_store_that_is_away_makes_degraded_after_a_while_and_its_return_ends_that() -> None:
    """Each says so once; rollouts stay as they are."""
    fleet = Fleet()
    await fleet.begin()
    fleet.meeting.is_away = True
    with capture_logs() as logs:
        await fleet.live(2)
        assert DEGRADED not in roles(fleet)
        await fleet.live(5)
        assert roles(fleet) == [DEGRADED, DEGRADED]
        assert fleet.shares == [5, 5]
        assert all("connection refused" in each.membership.fault for each in fleet.replicas)
        fleet.meeting.is_away = False
        await fleet.live(2)

    assert sorted(roles(fleet)) == [FOLLOWER, LEADER]
    assert [(each.membership.fault, each.membership.away_since) for each in fleet.replicas] == [("", None)] * 2
    told = [each["event"] for each in logs]
    assert [told.count(event) for event in ("store_away", "store_back")] == [2, 2]


async def test_a_store_that_hangs_is_away_as_soon_as_one_that_refuses() -> None:
    """From when it was asked: nobody judges before that is known."""
    fleet = Fleet(size=1)
    await fleet.begin()
    (alone,) = fleet.replicas
    fleet.meeting.is_away, fleet.meeting.patience_seconds = True, 3.0
    await alone.beat()

    assert alone.role is DEGRADED


async def test_one_that_is_cut_off_is_degraded_and_the_others_go_on() -> None:
    """It leads no more well before another does."""
    fleet = Fleet(size=3)
    await fleet.begin()
    fleet.replicas[0].door.is_cut = True
    led = []
    for _ in range(6):
        await fleet.live(1)
        led.append(roles(fleet).count(LEADER))

    assert max(led) == 1
    assert roles(fleet) == [DEGRADED, LEADER, FOLLOWER]


# Starting.


async def test_the_first_leader_of_an_empty_store_lets_others_speak_first() -> None:
    """Whoever knows more than an empty store says so meanwhile."""
    fleet = Fleet()
    first = fleet.replicas[0]
    before = fleet.second
    with capture_logs() as logs:
        await first.membership.begin(first.rollouts)

    assert SETTLE_SECONDS <= fleet.second - before < SETTLE_SECONDS + 1
    assert first.role is LEADER
    assert [(each["role"], each["leader"]) for each in logs if each["event"] == "role_changed"] == [
        ("follower", ""),
        ("leader", "gw-0"),
    ]


async def test_one_that_joins_others_begins_at_once_with_what_they_have() -> None:
    """Not with what its file says."""
    fleet = Fleet()
    first, second = fleet.replicas
    await fleet.begin(first)
    await first.act(Action.SET, 70)
    before = fleet.second
    await second.begin()

    assert (fleet.second, second.share, second.role) == (before, 70, FOLLOWER)


async def test_without_a_store_it_waits_and_then_keeps_everybody_on_the_baseline() -> None:
    """Never at a percentage that the file would begin with; and it says so."""
    fleet = Fleet(stages=())
    alone = fleet.replicas[0]
    fleet.meeting.is_away = True
    before = fleet.second
    with capture_logs() as logs:
        await alone.begin()

    assert START_SECONDS <= fleet.second - before < START_SECONDS + 1
    assert (alone.state, alone.share, alone.role) == (State.PENDING, 0, DEGRADED)
    assert alone.published[-1].rollouts[0].held is Held.PENDING
    assert [each["event"] for each in logs] == ["waiting_for_store"] * 2 + ["store_unavailable"]
    assert [each["seconds"] for each in logs[:2]] == [START_SECONDS, START_SECONDS - REMIND_SECONDS]
    assert logs[-1]["effect"] == "everybody is served by baselines"

    fleet.meeting.is_away = False
    await fleet.live(5, alone)
    assert (alone.role, alone.state, alone.share) == (LEADER, State.RUNNING, 5)


@pytest.mark.parametrize("percent", [40.0, None])
async def test_with_a_memory_it_begins_as_it_was_at_once(percent: float | None, tmp_path: Path) -> None:
    """Rolled back stays so, too: the file of a gateway that was stopped says it as well as a controller's successor."""
    fleet = Fleet()
    await fleet.begin()
    one = fleet.replicas[0]
    one.cache_file = tmp_path / "store.cache"
    one.start()
    await one.begin()
    await (one.act(Action.ROLLBACK) if percent is None else one.act(Action.SET, percent))
    await one.membership.close(one.rollouts)
    fleet.meeting.is_away = True

    one.memory.kept = None
    one.start()
    before = fleet.second
    with capture_logs() as logs:
        await one.begin()

    assert (fleet.second, one.share) == (before, percent or 0)
    assert one.state is (State.ROLLED_BACK if percent is None else State.RUNNING)
    assert [each.get("effect") for each in logs] == ["rollouts stand as they are remembered"]


async def test_a_controller_that_starts_while_the_store_is_away_knows_what_the_one_before_knew() -> None:
    """From the gateway's memory: there is no file."""
    fleet = Fleet()
    await fleet.begin()
    one = fleet.replicas[1]
    await one.act(Action.SET, 25)
    await one.live()
    fleet.meeting.is_away = True
    one.start()
    await one.begin()

    assert (one.share, one.role) == (25, DEGRADED)


async def test_what_is_remembered_gives_way_to_what_the_store_has() -> None:
    """It may have been years."""
    fleet = Fleet()
    await fleet.begin()
    one, other = fleet.replicas
    one.memory.put(Remembered({"shop": Progress(state=State.RUNNING, percent=90.0)}))
    await other.act(Action.ROLLBACK)
    one.start()
    await one.begin()

    assert (one.share, one.state) == (0, State.ROLLED_BACK)


async def test_one_that_remembers_that_there_is_nothing_does_not_wait_again() -> None:
    """A controller that is replaced while the store is away, in a gateway whose rollouts nobody has begun."""
    fleet = Fleet()
    alone = fleet.replicas[0]
    alone.memory.put(Remembered({}))
    fleet.meeting.is_away = True
    before = fleet.second
    await alone.begin()

    assert (fleet.second, alone.state) == (before, State.PENDING)


async def forever() -> AsyncGenerator[tuple[float, Sum]]:
    """More sums than anybody can read."""
    await asyncio.Event().wait()
    yield 0.0, Sum([])


async def test_one_that_can_not_begin_to_lead_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workers need a table, and people its admin API; it follows what the store has."""
    monkeypatch.setattr(membership, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(membership, "START_SECONDS", 0.1)
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    await first.act(Action.SET, 20)
    await first.membership.close(first.rollouts)
    second.start()
    monkeypatch.setattr(second.door, "sums", forever)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await second.begin()

    assert (second.membership.leader, second.role, second.share) == ("gw-1", FOLLOWER, 20)
    await second.membership.close(second.rollouts)


# Leading.


def refuse() -> NoReturn:
    """As a store that does not let one do so."""
    raise StoreUnavailable("NOPERM")


async def test_a_leader_that_can_not_do_its_work_lets_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches the store for the lease, so nobody else would get it; after a while it asks for it again."""
    fleet = Fleet(size=3)
    await fleet.begin()
    first, ill, well = fleet.replicas
    await first.membership.close(first.rollouts)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(ill.door, "sums", refuse)
        await fleet.live(MOST_FAILURES, ill, well)
        assert (ill.membership.leader, ill.role) == ("gw-1", FOLLOWER)
        await fleet.live(2, ill, well)

    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["lease_given_up"]
    assert (ill.role, well.role, ill.membership.leader) == (FOLLOWER, LEADER, "gw-2")
    await fleet.live(int(ABSTAIN_SECONDS), ill, well)
    await well.membership.close(well.rollouts)
    await fleet.live(2, ill)
    assert ill.role is LEADER


async def test_a_leader_that_fails_now_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what fails again and again is given up."""
    fleet = Fleet()
    await fleet.begin()
    first = fleet.leader
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(first.membership.leading, "go_on", refuse)
            await fleet.live(MOST_FAILURES - 1)
        await fleet.live(1)

    assert (first.role, first.membership.fence) == (LEADER, 1)


# What it hears.


async def test_who_is_there_is_looked_up_now_and_then_and_at_once_for_who_asks() -> None:
    """And with each beat for a while after that."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    await fleet.live(10)
    second.revision = "r2"
    await fleet.live(1, second)
    await first.membership.look()
    assert [(each.replica, each.presence.revision) for each in first.membership.seen] == [
        ("gw-0", "r1"),
        ("gw-1", "r2"),
    ]

    second.revision = "r3"
    await second.beat()
    await first.beat()
    assert first.membership.seen[1].presence.revision == "r3"


async def test_what_the_leader_says_is_known_to_those_who_follow() -> None:
    """Until it says nothing more."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    assert second.membership.rules("nobody") == []
    fleet.meeting.stored.verdicts = (b"\x93\x01", fleet.second)
    await second.beat()
    assert second.membership.rules("shop") == []
    await fleet.live(6)

    assert second.membership.rules("shop") == first.conductor.rules("shop")


async def test_events_of_others_are_read_as_they_come() -> None:
    """Once each."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    heard: list[int] = []

    async def hear(newest: int) -> bool:
        heard.append(newest)
        return True

    second.membership.hear_events = hear
    await fleet.live(3)
    await first.act(Action.SET, 30)
    await fleet.live(3)

    newest = fleet.meeting.stored.event
    assert heard[-1] == newest
    assert heard == sorted(set(heard))


async def test_it_takes_part_until_it_is_ended() -> None:
    """It reports, listens and follows at once, also after the connection broke."""
    fleet = Fleet()
    await fleet.begin()
    first, second = fleet.replicas
    running = asyncio.ensure_future(second.membership.run(second.rollouts))
    async with asyncio.timeout(PATIENCE_SECONDS):
        for percent in (20, 30):
            await first.act(Action.SET, percent)
            while second.share != percent:
                await first.beat()
                await asyncio.sleep(0)
            second.door.hang_up()
    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
