"""Which arm keys take, and which backend answers them, under two tables."""

from __future__ import annotations

from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.placing import Move, Placing, effective_percent
from gateway.core.types import Mode, Rollout, Table
from tests.core.asking import rollout, route, table

KEYS = [b"user-%d" % number for number in range(300)]
PERCENTS = st.sampled_from([0, 1, 50, 100])
BACKENDS = st.sampled_from(["legacy", "new", "third"])


def place(before: Table, after: Table) -> Placing:
    """Nobody knows how far rollouts are."""
    return Placing(before, after, KEYS, MappingProxyType({}))


def alone(*backends: str) -> Table:
    """Routes that have one backend each, and no rollout."""
    routes = [route(f"r{number}", baseline=name, candidate=None, rollout=None) for number, name in enumerate(backends)]
    return msgspec.structs.replace(table(*routes), rollouts=())


def split(count: int, percent: float) -> Table:
    """So many routes of one rollout."""
    return table(*(route(f"r{number}") for number in range(count)), rollouts=(rollout(percent),))


@given(PERCENTS, BACKENDS)
def test_every_key_has_a_backend_before_and_after(percent: int, backend: str) -> None:
    """However a rollout ends: each is counted once, and answered by the route's only backend then."""
    placing = place(split(1, percent), alone(backend))
    moves = placing.list_moves(*placing.pairs[0])

    assert sum(move.keys for move in moves) == len(KEYS)
    assert {move.after for move in moves} == {backend}
    assert placing.follow("checkout").counts.total() == len(KEYS)


@given(PERCENTS, BACKENDS)
def test_who_comes_the_way_back_moves_the_other_way(percent: int, backend: str) -> None:
    """A rollout that comes does to keys the reverse of one that goes."""
    there, back = place(split(1, percent), alone(backend)), place(alone(backend), split(1, percent))
    gone, come = there.follow("checkout"), back.follow("checkout")

    assert (gone.percent_before, gone.percent_after) == (come.percent_after, come.percent_before)
    assert {(new, old): keys for (old, new), keys in gone.counts.items()} == come.counts
    moves = back.list_moves(*back.pairs[0])
    reverse = [Move(each.route, each.after, each.before, each.keys) for each in moves]
    assert sorted(map(msgspec.structs.astuple, reverse)) == sorted(
        map(msgspec.structs.astuple, there.list_moves(*there.pairs[0]))
    )


def test_the_route_that_moves_the_most_tells_what_becomes_of_a_rollout() -> None:
    """One goes on with the new service, one back to the old: who looks at one figure sees the worse."""
    fate = place(split(2, 100), alone("new", "legacy")).follow("checkout")

    assert fate.count_moved() == len(KEYS)
    assert (fate.percent_before, fate.percent_after) == (100, 0)


def test_a_route_that_keeps_backends_and_rollout_has_no_moves() -> None:
    """Its keys are counted with the rollout."""
    placing = place(split(1, 5), split(1, 50))

    assert placing.list_moves(*placing.pairs[0]) == []


@pytest.mark.parametrize(
    ("shown", "percent"),
    [(rollout(50), 50), (rollout(50, mode=Mode.OFF), 0), (rollout(50, killed=True), 0), (None, 0)],
)
def test_what_is_held_at_the_baseline_has_no_share(shown: Rollout | None, percent: float) -> None:
    """Whatever the figure in the file."""
    assert effective_percent(shown) == percent
