"""A fleet is conducted by what all of it has counted; and each gateway goes on alone where it must."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.control import conductor, deposits
from gateway.control.telling import notification_of
from gateway.core.fleet import Role
from gateway.core.lifecycle import Action, State
from gateway.core.plans import Do, Guard, Op, Query, Stage
from gateway.core.rules import parse_rule
from gateway.core.verdicts import Judgement, Verdict
from gateway.errors import WrongAction
from tests.control.replicas import ADA, STAGES, Fleet, Replica
from tests.proxy.wiring import table

FAILS = ("error_rate > 20% for 5s", Do.ROLLBACK)
TWO = (Stage(5, hold_seconds=10), Stage(50, hold_seconds=9999))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what does not come."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(conductor, "PATIENCE_SECONDS", 0.02)


def value_of(replica: Replica) -> float | None:
    """What the first rule of the rollout reads."""
    return replica.conductor.rules("shop")[0].judgement.value


async def test_a_plan_goes_on_once_for_all() -> None:
    """The leader moves it; the others have it in force with the same second, or the next."""
    fleet = Fleet(stages=STAGES, size=3)
    await fleet.begin()
    await fleet.live(30)
    await fleet.live(2)

    assert fleet.shares == [100, 100, 100]
    assert fleet.meeting.kinds == ["stage", "stage", "complete"]
    assert [each.kinds for each in fleet.replicas] == [["stage", "stage", "complete"], [], []]


async def test_errors_anywhere_roll_back_everywhere() -> None:
    """No gateway alone has seen enough for the rule."""
    fleet = Fleet(("errors > 25 for 1m", Do.ROLLBACK), size=3)
    await fleet.begin()
    await fleet.live(2, requests=10)
    await fleet.live(1, errors=10)
    await fleet.live(2)

    assert fleet.shares == [0, 0, 0]
    assert fleet.meeting.kinds == ["rollback"]
    assert fleet.meeting.stored.events[-1].actor.type == "rule"


async def test_what_a_gateway_counts_before_it_first_looks_is_the_fleets_too() -> None:
    """It is asked as soon as it listens; and what one controller has handed in the next does not hand in again."""
    fleet = Fleet(("errors > 500 for 1h", Do.ROLLBACK))
    leader, other = fleet.replicas
    await fleet.begin(leader)
    await fleet.live(3, leader)
    await other.begin()
    other.count(100, errors=20)
    await fleet.live(3)
    assert value_of(leader) == 20

    other.count(100, errors=5)
    await fleet.live(3)
    other.start()
    await other.begin()
    other.count(100, errors=7)
    await fleet.live(3)
    assert value_of(leader) == 20 + 5 + 7


async def test_a_new_leader_goes_on_with_the_evidence_of_the_former() -> None:
    """A rule that takes sixty requests, of which forty were counted before: all of them, and each once."""
    fleet = Fleet(("requests > 60 for 5m", Do.ROLLBACK))
    await fleet.begin()
    second = fleet.replicas[1]
    await fleet.live(10, requests=2)
    await fleet.live(1, requests=0)
    while second.role is not Role.LEADER:
        await fleet.live(1, second, requests=0)
    await fleet.live(1, second, requests=0)
    assert value_of(second) == 40

    await fleet.live(3, second, requests=6)
    await fleet.live(2, second, requests=1)
    assert (value_of(second), second.share) == (59, 5)
    await fleet.live(3, second, requests=1)
    assert (second.share, second.kinds) == (0, ["rollback"])


async def test_followers_show_what_the_leader_judged() -> None:
    """The rules of the whole fleet, not their own."""
    fleet = Fleet(("errors > 1000 for 1m", Do.NOTIFY))
    await fleet.begin()
    first, second = fleet.replicas
    second.conductor.rules("shop")
    await fleet.live(6, errors=10)

    shown = [each.conductor.rules("shop")[0].judgement for each in (first, second)]
    assert shown[0].verdict is Verdict.OK
    assert shown[1].value is not None
    assert shown[1].value > 6 * 10


@pytest.mark.parametrize("errors", [0, 50])
async def test_gates_that_are_not_ok_hold_back_an_approval_through_a_follower(errors: int) -> None:
    """As through the leader; and where nobody says what they say, too."""
    gate = parse_rule("error_rate < 1% for 5s")
    waits = Stage(5, hold_seconds=5, gates=(gate,), needs_approval=True)
    fleet = Fleet(stages=(waits, Stage(50, hold_seconds=9999)))
    await fleet.begin()
    follower = fleet.replicas[1]
    await fleet.live(12)
    assert fleet.replicas[0].state is State.WAITING
    follower.membership.leading.verdicts = {}
    with pytest.raises(WrongAction, match="nobody has said"):
        await follower.act(Action.PROMOTE)
    await fleet.live(6, errors=errors)
    with pytest.raises(WrongAction, match="is broken") if errors else contextlib.nullcontext():
        await follower.act(Action.PROMOTE)
    await fleet.live(1)

    assert fleet.shares == ([5, 5] if errors else [50, 50])


# Without the store.


async def test_while_the_store_is_away_a_guard_acts_on_what_its_own_gateway_sees() -> None:
    """At once, there; it is stored, told and followed by all when the store is back."""
    fleet = Fleet(FAILS, size=3)
    await fleet.begin()
    await fleet.live(5)
    fleet.meeting.is_away = True
    await fleet.live(6)
    hurt, *others = fleet.replicas[1:]
    await fleet.live(2, hurt, errors=100)

    assert (hurt.role, hurt.share) == (Role.DEGRADED, 0)
    assert {each.share for each in others} == {5}
    fleet.meeting.is_away = False
    await fleet.live(2)
    assert fleet.shares == [0, 0, 0]
    assert fleet.meeting.kinds == ["rollback"]
    assert [each.kinds for each in fleet.replicas] == [[], ["rollback"], []]


async def test_guards_that_act_on_several_gateways_alone_are_one_rollback_and_all_told() -> None:
    """Each had rolled back before it could hear of the others."""
    fleet = Fleet(FAILS, size=3)
    await fleet.begin()
    await fleet.live(5)
    fleet.meeting.is_away = True
    await fleet.live(6)
    for hurt in fleet.replicas[1:]:
        await fleet.live(2, hurt, errors=100)
    fleet.meeting.is_away = False
    await fleet.live(2)

    assert fleet.shares == [0, 0, 0]
    assert fleet.meeting.kinds == ["rollback", "notify"]
    assert "the rollout was rolled back already" in fleet.meeting.stored.events[-1].reason


async def test_while_the_store_is_away_no_plan_goes_on() -> None:
    """Holds stand still; they go on with the store, and count no time twice."""
    fleet = Fleet(stages=TWO)
    await fleet.begin()
    fleet.meeting.is_away = True
    await fleet.live(20)
    held = [each.progress.held_seconds for each in fleet.replicas]
    await fleet.live(5)
    assert fleet.shares == [5, 5]
    assert [each.progress.held_seconds for each in fleet.replicas] == held
    fleet.meeting.is_away = False
    await fleet.live(1)
    assert fleet.shares == [5, 5]
    await fleet.live(9)

    assert fleet.shares == [50, 50]
    assert fleet.meeting.kinds == ["stage"]


async def test_a_guard_that_only_steps_back_gives_way_to_who_moved_it_meanwhile() -> None:
    """It is no rollback, which stands above all."""
    fleet = Fleet(("error_rate > 20% for 5s", Do.PAUSE))
    await fleet.begin()
    await fleet.live(3)
    cut, other = fleet.replicas
    cut.door.is_cut = True
    await fleet.live(5)
    assert other.role is Role.LEADER
    await fleet.live(2, cut, errors=100)
    assert cut.state is State.PAUSED
    await fleet.live(1, cut, requests=0)
    await other.act(Action.SET, 30)
    cut.door.is_cut = False
    await fleet.live(2)

    assert fleet.shares == [30, 30]
    assert {each.state for each in fleet.replicas} == {State.RUNNING}
    assert fleet.meeting.kinds == ["percent"]


# Files that differ.


@pytest.mark.parametrize("stages", [2, 1, 0])
async def test_a_gateway_alone_whose_file_has_fewer_stages_judges_all_the_same(stages: int) -> None:
    """The leader's stage is none of its own; holds of it are over, and its gates are ok. Nobody is moved by that."""
    fleet = Fleet(FAILS, stages=tuple(Stage(percent, hold_seconds=9999) for percent in (5, 20, 50)))
    await fleet.begin()
    leader, other = fleet.replicas
    for _ in range(2):
        await leader.rollouts.act("shop", Action.PROMOTE, reason="", actor=ADA, force=True)
    short = tuple(Stage(percent) for percent in (5, 20)[:stages])
    other.plan = msgspec.structs.replace(other.plan, stages=short)
    other.publish()
    await fleet.live(2)
    other.door.is_cut = True
    await fleet.live(8, other)
    assert (other.role, other.share) == (Role.DEGRADED, 50)
    await fleet.live(3, other, errors=100)

    assert (other.share, other.state) == (0, State.ROLLED_BACK)


async def begin_to_conduct(fleet: Fleet) -> asyncio.Task[None]:
    """The leader looks back on what all have counted before its first judgement, and others have a turn."""
    for each in fleet.replicas:
        await each.begin()
    fleet.pass_time(1.0)
    leader = fleet.leader
    await leader.beat()
    ticking = asyncio.ensure_future(leader.conductor.tick())
    await asyncio.sleep(0)
    return ticking


async def test_a_rollout_that_an_edit_removes_while_its_leader_looks_back_ends_no_controller() -> None:
    """Nobody is asked whether it goes on, nor told that it does not."""
    fleet = Fleet()
    query = Guard(Query("http://127.0.0.1:1", "up", Op.ABOVE, 1.0), Do.ROLLBACK)
    for each in fleet.replicas:
        each.plan = msgspec.structs.replace(each.plan, guards=(query,))
    ticking = await begin_to_conduct(fleet)
    leader = fleet.leader
    notice = notification_of(Judgement(rule="up", verdict=Verdict.BROKEN, reason="broken"), leader.progress)
    leader.rollouts.publish(table(rollouts=(), routes=(), revision="r2"))
    await ticking
    await leader.conductor.tick()
    await leader.rollouts.tell("shop", notice)
    await leader.finish()

    assert (leader.rollouts.states(), fleet.meeting.kinds) == ([], [])


async def test_no_second_of_a_hold_is_lost_by_an_edit_while_a_leader_looks_back() -> None:
    """What the file says counts from the next second on, and that goes back to the last."""
    fleet = Fleet()
    ticking = await begin_to_conduct(fleet)
    leader, known_since = fleet.leader, fleet.leader.progress.saved_at
    leader.revision = "r2"
    leader.publish()
    await ticking
    assert leader.progress.held_seconds == 0
    fleet.pass_time(1.0)
    await leader.live()

    assert leader.progress.held_seconds == fleet.wall - known_since


# Whoever was leader.


async def begin_move(former: Replica, fleet: Fleet) -> asyncio.Task[None]:
    """The leader's plan goes on, but the way to the store is long."""
    former.door.lets_in.clear()
    fleet.pass_time(1.0)
    ticking = asyncio.ensure_future(former.conductor.tick())
    for _ in range(5):
        await asyncio.sleep(0)
    return ticking


async def test_a_move_that_was_long_under_way_is_refused_when_another_leads() -> None:
    """The store knows by the fence, though nobody has moved the rollout meanwhile."""
    fleet = Fleet(stages=TWO)
    await fleet.begin()
    former, other = fleet.replicas
    while former.progress.held_seconds < TWO[0].hold_seconds - 1:
        await fleet.live(1)
    ticking = await begin_move(former, fleet)
    while other.role is not Role.LEADER:
        fleet.pass_time(1.0)
        await other.beat()

    with capture_logs() as logs:
        former.door.lets_in.set()
        await ticking
        await former.conductor.tick()
    assert [each["reason"] for each in logs if each["event"] == "transition_waits"] == [
        "lease 2 was seen by the store; this one is older"
    ]
    assert (fleet.shares, fleet.meeting.kinds) == ([5, 5], [])
    await fleet.live(2)
    assert (fleet.shares, other.kinds) == ([50, 50], ["stage"]), "its successor does what is due"


async def test_a_former_leaders_guard_is_refused_too() -> None:
    """It is in force there for a moment, and then what the store has: its successor judges by the same requests."""
    fleet = Fleet(("errors > 50 for 1m", Do.PAUSE))
    await fleet.begin()
    former, other = fleet.replicas
    await fleet.live(1)
    await fleet.live(1, errors=30)
    await fleet.live(1, other)
    former.door.lets_in.clear()
    await former.beat()
    await former.conductor.tick()
    assert (former.state, other.state) == (State.PAUSED, State.RUNNING)
    while other.role is not Role.LEADER:
        await fleet.live(1, other)
    await fleet.live(2, other)
    assert other.kinds == ["pause", "notify"]  # while it is broken still

    former.door.lets_in.set()
    with capture_logs() as logs:
        await fleet.live(2)
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["move_refused"]
    assert former.progress.version == other.progress.version == 1
    assert (fleet.meeting.kinds, fleet.shares) == (["pause", "notify"], [5, 5])
