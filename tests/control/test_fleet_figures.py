"""What a whole fleet counted: all of it, each cell once, and nothing of before a move."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.fleet_figures import WAITING_SECONDS, FleetFigures, Outbox
from gateway.core.figures import Subject
from gateway.core.fleet import SUM_SECONDS, Portion, Report, Sum
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE
from gateway.core.windows import Cell
from tests.control.shops import file, shop

NOON = 1_800_000_000.0
ROLLOUTS = ("search", "shop")
REPLICAS = ("a", "b", "c")


def subject(path: str = "/a", route: str = "to-shop") -> Subject:
    return Subject(route, path, "candidate", is_forced=False)


def cells(*requests: int) -> list[tuple[Subject, Cell]]:
    """On as many paths."""
    return [(subject(f"/{number}"), Cell(requests=each)) for number, each in enumerate(requests)]


def report(replica: str, version: int, requests: int, waiting: int = 0, rollout: str = "shop") -> Report:
    """So many requests, and so many that wait."""
    ages = [(subject(), {500: waiting})] if waiting else []
    return Report(replica, {rollout: Portion(version, [(subject(), Cell(requests=requests))], ages)})


def requests_of(found: dict[Subject, Cell]) -> int:
    return sum(cell.requests for cell in found.values())


# What a replica hands in.


class Step(NamedTuple):
    """What happens to the outbox of one rollout."""

    what: str
    rollout: str
    requests: int


_steps = st.lists(
    st.builds(Step, st.sampled_from(["put", "move", "empty"]), st.sampled_from(ROLLOUTS), st.integers(0, 9)),
    max_size=40,
)


@given(_steps)
def test_all_that_was_counted_since_a_move_is_handed_in_once_and_nothing_of_before(steps: list[Step]) -> None:
    """Under the version that it was counted under, whenever reports go out."""
    outbox, versions = Outbox(), dict.fromkeys(ROLLOUTS, 0)
    waits: Counter[tuple[str, int]] = Counter()
    handed_in: Counter[tuple[str, int]] = Counter()
    expected: Counter[tuple[str, int]] = Counter()
    for step in [*steps, Step("empty", "", 0)]:
        key = (step.rollout, versions.get(step.rollout, 0))
        if step.what == "put":
            outbox.put(step.rollout, dict(cells(step.requests)), {})
            waits[key] += step.requests
        elif step.what == "move":
            outbox.forget(step.rollout)
            del waits[key]
            versions[step.rollout] += 1
        else:
            made = outbox.empty("a", versions)
            expected += waits
            waits.clear()
            for name, portion in made.portions.items():
                handed_in[name, portion.version] += requests_of(dict(portion.cells))

    assert +handed_in == +expected


def test_a_report_keeps_nothing_of_what_others_count_with() -> None:
    """The gateway's own watches have the same cells."""
    outbox, (own,) = Outbox(), cells(3)
    outbox.put("shop", dict([own]), {})
    outbox.put("shop", dict(cells(4)), {})

    made = outbox.empty("a", {"shop": 1})
    assert (own[1].requests, made.portions["shop"].cells[0][1].requests) == (3, 7)


def test_of_what_waits_the_last_is_said_and_nothing_of_nobody() -> None:
    """What is under way is not counted twice; a rollout that nobody has begun is told of nothing."""
    outbox = Outbox()
    outbox.put("shop", {}, {subject(): {300: 2}})
    outbox.put("shop", {}, {subject(): {400: 1}})
    outbox.put("search", dict(cells(5)), {})
    made = outbox.empty("a", {"shop": 4})

    assert made == Report("a", {"shop": Portion(4, [], [(subject(), {400: 1})])})
    assert outbox.empty("a", {"shop": 4}).is_empty
    outbox.put("shop", {}, {})
    assert outbox.empty("a", {"shop": 4}).is_empty


# What the leader makes of it.


class Turn(NamedTuple):
    """What happens at the leader's."""

    what: str
    replica: str
    rollout: str
    requests: int
    late: int


_turns = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["report", "move", "settle", "drain"]),
        st.sampled_from(REPLICAS),
        st.sampled_from(ROLLOUTS),
        st.integers(0, 9),
        st.integers(0, 1),
    ),
    max_size=60,
)


@given(_turns)
def test_each_request_since_a_move_is_drained_once_and_none_of_before(turns: list[Turn]) -> None:
    """Whoever is late, and whenever it is settled and drained."""
    figures, versions, now = FleetFigures(), dict.fromkeys(ROLLOUTS, 1), NOON
    wanted: Counter[str] = Counter()
    drained: Counter[str] = Counter()
    for turn in turns:
        name, version = turn.rollout, versions[turn.rollout] - turn.late
        if turn.what == "report":
            figures.take(report(turn.replica, version, turn.requests, rollout=name))
            wanted[name] += 0 if turn.late and versions[name] > 1 else turn.requests
        elif turn.what == "move":
            figures.begin(name, versions[name] + 1)
            versions[name], wanted[name], drained[name] = versions[name] + 1, 0, 0
        elif turn.what == "settle":
            now += 1
            figures.settle(now)
        else:
            drained[name] += requests_of(figures.drain(name))
    figures.settle(now)
    for name in ROLLOUTS:
        drained[name] += requests_of(figures.drain(name))

    assert +drained == +wanted


@given(st.lists(st.tuples(st.sampled_from(REPLICAS), st.integers(0, 9), st.integers(0, 3)), max_size=60))
def test_a_successor_looks_back_on_what_was_shared(reports: list[tuple[str, int, int]]) -> None:
    """Through the store and back, in windows of its own: the same, to a few seconds."""
    leader, shared, now = FleetFigures(), [], NOON
    for replica, requests, pause in reports:
        leader.take(report(replica, 1, requests))
        now += pause
        if (counted := leader.settle(now)) is not None:
            shared.append((now, msgspec.msgpack.encode(counted)))
    now += SUM_SECONDS
    last = leader.settle(now)
    assert last is not None
    shared.append((now, msgspec.msgpack.encode(last)))

    successor = FleetFigures()
    for at, packed in shared:
        successor.restore(at, msgspec.msgpack.decode(packed, type=Sum))
    for since in (NOON, now - 60):
        mine = requests_of(successor.windows.sum(since, now))
        assert mine >= requests_of(leader.windows.sum(since, now))
        assert mine <= requests_of(leader.windows.sum(since - SUM_SECONDS - 3, now))
    assert requests_of(successor.windows.sum(NOON, now)) == sum(requests for _, requests, _ in reports)


def test_sums_are_left_every_few_seconds() -> None:
    """Empty ones, too: they say that nothing was counted."""
    figures = FleetFigures()
    made = []
    for second in range(11):
        figures.take(report("a", 1, 1))
        made.append(figures.settle(NOON + second))

    assert [requests_of(dict(each.cells)) if each is not None else None for each in made] == [
        1, None, None, None, None, 5, None, None, None, None, 5,
    ]  # fmt: skip


def test_who_drains_and_who_looks_back_share_nothing() -> None:
    """A sum that goes to the store is not counted on by who watches."""
    figures = FleetFigures()
    figures.take(report("a", 1, 2))
    counted = figures.settle(NOON)
    drained = figures.drain("shop")
    drained[subject()].add(Cell(requests=50))

    assert counted is not None
    assert (requests_of(dict(counted.cells)), requests_of(figures.windows.sum(NOON, NOON))) == (2, 2)


def test_what_waits_anywhere_waits_until_something_else_is_said() -> None:
    """By the same gateway; and one that says nothing more is gone, or waits for nothing."""
    figures = FleetFigures()
    figures.take(report("a", 1, 1, waiting=2))
    figures.take(report("b", 1, 1, waiting=3))
    figures.settle(NOON)
    assert figures.waiting("shop") == {subject(): {500: 5}}
    assert figures.waiting("search") == {}

    figures.take(report("a", 1, 1))
    figures.settle(NOON + 1)
    assert figures.waiting("shop") == {subject(): {500: 3}}
    figures.settle(NOON + WAITING_SECONDS)
    assert figures.waiting("shop") == {subject(): {500: 3}}
    figures.settle(NOON + WAITING_SECONDS + 1)
    assert figures.waiting("shop") == {}


def test_what_waited_before_a_move_waits_no_more() -> None:
    """Until it is said under the new version."""
    figures = FleetFigures()
    figures.take(report("a", 1, 1, waiting=2))
    figures.settle(NOON)
    figures.begin("shop", 2)
    assert figures.waiting("shop") == {}
    figures.take(report("a", 2, 1, waiting=1))
    figures.settle(NOON + 1)

    assert figures.waiting("shop") == {subject(): {500: 1}}


@pytest.mark.parametrize("is_begun", [False, True])
def test_whatever_clients_ask_for_so_many_paths_and_no_more(is_begun: bool) -> None:
    """Also those of a hundred gateways that have each seen others: what is too many is counted as one."""
    figures = FleetFigures()
    if is_begun:
        figures.adopt(file(shop()))
    for replica in range(3):
        paths = [(subject(f"/{replica}/{number}"), Cell(requests=1)) for number in range(TEMPLATES_PER_ROUTE)]
        figures.take(Report(f"gw-{replica}", {"shop": Portion(1, paths)}))
    counted = figures.settle(NOON)
    found = figures.drain("shop")

    assert counted is not None
    assert len(found) == len(counted.cells) == len(figures.windows.sum(NOON, NOON)) == TEMPLATES_PER_ROUTE + 1
    assert found[subject(OTHER)].requests == 2 * TEMPLATES_PER_ROUTE
    successor = FleetFigures()
    successor.restore(NOON, counted)
    assert len(successor.windows.sum(NOON, NOON)) == TEMPLATES_PER_ROUTE + 1


def test_a_path_that_has_a_place_keeps_it_when_a_rollout_moves() -> None:
    """Each move is a new table; what rules look at by path must not begin anew for that."""
    figures = FleetFigures()
    paths = [(subject(f"/{number}"), Cell(requests=1)) for number in range(TEMPLATES_PER_ROUTE)]
    figures.take(Report("a", {"shop": Portion(1, paths)}))
    figures.adopt(file(shop()))
    others = [(subject(f"/other/{number}"), Cell(requests=1)) for number in range(TEMPLATES_PER_ROUTE)]
    figures.take(Report("b", {"shop": Portion(1, others)}))
    figures.settle(NOON)

    assert len(figures.drain("shop")) == TEMPLATES_PER_ROUTE + 1
