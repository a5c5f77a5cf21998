"""What a leader has told people its successor does not tell them again."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.conducting import WELL_SECONDS
from gateway.core.fleet import Role
from gateway.core.plans import Do, Stage
from gateway.core.rules import parse_rule
from tests.control.replicas import LONG, Fleet, Replica

NOISY = ("errors > 10 for 5s", Do.NOTIFY)
HELD_UP = (Stage(5, hold_seconds=3, gates=(parse_rule("mismatch_rate < 1% for 5s"),)), Stage(50, hold_seconds=9999))


async def let_lead(fleet: Fleet, successor: Replica, errors: int = 0) -> None:
    """The leader is gone; the other leads after it, and has judged a few times."""
    while successor.role is not Role.LEADER:
        await fleet.live(1, successor, errors=errors)
    await fleet.live(5, successor, errors=errors)


@pytest.mark.parametrize("seconds", [8, 2 * int(WELL_SECONDS)])
async def test_what_is_still_broken_is_told_once(seconds: int) -> None:
    """However long ago that was: the former leader said until its end that it is."""
    fleet = Fleet(NOISY)
    await fleet.begin()
    await fleet.live(seconds, requests=20, errors=20)
    await let_lead(fleet, fleet.replicas[1], errors=50)

    assert fleet.meeting.kinds == ["notify"]


async def test_what_came_and_went_is_told_again_when_it_was_well_for_minutes() -> None:
    """As by a leader who was there all the while; it is another fault by then."""
    fleet = Fleet(NOISY)
    await fleet.begin()
    successor = fleet.replicas[1]
    await fleet.live(3, errors=50)
    await fleet.live(8)
    await let_lead(fleet, successor)
    await fleet.live(3, successor, errors=50)
    assert fleet.meeting.kinds == ["notify"]
    await fleet.live(int(WELL_SECONDS) + 10, successor, requests=20)
    await fleet.live(3, successor, errors=50)

    assert fleet.meeting.kinds == ["notify", "notify"]


async def test_what_the_former_leader_saw_is_no_news_of_an_edit_hours_later() -> None:
    """What breaks after an edit of the plan people are told, though it was broken, and told, before this one led."""
    fleet = Fleet(NOISY)
    await fleet.begin()
    successor = fleet.replicas[1]
    await fleet.live(8, errors=50)
    await let_lead(fleet, successor, errors=50)
    await fleet.live(int(WELL_SECONDS) + 10, successor)
    successor.plan = msgspec.structs.replace(successor.plan, retries=7)
    successor.publish()
    await fleet.live(8, successor)
    await fleet.live(8, successor, errors=50)

    assert fleet.meeting.kinds == ["notify", "notify"]


async def test_what_nobody_was_told_of_is_told_by_the_successor() -> None:
    """Though the former leader may have seen it, too: what was not written nobody has heard."""
    fleet = Fleet(NOISY)
    await fleet.begin()
    await fleet.live(8, errors=50)
    fleet.meeting.stored.events.clear()
    await let_lead(fleet, fleet.replicas[1], errors=50)

    assert fleet.meeting.kinds == ["notify"]


async def test_a_stage_that_is_held_up_is_told_once() -> None:
    """That nothing is compared, say."""
    fleet = Fleet(stages=HELD_UP)
    await fleet.begin()
    await fleet.live(10)
    await let_lead(fleet, fleet.replicas[1])

    assert fleet.meeting.kinds == ["blocked"]


@pytest.mark.parametrize(("rules", "stages", "kind"), [([NOISY], LONG, "notify"), ([], HELD_UP, "blocked")])
async def test_who_was_without_the_store_tells_nobody_what_the_leader_has_told(
    rules: list[tuple[str, Do]], stages: tuple[Stage, ...], kind: str
) -> None:
    """Though the store is back before it has heard of the others again: the leader tells what there is to tell."""
    fleet = Fleet(*rules, stages=stages)
    await fleet.begin()
    await fleet.live(10, errors=50)
    fleet.meeting.is_away = True
    await fleet.live(6, errors=50)
    fleet.meeting.is_away = False
    for each in fleet.replicas:
        assert each.role is Role.DEGRADED
        await each.conductor.tick()
    await fleet.live(5, errors=50)

    assert fleet.meeting.kinds == [kind]
