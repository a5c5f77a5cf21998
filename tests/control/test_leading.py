"""A leader adds up what all say, and leaves it to who comes next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from gateway.control.fleet_findings import FleetFindings
from gateway.control.leading import AT_A_TIME, Leading
from gateway.control.mismatches import Mismatches
from gateway.control.rules import RuleState
from gateway.control.samples import Samples
from gateway.core.figures import Subject
from gateway.core.fleet import SUM_SECONDS, Portion, Report, Sum
from gateway.core.progress import Progress, State
from gateway.core.templates import TEMPLATES_PER_ROUTE
from gateway.core.types import Match, Route, Table
from gateway.core.verdicts import Judgement, Verdict
from gateway.core.windows import Cell
from gateway.errors import Fenced, StoreUnavailable
from tests.control.meeting import Door, Meeting
from tests.control.members import presence
from tests.proxy.wiring import table

if TYPE_CHECKING:
    from gateway.control.rollouts import Rollouts

NOON = 1_800_000_000.0
SUBJECT = Subject("to-shop", "/a", "candidate", is_forced=False)
SAYS = Judgement(rule="errors > 5", verdict=Verdict.OK, reason="ok", value=3.0)
RULES = {"shop": [RuleState("errors > 5", "guard", "errors > 5", "rollback", SAYS)]}


class Known:
    """Rollouts, as far as a leader asks for them."""

    def __init__(self, version: int) -> None:
        self.table: Table | None = None
        self._version = version

    def begun(self) -> dict[str, Progress]:
        return {"shop": Progress(state=State.RUNNING, version=self._version)}


def knows(version: int = 1) -> Rollouts:
    return cast("Rollouts", Known(version))


class Room:
    """A store, and time."""

    def __init__(self) -> None:
        self.now = NOON
        self.meeting = Meeting(lambda: self.now)
        self.door = Door(self.meeting)

    def lead(self) -> Leading:
        """One that has not begun."""
        return self.lead_through(Door(self.meeting))

    def lead_through(self, door: Door) -> Leading:
        """Likewise, by a way to the store that may be cut."""
        findings = FleetFindings("a", Mismatches(), Samples(), door, lambda: self.now, lambda: True)
        return Leading(door, lambda: self.now, findings)

    async def say(self, requests: int, version: int = 1, replica: str = "a") -> None:
        """A replica hands in so much."""
        said = Report(replica, {"shop": Portion(version, [(SUBJECT, Cell(requests=requests))])})
        await self.door.report(replica, presence(replica), said, lease_seconds=0, known_fence=0)


def found_so_far(leading: Leading) -> int:
    """Of the requests that it has gathered in this second."""
    return sum(cell.requests for cells in leading.figures._gathered.values() for cell in cells.values())


def found_by(leading: Leading, seconds: float = 600.0) -> int:
    """Of the requests in its windows."""
    return sum(cell.requests for cell in leading.figures.windows.sum(NOON - seconds, NOON + seconds).values())


async def test_a_leader_adds_up_what_is_said_from_its_beginning_on() -> None:
    """Of a fleet that nobody led before; each report once."""
    room = Room()
    await room.say(100)
    leading = room.lead()
    await leading.begin(1, knows())
    for requests in (3, 4):
        await room.say(requests)
        await room.say(requests, replica="b")
        await leading.go_on()
        room.now += 1

    assert found_by(leading) == 14
    assert leading.figures.drain("shop")[SUBJECT].requests == 14


async def test_a_successor_has_all_that_its_predecessor_had_and_what_was_said_since() -> None:
    """Nothing is lost between the last sum and the first report that it reads, and nothing is there twice."""
    room = Room()
    first, said = room.lead(), 0
    await first.begin(1, knows())
    for second in range(int(2.5 * SUM_SECONDS)):
        await room.say(second)
        await first.go_on()
        said += second
        room.now += 1
    for _ in range(3):
        await room.say(1000)
        said += 1000
        room.now += 1
    second_leader = room.lead()
    await second_leader.begin(2, knows())
    await second_leader.go_on()
    await second_leader.go_on()

    assert found_by(second_leader) == said
    assert found_by(second_leader, 0.0) < said


async def test_a_successor_counts_nothing_of_before_a_move() -> None:
    """It has begun anew by what it knows of the rollouts."""
    room = Room()
    leading = room.lead()
    await leading.begin(1, knows(version=4))
    await room.say(5, version=3)
    await room.say(2, version=4)
    await leading.go_on()

    assert leading.figures.drain("shop")[SUBJECT].requests == 2


async def test_a_table_that_comes_while_a_successor_reads_counts_for_it_too() -> None:
    """The paths that it names have places, though what was left has filled all there are."""
    room, rollouts = Room(), Known(version=1)
    seen = [(SUBJECT._replace(path=f"/{number}"), Cell(requests=1)) for number in range(TEMPLATES_PER_ROUTE)]
    await room.door.share(b"", Sum(seen), fence=1)
    leading = room.lead()
    beginning = asyncio.ensure_future(leading.begin(2, cast("Rollouts", rollouts)))
    await asyncio.sleep(0)
    rollouts.table = table(routes=(Route("to-shop", Match(), "legacy", "new", "shop", paths=(SUBJECT.path,)),))
    await beginning
    await room.say(3)
    await leading.go_on()

    assert leading.figures.drain("shop")[SUBJECT].requests == 3


async def test_followers_read_what_the_leader_says() -> None:
    """Every rule with what it rests on; nothing once that is old, or of another version."""
    room = Room()
    leader, follower = room.lead(), room.lead()
    await leader.begin(1, knows())
    leader.list_verdicts = lambda: RULES
    await leader.go_on()
    await follower.read_verdicts()
    assert follower.verdicts == RULES

    room.now += 60
    await follower.read_verdicts()
    assert follower.verdicts == {}
    room.meeting.stored.verdicts = (msgspec.msgpack.encode({"shop": [{"id": 7}]}), room.now)
    await follower.read_verdicts()
    assert follower.verdicts == {}


async def test_who_leads_no_more_hears_it_from_the_store() -> None:
    """When it leaves what it has added up."""
    room = Room()
    leading = room.lead()
    await leading.begin(1, knows())
    room.meeting.stored.fence = 2

    with pytest.raises(Fenced):
        await leading.go_on()
    assert room.meeting.stored.verdicts[0] == b""


@pytest.mark.parametrize("is_away_at", ["its sums", "its reports"])
async def test_whoever_could_not_take_over_all_does_not_lead_yet(is_away_at: str) -> None:
    """It tries again with what it had before."""
    room = Room()
    door = Door(room.meeting)
    leading = room.lead_through(door)
    figures = leading.figures
    if is_away_at == "its sums":
        door.is_cut = True
        with pytest.raises(StoreUnavailable):
            await leading.begin(1, knows())
    else:
        beginning = asyncio.ensure_future(leading.begin(1, knows()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        door.is_cut = True
        with pytest.raises(StoreUnavailable):
            await beginning

    assert (leading.fence, leading.figures) == (None, figures)
    door.is_cut = False
    await leading.begin(1, knows())
    assert leading.fence == 1


async def test_adding_up_many_reports_lets_others_have_their_turn() -> None:
    """A hundred gateways must not make the leader deaf for a moment."""
    room = Room()
    leading, turns = room.lead(), 0
    await leading.begin(1, knows())
    for _ in range(10 * AT_A_TIME):
        await room.say(1)
    adding = asyncio.ensure_future(leading.go_on())
    while not adding.done():
        await asyncio.sleep(0)
        turns += 1

    assert found_by(leading) == 10 * AT_A_TIME
    assert turns >= 10


async def test_a_leader_that_ends_in_the_middle_of_many_reports_leaves_all_of_them() -> None:
    """What was fetched is added up before it leaves, each report once."""
    room = Room()
    leading = room.lead()
    await leading.begin(1, knows())
    for _ in range(3 * AT_A_TIME):
        await room.say(1)
    going_on = asyncio.ensure_future(leading.go_on())
    while found_so_far(leading) < AT_A_TIME:
        await asyncio.sleep(0)
    going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)
    await leading.close()

    successor = room.lead()
    await successor.begin(2, knows())
    await successor.go_on()
    assert found_by(successor) == 3 * AT_A_TIME
