"""A database of an older version is brought up to date; one of a newer version is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import migrations
from gateway.store.migrations import STEPS, migrate
from gateway.store.sqlite import SqliteStore


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    """An empty database."""
    return sqlite3.connect(tmp_path / "state.db", isolation_level=None)


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps it has taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_empty_file_takes_every_step_and_then_none(connection: sqlite3.Connection) -> None:
    """Again and again."""
    for _ in range(3):
        migrate(connection)

    assert version_of(connection) == len(STEPS)
    connection.close()


def test_a_step_that_fails_leaves_the_version_before(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is there, and what was there before is."""
    migrate(connection)
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, ("CREATE TABLE half (a) STRICT", "CREATE TABLE wrong")))

    with pytest.raises(sqlite3.Error):
        migrate(connection)

    assert version_of(connection) == len(STEPS)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []
    connection.close()


def test_an_older_file_keeps_what_it_holds(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the steps that are missing are taken."""
    migrate(connection)
    connection.execute("INSERT INTO progress VALUES ('checkout', x'7b7d')")
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, ("ALTER TABLE progress ADD COLUMN note TEXT",)))

    migrate(connection)

    assert connection.execute("SELECT * FROM progress").fetchall() == [("checkout", b"{}", None)]
    assert version_of(connection) == len(STEPS) + 1
    connection.close()


async def test_what_operators_had_set_before_there_were_plans_still_holds(
    tmp_path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a percentage over the file's."""
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "STEPS", STEPS[:1])
        migrate(connection)
    connection.execute("INSERT INTO percents VALUES ('checkout', 0.01), ('a \"name\"', 20)")
    connection.close()

    store = SqliteStore(str(tmp_path / "state.db"))
    found = await store.progresses()
    await store.close()

    assert {name: (each.state, each.percent) for name, each in found.items()} == {
        "checkout": ("running", 0.01),
        'a "name"': ("running", 20),
    }


def test_a_newer_file_is_refused_and_not_touched(connection: sqlite3.Connection) -> None:
    """A gateway that was set back must not break what a newer one wrote."""
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")

    with pytest.raises(StoreUnavailable, match="newer Crossfade"):
        migrate(connection)

    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
