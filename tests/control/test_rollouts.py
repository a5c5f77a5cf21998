"""What an operator sets holds: over the file, over restarts, and only where the environment allows it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.control.rollouts import Rollouts
from gateway.core.types import Hash, KeyKind, KeySource, Match, MissingKey, Mode, Rollout, Route, Table
from gateway.errors import BadValue, StoreUnavailable, UnknownRollout, WrongAction
from gateway.store.records import Actor, Standing
from gateway.store.sqlite import SqliteStore
from tests.proxy.wiring import table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADA = Actor("operator", "ada")


def rollout(name: str = "checkout", percent: float = 5.0, **changes: Any) -> Rollout:
    """A rollout of the file."""
    fields: dict[str, Any] = {
        "name": name,
        "mode": Mode.LIVE,
        "key": ((KeySource(KeyKind.CLIENT_IP),),),
        "on_missing_key": MissingKey.BASELINE,
        "salt": name,
        "hash": Hash.MURMUR3,
        "cohorts": (),
        "percent": percent,
    }
    return Rollout(**fields | changes)


def file(*rollouts: Rollout, revision: str = "r1") -> Table:
    """What the file says."""
    routes = tuple(Route(f"to-{each.name}", Match(), "legacy", "new", each.name) for each in rollouts)
    return table(rollouts=rollouts, routes=routes, revision=revision)


class Bench:
    """Rollouts over a store in a file, and what they published."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(str(folder / "state.db"))
        self.published: list[Table] = []
        self.rollouts = Rollouts(self.store, self.published.append, lambda: NOON, "gateway.yaml")

    async def begin(self, *rollouts: Rollout) -> Rollouts:
        """Start, and read the file."""
        await self.rollouts.begin()
        self.rollouts.publish(file(*(rollouts or (rollout(),))))
        return self.rollouts

    async def close(self) -> None:
        """As a controller ends."""
        await self.rollouts.close()
        await self.store.close()

    @property
    def percent(self) -> float:
        """Of the first rollout, in what was published last."""
        return self.published[-1].rollouts[0].percent


async def test_an_operators_percentage_is_published_and_recorded(tmp_path: Path) -> None:
    """With who, why, from where to where."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin()

    state = await rollouts.set_percent("checkout", 20, "looks good", ADA)

    assert (bench.percent, state.percent, state.source, state.file_percent) == (20, 20, "operator", 5)
    await rollouts.close()
    (event,) = await bench.store.events(rollout="checkout")
    assert (event.kind, event.actor, event.reason) == ("percent", ADA, "looks good")
    assert (event.before, event.after) == (Standing("running", 5), Standing("running", 20))
    assert (event.time, event.revision) == ("2026-01-01T12:00:00.000Z", "r1")
    await bench.close()


async def test_it_holds_over_an_edit_of_the_file(tmp_path: Path) -> None:
    """Until it is given back; then the file's new percentage holds."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin()
    await rollouts.set_percent("checkout", 20, "", ADA)

    rollouts.publish(file(rollout(percent=50)))
    assert bench.percent == 20

    state = await rollouts.unset_percent("checkout", "done", ADA)
    assert (bench.percent, state.source) == (50, "file")
    await bench.close()


async def test_it_holds_over_a_restart(tmp_path: Path) -> None:
    """The first table that is published has it already."""
    before = Bench(tmp_path)
    await (await before.begin()).set_percent("checkout", 0.01, "", ADA)
    await before.close()

    after = Bench(tmp_path)
    await after.begin()

    assert [each.rollouts[0].percent for each in after.published] == [0.01]
    await after.close()


async def test_it_waits_for_a_rollout_that_is_gone(tmp_path: Path) -> None:
    """And holds when it comes back."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin()
    await rollouts.set_percent("checkout", 20, "", ADA)

    rollouts.publish(file(rollout("search")))
    with pytest.raises(UnknownRollout, match="did you mean `search`"):
        rollouts.state("serch")
    rollouts.publish(file(rollout()))

    assert bench.percent == 20
    await bench.close()


@pytest.mark.parametrize(
    ("given", "wanted", "in_force", "source"),
    [
        (rollout(killed=True), 20, 0, "switch"),
        (rollout(cap=10.0), 20, 10, "switch"),
        (rollout(cap=10.0), 8, 8, "operator"),
        (rollout(percent=10, cap=10.0), None, 10, "switch"),
        (rollout(), None, 5, "file"),
    ],
)
async def test_the_environment_has_the_last_word(
    tmp_path: Path, given: Rollout, wanted: float | None, in_force: float, source: str
) -> None:
    """A switch bounds what operators and files want, and is named as what does."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin(given)
    if wanted is not None:
        await rollouts.set_percent("checkout", wanted, "", ADA)

    state = rollouts.state("checkout")

    assert (state.percent, state.source) == (in_force, source)
    assert bench.percent == (given.percent if wanted is None else min(wanted, given.cap))
    await bench.close()


@pytest.mark.parametrize("percent", [-1, 100.01, float("nan"), float("inf")])
async def test_what_is_no_percentage_is_refused(tmp_path: Path, percent: float) -> None:
    """By the field's name, and nothing has changed."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin()

    with pytest.raises(BadValue, match="from 0 to 100") as caught:
        await rollouts.set_percent("checkout", percent, "", ADA)

    assert caught.value.field == "percent"
    assert (bench.percent, len(bench.published)) == (5, 1)
    await bench.close()


async def test_a_hash_of_a_hundred_places_takes_whole_percentages(tmp_path: Path) -> None:
    """As in the file."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin(rollout(hash=Hash.UNLEASH))

    with pytest.raises(BadValue, match="whole percentages"):
        await rollouts.set_percent("checkout", 0.5, "", ADA)

    await rollouts.set_percent("checkout", 7, "", ADA)
    assert bench.percent == 7
    await bench.close()


async def test_nothing_can_be_given_back_that_was_not_set(tmp_path: Path) -> None:
    """It says what is in force."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin()

    with pytest.raises(WrongAction, match="the file's is in force already"):
        await rollouts.unset_percent("checkout", "", ADA)
    await bench.close()


async def test_acts_at_once_are_taken_one_after_the_other(tmp_path: Path) -> None:
    """What is published last is what was stored last, and each event begins where the one before ended."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin()

    await asyncio.gather(*(rollouts.set_percent("checkout", percent, "", ADA) for percent in range(1, 21)))

    assert (await bench.store.percents())["checkout"] == bench.percent
    events = await bench.store.events(rollout="checkout")
    assert all(one.after == other.before for one, other in pairwise(events))
    await bench.close()


async def test_without_a_store_it_serves_by_the_file_and_sets_nothing(tmp_path: Path) -> None:
    """Requests come first; once the store is there, what operators had set is in force."""
    before = Bench(tmp_path)
    await (await before.begin()).set_percent("checkout", 20, "", ADA)
    await before.close()
    (tmp_path / "state.db").rename(tmp_path / "away.db")
    (tmp_path / "state.db").mkdir()

    bench = Bench(tmp_path)
    with capture_logs() as logs:
        rollouts = await bench.begin()
    assert [record["event"] for record in logs] == ["store_unavailable"]
    assert bench.percent == 5
    with pytest.raises(StoreUnavailable):
        await rollouts.set_percent("checkout", 30, "", ADA)
    await rollouts.retry()
    assert bench.percent == 5

    (tmp_path / "state.db").rmdir()
    (tmp_path / "away.db").rename(tmp_path / "state.db")
    await rollouts.retry()

    assert bench.percent == 20
    await bench.close()


async def test_a_new_file_is_an_event_and_the_same_again_is_none(tmp_path: Path) -> None:
    """Also when a new controller reads it."""
    for revision in ("r1", "r1", "r2"):
        bench = Bench(tmp_path)
        await bench.rollouts.begin()
        bench.rollouts.publish(file(rollout(), revision=revision))
        await bench.close()

    store = SqliteStore(str(tmp_path / "state.db"))
    events = await store.events()
    await store.close()
    assert [(event.kind, event.revision, event.actor.name) for event in events] == [
        ("config", "r1", "gateway.yaml"),
        ("config", "r2", "gateway.yaml"),
    ]


async def test_a_state_names_what_shares_the_rollout(tmp_path: Path) -> None:
    """And the mode, whatever the percentage."""
    bench = Bench(tmp_path)
    rollouts = await bench.begin(rollout(mode=Mode.SHADOW), rollout("search"))

    states = rollouts.states()

    assert [(state.name, state.mode, state.routes) for state in states] == [
        ("checkout", "shadow", ("to-checkout",)),
        ("search", "live", ("to-search",)),
    ]
    assert rollouts.table == msgspec.structs.replace(file(rollout(mode=Mode.SHADOW), rollout("search")))
    await bench.close()
