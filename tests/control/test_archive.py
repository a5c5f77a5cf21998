"""The record of mismatches outlives its controller."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from gateway.control import archive
from gateway.control.archive import Archive
from gateway.control.mismatches import KEPT_SECONDS, Mismatches
from gateway.store.records import PathRecord
from gateway.store.sqlite import SqliteStore
from tests.control.found import AT, PRICE, path, record, table


def open_archive(made: Mismatches, file: Path, now: float = AT) -> tuple[Archive, SqliteStore]:
    """Over a store in this file."""
    store = SqliteStore(str(file))
    return Archive(made, store, lambda: now), store


async def read(file: Path, now: float = AT) -> Mismatches:
    """What a new controller finds."""
    made = Mismatches()
    kept, store = open_archive(made, file, now)
    await kept.restore()
    made.adopt(table("orders"), now)
    await store.close()
    return made


async def test_what_changed_is_written_and_found_by_the_next_controller(tmp_path: Path) -> None:
    """In passing, and the rest when the controller ends."""
    made, file = record(), tmp_path / "state.db"
    kept, store = open_archive(made, file)
    await kept.restore()
    made.take([path()], AT)
    await kept.keep()
    assert (await read(file)).paths({"orders"}) == [path()]

    made.take([path(), *(path(name=f"/{number}") for number in range(90))], AT)
    await kept.keep_all()
    await store.close()

    found = {each.path: each.fields[PRICE].count for each in (await read(file)).paths({"orders"})}
    assert (len(found), found["/orders/{id}"], found["/7"]) == (91, 2, 1)


async def test_a_store_that_is_away_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was there before is not overwritten, what was found meanwhile is added; and it is said once."""
    file, later = tmp_path / "state.db", tmp_path / "later" / "state.db"
    before = record()
    before.take([path()], AT)
    kept, store = open_archive(before, file)
    await kept.keep_all()
    await store.close()
    made = record()
    kept, store = open_archive(made, later)
    await kept.restore()
    made.take([path()], AT)
    await kept.keep()
    await kept.keep_all()
    assert made.is_changed

    later.parent.mkdir()
    file.rename(later)
    await kept.keep()
    await store.close()

    assert (await read(later)).paths({"orders"})[0].fields[PRICE].count == 2


class _Full(SqliteStore):
    """A store whose disk is full for a while."""

    is_full = False

    async def keep_mismatches(self, records: Iterable[PathRecord], gone: Collection[tuple[str, str]] = ()) -> None:
        if self.is_full:
            await self._run(self._refuse)
        await super().keep_mismatches(records, gone)

    @staticmethod
    def _refuse(_connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")


async def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """With what was found by then."""
    made, store = record(), _Full(str(tmp_path / "state.db"))
    kept = Archive(made, store, lambda: AT)
    store.is_full = True
    for _ in range(3):
        made.take([path()], AT)
        await kept.keep()
    await kept.keep_all()
    store.is_full = False
    await kept.keep_all()

    assert [each.tally.fields[PRICE].count for each in await store.mismatches()] == [3]
    await store.close()


async def test_what_is_old_is_forgotten_in_the_store_too(tmp_path: Path) -> None:
    """After a week without news."""
    made, file = record(), tmp_path / "state.db"
    made.take([path()], AT - KEPT_SECONDS - 1)
    kept, store = open_archive(made, file, AT - KEPT_SECONDS)
    await kept.keep_all()
    await store.close()
    later = await read(file)
    kept, store = open_archive(later, file)
    await kept.restore()
    await kept.keep()

    assert await store.mismatches() == []
    await store.close()


async def test_it_keeps_on_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the controller ends."""
    monkeypatch.setattr(archive, "KEEP_SECONDS", 0.0)
    made = record()
    kept, store = open_archive(made, tmp_path / "state.db")
    running = asyncio.ensure_future(kept.run())
    for _ in range(3):
        made.take([path()], AT)
        while made.is_changed:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await kept.keep_all()

    assert [each.tally.fields[PRICE].count for each in await store.mismatches()] == [3]
    await store.close()


async def test_a_fleets_record_is_written_by_its_leader_alone(tmp_path: Path) -> None:
    """Another reads it, and writes what it has found itself once it leads."""
    file = tmp_path / "state.db"
    leads = False
    made, store = record(), SqliteStore(str(file))
    kept = Archive(made, store, lambda: AT, lambda: leads)
    await kept.restore()
    made.take([path()], AT)
    await kept.keep()
    await kept.keep_all()
    assert (await store.mismatches(), made.is_changed) == ([], True)

    leads = True
    await kept.keep()
    await store.close()
    assert (await read(file)).paths({"orders"}) == [path()]
