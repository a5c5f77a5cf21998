"""What can't be stored in time is stored later, once, and in its order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from structlog.testing import capture_logs

from gateway.control import deposits
from gateway.control.deposits import Deposit, Deposits
from gateway.core.progress import Progress, State
from gateway.errors import Fenced, StoreConflict, StoreUnavailable
from gateway.store.records import Actor
from tests.control.shops import Disk
from tests.store.records import event


@pytest.fixture
async def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Disk]:
    """A store that nobody waits for."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 0.0)
    made = Disk(str(tmp_path / "state.db"))
    yield made
    made.turns.set()
    await made.close()


def deposit(number: int) -> Deposit:
    """The transition with this number."""
    return Deposit(
        "shop", Progress(state=State.RUNNING, version=number, stage=number), event(inputs={"number": number})
    )


def rollback(number: int) -> Deposit:
    """The same, as one that takes everybody back."""
    return deposit(number)._replace(progress=Progress(state=State.ROLLED_BACK, version=number))


def stay(deposit: Deposit, stored: Progress) -> Deposit:
    """Nothing is to be stored after anything else."""
    pytest.fail(f"{deposit.rollout} was to follow {stored}")


def keep(disk: Disk) -> Deposits:
    """Where what is in force is never renumbered, nor refused."""
    return Deposits(disk, stay)


async def numbers(disk: Disk) -> list[object]:
    """Of the transitions that were stored, in their order."""
    return [each.inputs["number"] for each in await disk.events()]


async def test_what_is_stored_in_time_has_its_number(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is owed then."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 30.0)
    kept = keep(disk)

    assert (await kept.put(deposit(1))).id == 1
    assert (await kept.put_soon(deposit(2))).id == 2
    assert kept.owed == frozenset()


async def test_a_failing_disk_is_owed_what_is_urgent(disk: Disk) -> None:
    """And gets it before anything else, once."""
    kept = keep(disk)
    disk.fails = True
    with capture_logs() as logs:
        assert (await kept.put_soon(deposit(1))).id == 0
        assert (await kept.put_soon(deposit(2))).id == 0
    with pytest.raises(StoreUnavailable):
        await kept.put(deposit(3))
    assert kept.owed == {"shop"}

    disk.fails = False
    await kept.put(deposit(4))
    await kept.pay()

    assert [each["event"] for each in logs] == ["store_late"] * 2
    assert await numbers(disk) == [1, 2, 4]
    assert (kept.owed, (await disk.progresses())["shop"].stage) == (frozenset(), 4)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_disk_that_stands_still_gets_all_in_order(disk: Disk, fails: bool) -> None:
    """Whether it goes on in the end, or fails and is asked again."""
    kept = keep(disk)
    disk.turns.clear()
    for number in (1, 2, 3):
        await kept.put_soon(deposit(number))

    disk.fails = fails
    disk.turns.set()
    with pytest.raises(StoreUnavailable) if fails else contextlib.nullcontext():
        await kept.put(deposit(4))
    disk.fails = False
    await kept.pay()

    assert await numbers(disk) == ([1, 2, 3] if fails else [1, 2, 3, 4])


async def test_time_that_cannot_be_kept_is_no_failure(tmp_path: Path) -> None:
    """The next one that is covers it."""
    (tmp_path / "state.db").mkdir()
    store = Disk(str(tmp_path / "state.db"))

    await keep(store).keep({"shop": Progress(state=State.RUNNING)})

    assert not store.is_ok
    await store.close()


async def test_an_ordinary_move_from_what_is_no_more_is_refused(disk: Disk) -> None:
    """Whoever wanted it has seen something else."""
    kept = keep(disk)
    await kept.put(deposit(2))
    with pytest.raises(StoreConflict):
        await kept.put(deposit(1))

    assert await numbers(disk) == [2]


async def test_a_rollback_is_stored_over_whatever_is_there(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is known by the number after that from then on."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 30.0)
    kept = Deposits(disk, lambda _, stored: rollback(stored.version + 1))
    await kept.put(deposit(7))
    await kept.put_soon(rollback(1))

    assert await numbers(disk) == [7, 8]
    stored = (await disk.progresses())["shop"]
    assert (stored.state, stored.version) == (State.ROLLED_BACK, 8)


@pytest.mark.parametrize("late", ["another rollback", "a step back"])
async def test_what_has_been_overtaken_gives_way(disk: Disk, late: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback to one that somebody else was quicker with, anything else to whatever is there."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 30.0)
    kept = Deposits(disk, stay)
    await kept.put(rollback(7))

    assert await kept.put_soon(rollback(1) if late == "another rollback" else deposit(1)) is None
    assert (await numbers(disk), kept.refused, kept.owed) == ([7], {"shop"}, frozenset())


@pytest.mark.parametrize(("actor", "kinds"), [("rule", ["rollback", "notify"]), ("operator", ["rollback"])])
async def test_a_guards_rollback_that_came_after_another_is_told(
    disk: Disk, actor: Literal["rule", "operator"], kinds: list[str]
) -> None:
    """What users met here while the store was away is in the audit log; it names no incident, as none was stored."""
    kept = keep(disk)
    told = event(kind="rollback", actor=Actor(actor, "errors"), inputs={"value": 9, "incident": "i"}, reason="9 errors")
    disk.fails = True
    await kept.put_soon(rollback(1)._replace(event=told))
    disk.fails = False
    await keep(disk).put(rollback(1)._replace(event=event(kind="rollback")))
    await kept.pay()

    stored = await disk.events()
    assert [each.kind for each in stored] == kinds
    if actor == "rule":
        late = "in force here while the store was away; the rollout was rolled back already"
        assert (stored[1].reason, stored[1].inputs) == (f"9 errors; {late}", {"value": 9})


async def test_what_is_written_again_is_told_by_who_wrote_it(disk: Disk) -> None:
    """Of several gateways that know of it one is the first; the others say nothing."""
    first, second = keep(disk), keep(disk)
    forgotten = {name: Progress(state=State.RUNNING, version=3) for name in ("shop", "search")}
    told = {name: event(rollout=name, kind="restored") for name in forgotten}

    assert await first.restore({"shop": forgotten["shop"]}, told) == await disk.events()
    assert [each.rollout for each in await second.restore(forgotten, told)] == ["search"]
    assert await second.restore({}, {}) == []
    assert await disk.progresses() == forgotten


async def test_who_leads_no_more_is_refused(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in force is not to be then."""
    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 30.0)
    disk.fence = 5
    kept = Deposits(disk, stay)

    with pytest.raises(Fenced):
        await kept.put(deposit(1)._replace(fence=4))
    assert await kept.put_soon(rollback(1)._replace(fence=4)) is None
    assert (await numbers(disk), kept.refused) == ([], {"shop"})


async def test_what_is_built_on_what_was_refused_is_refused_too(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number alone would let it in; but what came between was somebody else's. Only a rollback is stored."""
    kept = Deposits(disk, stay)
    disk.fails = True
    for number in (1, 2):
        await kept.put_soon(deposit(number))
    disk.fails = False
    theirs = Progress(state=State.PAUSED, version=1)
    await Deposits(disk, stay).put(deposit(1)._replace(progress=theirs, event=event(inputs={"number": "theirs"})))
    await kept.pay()
    with pytest.raises(StoreConflict):
        await kept.put(deposit(3))
    assert (await numbers(disk), kept.refused) == (["theirs"], {"shop"})

    monkeypatch.setattr(deposits, "PATIENCE_SECONDS", 30.0)
    await kept.put_soon(rollback(4))
    assert (await numbers(disk), kept.refused) == (["theirs", 4], set())


async def test_what_is_owed_is_nobodys_lease(disk: Disk) -> None:
    """It was decided in time; whoever leads when the disk is back."""
    kept = keep(disk)
    disk.fails = True
    await kept.put_soon(rollback(1)._replace(fence=4))

    disk.fails, disk.fence = False, 5
    await kept.pay()

    assert await numbers(disk) == [1]


async def test_a_rollback_that_is_built_on_what_was_refused_gives_way_to_another(disk: Disk) -> None:
    """One incident is enough, whatever this gateway had done before: somebody was quicker with both."""
    kept = Deposits(disk, stay)
    disk.fails = True
    await kept.put_soon(deposit(1))
    await kept.put_soon(rollback(2))
    disk.fails = False
    await keep(disk).put(rollback(1))
    await kept.pay()

    assert await numbers(disk) == [1]
    assert (await disk.progresses())["shop"].version == 1
    assert (kept.refused, kept.owed) == ({"shop"}, frozenset())
