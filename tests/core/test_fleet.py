"""Nobody leads for longer than the store has it, and replicas that know different things end up knowing the same."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fleet import (
    AWAY_SECONDS,
    LEASE_MARGIN_SECONDS,
    LEASE_SECONDS,
    Choice,
    Journaled,
    Presence,
    Pulse,
    Role,
    Tenure,
    choose,
    compare,
    follow_on,
    name_move,
)
from gateway.core.progress import Action, Progress, State
from gateway.errors import WrongAction
from tests.core import lives

LEADS_SECONDS = LEASE_SECONDS - LEASE_MARGIN_SECONDS

VERSIONS = st.integers(0, 3)
PROGRESSES = st.builds(
    Progress,
    state=st.sampled_from([State.RUNNING, State.PAUSED, State.ROLLED_BACK]),
    version=VERSIONS,
    percent=st.sampled_from([None, 5.0]),
    rollbacks=st.integers(0, 2),
    to_shadow=st.booleans(),
    held_seconds=st.sampled_from([0.0, 7.0]),
)
KNOWN = st.none() | PROGRESSES


class Answer(NamedTuple):
    """What came of a report; no leader is no answer."""

    leader: str | None
    fence: int
    began_after: float
    took: float


ANSWERS = st.lists(
    st.builds(Answer, st.sampled_from([None, "", "me", "you"]), st.integers(1, 4), st.floats(0, 4), st.floats(0, 4))
)


def pulse(leader: str, fence: int = 1) -> Pulse:
    """What the store answers."""
    return Pulse(leader, fence, moves=0, event=0, is_empty=False)


def running(version: int = 1, percent: float | None = 5.0) -> Progress:
    """A rollout that goes on."""
    return Progress(state=State.RUNNING, version=version, percent=percent)


def rolled_back(version: int = 1, *, to_shadow: bool = False, rollbacks: int = 0) -> Progress:
    """One that does not."""
    return Progress(state=State.ROLLED_BACK, version=version, to_shadow=to_shadow, rollbacks=rollbacks)


# ------------------------------------------------------------------------------------------------------------- tenure


@given(ANSWERS, st.floats(0, 6))
def test_nobody_leads_for_longer_than_it_asked_for(answers: list[Answer], later: float) -> None:
    """Whatever the store answers, or does not, and however long that takes: counted from before it asked."""
    tenure, second, best_fence, leads_until = Tenure("me"), 0.0, 0, -inf
    for leader, fence, began_after, took in answers:
        asked_at = second + began_after
        second = asked_at + took
        if leader is None:
            tenure.miss(second)
            continue
        tenure.hear(pulse(leader, fence), asked_at)
        best_fence = max(best_fence, fence)
        leads_until = asked_at + LEADS_SECONDS if (leader, fence) == ("me", best_fence) else -inf
    leads = tenure.role(second + later) is Role.LEADER

    assert leads == (second + later < leads_until)
    assert tenure.fence(second + later) == (best_fence if leads else None)


def test_an_answer_that_was_long_under_way_makes_no_leader() -> None:
    """The store may have given the lease to another by now."""
    tenure = Tenure("me")
    tenure.hear(pulse("me"), asked_at=10.0)

    assert tenure.role(10.0 + LEADS_SECONDS) is Role.FOLLOWER


def test_a_lease_older_than_another_that_was_heard_of_is_none() -> None:
    """The store has forgotten what it gave to somebody; who asks again gets a new one."""
    tenure = Tenure("me")
    for leader, fence in (("you", 7), ("me", 6)):
        tenure.hear(pulse(leader, fence), asked_at=10.0)
    assert (tenure.role(10.0), tenure.known_fence) == (Role.FOLLOWER, 7)

    tenure.hear(pulse("me", 8), asked_at=11.0)
    assert (tenure.fence(11.0), tenure.leader) == (8, "me")


def test_who_resigns_follows_until_it_gets_the_lease_again() -> None:
    """The store has told it that there is another leader."""
    tenure = Tenure("me")
    tenure.hear(pulse("me"), asked_at=1.0)
    tenure.resign()
    assert tenure.role(1.0) is Role.FOLLOWER

    tenure.hear(pulse("me", 3), asked_at=2.0)
    assert tenure.role(2.0) is Role.LEADER


def test_silence_makes_degraded_and_an_answer_ends_it() -> None:
    """A hiccup does not; and who has never had an answer is it as well."""
    tenure = Tenure("me")
    assert tenure.role(AWAY_SECONDS) is Role.DEGRADED
    tenure.hear(pulse("you"), asked_at=100.0)
    for second in (101.0, 102.0):
        tenure.miss(second)
    assert tenure.role(101.0 + AWAY_SECONDS - 0.1) is Role.FOLLOWER
    assert tenure.role(101.0 + AWAY_SECONDS) is Role.DEGRADED

    tenure.hear(pulse("you"), asked_at=105.0)
    assert tenure.role(200.0) is Role.FOLLOWER


# ------------------------------------------------------------------------------------------------- what is in force


@pytest.mark.parametrize(
    ("mine", "stored", "choice"),
    [
        (None, None, Choice.KEEP),
        (None, running(), Choice.TAKE),
        (running(), None, Choice.REASSERT),
        (running(1), rolled_back(2), Choice.TAKE),
        (rolled_back(1), running(2), Choice.TAKE),
        (running(2), rolled_back(1), Choice.REASSERT),
        (running(2), running(2), Choice.KEEP),
        (running(2), running(2, percent=20.0), Choice.TAKE),
        (rolled_back(2), running(2), Choice.OVERRULE),
        (running(2), rolled_back(2), Choice.TAKE),
        (rolled_back(2), rolled_back(2, to_shadow=True), Choice.TAKE),
        (rolled_back(1, rollbacks=1), running(1), Choice.OVERRULE),
        (rolled_back(1, rollbacks=1), running(9), Choice.OVERRULE),
        (rolled_back(9, rollbacks=1), running(1), Choice.REASSERT),
        (running(1), rolled_back(9, rollbacks=1), Choice.TAKE),
        (running(1), rolled_back(1, rollbacks=1), Choice.TAKE),
        (running(9), rolled_back(1, rollbacks=1), Choice.RAISE),
    ],
)
def test_the_newer_standing_counts_and_of_two_that_are_as_new_the_safer_one(
    mine: Progress | None, stored: Progress | None, choice: Choice
) -> None:
    """And the store's, where neither is."""
    assert choose(mine, stored) is choice


@given(PROGRESSES, st.floats(0, 1e6), st.floats(0, 1e9))
def test_time_that_passes_is_no_other_standing(mine: Progress, held_seconds: float, saved_at: float) -> None:
    """It passes everywhere."""
    assert choose(mine, msgspec.structs.replace(mine, held_seconds=held_seconds, saved_at=saved_at)) is Choice.KEEP


@given(PROGRESSES, KNOWN)
def test_a_rollback_gives_way_to_nothing_but_a_newer_move(mine: Progress, stored: Progress | None) -> None:
    """Or to another rollback."""
    rollback = msgspec.structs.replace(mine, state=State.ROLLED_BACK)
    if choose(rollback, stored) is Choice.TAKE:
        assert stored is not None
        assert stored.version > rollback.version or stored.state is State.ROLLED_BACK


def act(mine: Progress | None, stored: Progress | None) -> tuple[Progress | None, Progress | None]:
    """What a replica has, and what the store, after the one has looked at the other."""
    if mine is None and stored is None:
        return None, None
    found = compare("x", {"x": mine} if mine is not None else {}, {"x": stored} if stored is not None else {})
    written = found.forgotten.get("x", mine if found.untold else None)
    is_let_in = written is not None and (stored is None or written.version > stored.version)
    return found.newer.get("x", found.forgotten.get("x", mine)), written if is_let_in else stored


@given(st.lists(KNOWN, min_size=3, max_size=3), KNOWN, st.lists(st.integers(0, 2), max_size=6))
def test_replicas_that_know_different_things_end_in_one_standing(
    knows: list[Progress | None], stored: Progress | None, order: list[int]
) -> None:
    """Whoever looks first, after two rounds nothing moves any more; and what was rolled back last is so everywhere."""
    known = [each for each in (*knows, stored) if each is not None]
    newest = max((each.version for each in known), default=0)
    is_rolled_back = any(each.state is State.ROLLED_BACK for each in known if each.version == newest)
    for number in (*order, *range(3), *range(3)):
        knows[number], stored = act(knows[number], stored)

    assert [choose(each, stored) for each in knows] == [Choice.KEEP] * 3
    assert len({(each.version, each.state, each.percent) for each in knows if each is not None}) <= 1
    if is_rolled_back:
        assert stored is not None
        assert stored.state is State.ROLLED_BACK


PLAN = lives.planned()
RESUME, ROLLBACK = (Action.RESUME, None), (Action.ROLLBACK, None)
Moves = list[tuple[Action, float | None]]
MOVES: st.SearchStrategy[Moves] = st.lists(
    st.sampled_from(
        [RESUME, ROLLBACK, (Action.SET, 50.0), (Action.UNSET, None), (Action.PAUSE, None), (Action.PROMOTE, None)]
    ),
    max_size=8,
)


def live(parent: Progress, moves: Moves) -> list[Progress]:
    """How a rollout stood one after the other, of those moves that were possible."""
    history = [parent]
    for action, percent in moves:
        with suppress(WrongAction):
            history.append(lives.act(PLAN, history[-1], action, percent=percent, force=True))
    return history


@given(st.data(), MOVES, MOVES, MOVES)
def test_a_rollback_of_which_the_others_never_heard_is_so_everywhere_in_the_end(
    data: st.DataObject, before: Moves, meanwhile: Moves, beside: Moves
) -> None:
    """However far they have come: whoever looks first, and whatever a failover has left of the two histories."""
    parent = live(lives.started(PLAN), [*before, RESUME])[-1]
    safe = live(parent, [*meanwhile, RESUME, ROLLBACK])
    others = live(parent, [*(move for move in beside if move != ROLLBACK), *3 * [(Action.SET, 5.0)]])
    left = data.draw(st.lists(st.sampled_from([*safe, *others]), min_size=3, max_size=3))
    knows: list[Progress | None] = [*data.draw(st.permutations([safe[-1], *left]))]
    stored = knows.pop()
    for number in (*data.draw(st.lists(st.integers(0, 2), max_size=6)), *range(3), *range(3)):
        knows[number], stored = act(knows[number], stored)

    assert {each.state for each in (*knows, stored) if each is not None} == {State.ROLLED_BACK}
    assert {choose(each, stored) for each in knows} == {Choice.KEEP}


@given(MOVES, MOVES)
def test_a_rollback_is_over_for_who_was_there_when_it_was_resumed(before: Moves, later: Moves) -> None:
    """Whoever still has it in force takes what came after it, and nobody says it again."""
    back = live(lives.started(PLAN), [*before, RESUME, ROLLBACK])[-1]
    for resumed in live(back, [RESUME, *later])[1:]:
        assert choose(back, resumed) is Choice.TAKE
        assert choose(resumed, back) is Choice.REASSERT


NAMES = st.dictionaries(st.sampled_from("abcd"), PROGRESSES)


@given(NAMES, NAMES, st.sets(st.sampled_from("abcd")))
def test_of_each_rollout_there_is_one_thing_to_make(
    mine: dict[str, Progress], stored: dict[str, Progress], refused: set[str]
) -> None:
    """As `choose` has it; but who was refused takes what is stored."""
    found = compare({*mine, *stored}, mine, stored, refused)
    parts = [set(found.newer), set(found.same), found.forgotten.keys() - found.newer.keys(), found.untold]

    assert set().union(*parts) == {*mine, *stored}
    assert sum(len(part) for part in parts) == len({*mine, *stored})
    assert not found.forgotten.keys() & stored.keys() & refused
    for name, progress in found.forgotten.items():
        assert progress.state is (stored if name in found.newer else mine)[name].state
        assert progress.version >= mine[name].version
        assert name not in stored or progress.version > stored[name].version


def test_a_stored_rollback_that_one_never_heard_of_is_in_force_and_written_above_ones_own() -> None:
    """Whatever else gateways know that have come as far would be taken for newer."""
    stored = rolled_back(2, rollbacks=1)
    found = compare(["x"], {"x": running(7)}, {"x": stored})

    raised = {"x": msgspec.structs.replace(stored, version=8)}
    assert (found.newer, found.forgotten, found.same, found.untold) == (raised, raised, {}, set())


@given(PROGRESSES, PROGRESSES, st.integers(0, 2))
def test_what_is_written_over_the_stored_is_newer_and_its_rollback_is_unheard_of(
    mine: Progress, stored: Progress, moves: int
) -> None:
    """Whoever knows what was stored takes it, and a rollback also who has moved on from there meanwhile."""
    written = follow_on(mine, stored)
    assert choose(stored, written) is Choice.TAKE
    assert (written.state, written.percent) == (mine.state, mine.percent)
    if mine.state is State.ROLLED_BACK:
        moved = msgspec.structs.replace(stored, state=State.RUNNING, version=written.version + moves)
        assert choose(written, moved) is Choice.OVERRULE


def test_what_was_never_moved_is_not_written_for_that() -> None:
    """It begins, once, by whoever leads."""
    assert compare(["new", "old"], {"new": running(0), "old": running(3)}, {}).untold == {"new"}


# -------------------------------------------------------------------------------------------------------------- moves


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"state": State.ROLLED_BACK, "watched_since": 9.0, "share_since": 9.0}, "rollback"),
        ({"watched_since": 9.0, "share_since": 9.0}, "resume"),
        ({"stage": 2, "share_since": 9.0}, "stage"),
        ({"stage": 2, "stage_since": 9.0}, "stage"),
        ({"state": State.PAUSED}, "pause"),
        ({}, "pause"),
    ],
)
def test_a_move_is_named_by_what_begins_anew(changes: dict[str, object], kind: str) -> None:
    """Windows with a resume, the comparison of the arms with a stage, nothing with a pause."""
    before = running()

    assert name_move(before, msgspec.structs.replace(before, **changes)) == kind


def test_a_rollback_is_one_once() -> None:
    """What is rolled back already and is seen again has not been; what nobody knew has begun."""
    assert name_move(rolled_back(1), rolled_back(2)) == "pause"
    assert name_move(None, rolled_back(2)) == "start"


def test_a_gateway_of_a_version_without_journals_in_it_is_understood() -> None:
    """While a fleet is upgraded both are in it."""
    whole = Presence(
        host="one",
        admin="http://one:9900",
        version="0.1.0",
        revision="r1",
        workers=2,
        ready=True,
        started_at=1.0,
        journal={"checkout": Journaled(writes=3, is_live=False)},
    )
    said = msgspec.json.decode(msgspec.json.encode(whole))

    assert msgspec.json.decode(msgspec.json.encode(said), type=Presence) == whole
    del said["journal"]
    assert msgspec.convert(said, Presence) == msgspec.structs.replace(whole, journal={})
