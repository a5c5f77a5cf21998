"""How the database came to its present form, step by step.

``PRAGMA user_version`` says how many of the steps a file has taken. Each is one transaction; a file of a newer version
than this one knows is refused, not touched.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from gateway.errors import StoreUnavailable

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE percents (
            rollout TEXT PRIMARY KEY,
            percent REAL NOT NULL CHECK (percent BETWEEN 0 AND 100)
        ) STRICT""",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            rollout TEXT,
            kind TEXT NOT NULL,
            document BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX events_of_rollout ON events (rollout, id)",
        "CREATE INDEX events_of_kind ON events (kind, id)",
    ),
    (
        """CREATE TABLE progress (
            rollout TEXT PRIMARY KEY,
            document BLOB NOT NULL
        ) STRICT""",
        # What operators had set by then, for rollouts with a fixed percentage: there were no others.
        """INSERT INTO progress SELECT rollout, CAST(json_object('state', 'running', 'percent', percent) AS BLOB)
        FROM percents""",
        "DROP TABLE percents",
        """CREATE TABLE incidents (
            id TEXT PRIMARY KEY,
            rollout TEXT NOT NULL,
            document BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX incidents_of_rollout ON incidents (rollout, id)",
    ),
    (
        """CREATE TABLE mismatches (
            route TEXT NOT NULL,
            path TEXT NOT NULL,
            document BLOB NOT NULL,
            PRIMARY KEY (route, path)
        ) STRICT""",
    ),
)
"""Never edited once released: what has to change is another step."""


def migrate(connection: sqlite3.Connection) -> None:
    """Take the steps that are missing. Raises `StoreUnavailable` for a file of a newer version."""
    version = _version_of(connection)
    if version > len(STEPS):
        raise StoreUnavailable(f"it was written by a newer Crossfade (version {version}, this one knows {len(STEPS)})")
    for number, statements in enumerate(STEPS[version:], version + 1):
        _take(connection, number, statements)


def _version_of(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _take(connection: sqlite3.Connection, number: int, statements: tuple[str, ...]) -> None:
    """One step, unless another process has taken it meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version_of(connection) < number:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
