"""The connection to one SQLite file: opened when it is needed, and anew when it broke or the file is another.

A file that was removed or replaced lives on for whoever has it open: what is written there succeeds, and nobody ever
sees it. So the file is looked at before each use. What the former one leaves beside its name, the write-ahead log above
all, goes with it: SQLite would take it for the next one's (https://sqlite.org/howtocorrupt.html, section 1.4).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import structlog

from gateway.store.migrations import migrate

_BUSY_SECONDS: Final = 5.0
"""A predecessor that was killed may still hold its lock for a moment."""

_RETRY_SECONDS: Final = 0.01

File = tuple[int, int]
"""Device and inode."""

log = structlog.get_logger()


class Connection:
    """To the file at ``path``. Not for two threads at once."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._sqlite: sqlite3.Connection | None = None
        self._file: File | None = None
        self._beside: dict[Path, File | None] = {}

    def get(self) -> sqlite3.Connection:
        """What to work with now; opens or creates the file where that is needed.

        Raises sqlite3.Error, OSError, or `StoreUnavailable` for a file of a newer version.
        """
        if self._file is not None and _identify(self._path) != self._file:
            log.warning("store_reopened", reason="the file was removed or replaced")
            self._leave()
        if self._sqlite is None:
            self._file = _create(self._path)
            self._sqlite = _connect(self._path)
            self._beside = {path: _identify(path) for path in map(Path, (f"{self._path}-wal", f"{self._path}-shm"))}
        return self._sqlite

    def drop(self) -> None:
        """Close it; the next use opens it anew."""
        former, self._sqlite = self._sqlite, None
        if former is not None:
            with contextlib.suppress(sqlite3.Error):
                former.close()

    def _leave(self) -> None:
        """Be done with a file that has lost its name, and with what is its own beside it."""
        self.drop()
        self._file = None
        for path, file in self._beside.items():
            if file is not None and _identify(path) == file:
                path.unlink()


def _identify(path: Path) -> File | None:
    """Which file is there; None for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _create(path: Path) -> File:
    """Make sure that there is a file; which one it is."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # nobody else's to read
    try:
        found = os.fstat(file)
    finally:
        os.close(file)
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _log_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # a sample that must not be there any more is not
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Two that turn a new file to its write-ahead log at once get no patience from SQLite: it fears a deadlock."""
    deadline = monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(_RETRY_SECONDS)
        else:
            return
