"""What is written reaches the file that has the name, whatever happens to it while it is open."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.store.connection import Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the database."""
    return tmp_path / "state.db"


def write(connection: Connection, word: str) -> None:
    """Leave a word in it."""
    connection.get().execute("INSERT INTO events (kind, document) VALUES (?, x'')", (word,))


def words(path: Path) -> list[str]:
    """What somebody else finds in the file."""
    reader = sqlite3.connect(path)
    found = [kind for (kind,) in reader.execute("SELECT kind FROM events ORDER BY id")]
    reader.close()
    return found


def test_it_is_opened_once(path: Path) -> None:
    """As long as nothing happens to it."""
    connection = Connection(str(path))

    assert connection.get() is connection.get()
    connection.drop()
    connection.drop()


def test_what_was_dropped_is_opened_anew(path: Path) -> None:
    """And what was written is still there."""
    connection = Connection(str(path))
    write(connection, "before")
    connection.drop()
    write(connection, "after")

    assert words(path) == ["before", "after"]
    connection.drop()


def test_a_file_that_was_removed_is_made_anew(path: Path) -> None:
    """Writing to what has no name any more would only look like success; the log says what happened."""
    connection = Connection(str(path))
    write(connection, "before")
    path.unlink()
    with capture_logs() as logs:
        write(connection, "after")

    assert words(path) == ["after"]
    assert [record["event"] for record in logs] == ["store_reopened"]
    connection.drop()


def test_a_file_that_was_replaced_is_the_one_that_counts(path: Path, tmp_path: Path) -> None:
    """A backup that is put back is used from then on, and what the former left beside it does not get into it."""
    backup = Connection(str(tmp_path / "backup.db"))
    write(backup, "restored")
    backup.drop()
    connection = Connection(str(path))
    for number in range(100):
        write(connection, f"lost {number}")
    (tmp_path / "backup.db").rename(path)
    write(connection, "after")

    assert words(path) == ["restored", "after"]
    assert connection.get().execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.drop()


def test_a_folder_that_is_gone_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    """As it is when a volume is unmounted."""
    folder = tmp_path / "volume"
    folder.mkdir()
    connection = Connection(str(folder / "state.db"))
    write(connection, "before")
    folder.rename(tmp_path / "unmounted")
    with pytest.raises(FileNotFoundError):
        connection.get()

    (tmp_path / "unmounted").rename(folder)
    write(connection, "after")
    assert words(folder / "state.db") == ["before", "after"]
    connection.drop()
