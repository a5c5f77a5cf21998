"""The store in one SQLite file: for a single gateway.

All work happens on one thread, so there is one writer and no call holds up the loop. The file is in WAL mode and synced
with every commit: what was answered is on the disk. A file that can't be used (no such folder, a full disk, a newer
version) makes each call fail with `StoreUnavailable`; the next call opens it anew.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import msgspec

from gateway.core.lifecycle import Progress
from gateway.errors import StoreConflict, StoreUnavailable
from gateway.store.connection import Connection
from gateway.store.records import EVENTS_KEPT, INCIDENTS_KEPT, Event, Incident, NewEvent, PathRecord, forget_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


class SqliteStore:
    """See the module. ``path`` is relative to the working directory, or absolute."""

    kind = "sqlite"

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection = Connection(path)
        self._is_ok = False
        self._fault: str | None = None
        self.file = str(Path(path).absolute())

    @property
    def is_ok(self) -> bool:
        """Whether the last call succeeded."""
        return self._is_ok

    @property
    def fault(self) -> str | None:
        """Why the last call failed."""
        return self._fault

    async def open(self) -> None:
        """Open or create the file, and bring it up to date."""
        await self._run(lambda _connection: None)

    async def close(self) -> None:
        """Close the file after what is under way."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.drop)
        self._thread.shutdown()

    async def progresses(self) -> dict[str, Progress]:
        """How far each rollout is that was ever moved."""
        return await self._run(_read_progresses)

    async def commit(
        self,
        rollout: str,
        progress: Progress,
        event: NewEvent,
        incident: Incident | None = None,
        *,
        fence: int | None = None,  # noqa: ARG002 - nobody else conducts what is in this file
    ) -> Event:
        """Write how far a rollout is now, the event that tells it, and the incident: all or nothing."""
        return await self._run(_write_transition, rollout, progress, event, incident)

    async def keep(
        self,
        progresses: Mapping[str, Progress],
        *,
        fence: int | None = None,  # noqa: ARG002 - likewise
    ) -> set[str]:
        """Write how far rollouts are, where only time has passed; nothing over what is newer."""
        return await self._run(_write_progresses, progresses)

    async def incidents(
        self, before: str | None = None, limit: int = 100, rollout: str | None = None
    ) -> list[Incident]:
        """The last ``limit`` incidents with an id below ``before``, the newest first; of one rollout, if given."""
        return await self._run(_read_incidents, before, limit, rollout)

    async def incident(self, name: str) -> Incident | None:
        """The one with this id."""
        return await self._run(_read_incident, name)

    async def record(self, event: NewEvent) -> Event:
        """Add to the audit log."""
        return await self._run(_write_event, event)

    async def events(self, after: int = 0, limit: int = 100, rollout: str | None = None) -> list[Event]:
        """The first ``limit`` events with an id above ``after``, the oldest first; of one rollout, if it is given."""
        return await self._run(_read_events, after, limit, rollout)

    async def last_events(self) -> list[Event]:
        """The last event of each rollout, and the last that concerns the whole gateway."""
        return await self._run(_read_last_events)

    async def newest(self, kind: str) -> Event | None:
        """The last event of a kind that was recorded; None before the first."""
        return await self._run(_read_newest, kind)

    async def mismatches(self) -> list[PathRecord]:
        """What comparing has found, of every path that is kept. One that can't be read any more is left out."""
        return await self._run(_read_mismatches)

    async def keep_mismatches(self, records: Iterable[PathRecord], gone: Collection[tuple[str, str]] = ()) -> None:
        """Write what was found on paths, each in the place of what there was before; forget those ``gone``.

        Those are named by route and path.
        """
        rows = [(each.tally.route, each.tally.path, msgspec.msgpack.encode(each)) for each in records]
        await self._run(_write_mismatches, rows, gone)

    async def load(self, events: Sequence[Event], incidents: Sequence[Incident]) -> None:
        """Write what another store holds, as it is there."""
        await self._run(_load, events, incidents)

    async def clear(self) -> None:
        """Forget everything."""
        await self._run(_clear)

    async def _run(
        self,
        work: Callable[Concatenate[sqlite3.Connection, _Given], _Found],
        *args: _Given.args,
        **kwargs: _Given.kwargs,
    ) -> _Found:
        def run() -> _Found:
            try:
                return work(self._connection.get(), *args, **kwargs)
            except (sqlite3.Error, OSError):
                self._connection.drop()
                raise

        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except (sqlite3.Error, OSError, StoreUnavailable) as error:
            self._is_ok, self._fault = False, getattr(error, "strerror", None) or str(error)
            raise StoreUnavailable(f"the store {self._path} can't be used: {error}") from error
        self._is_ok, self._fault = True, None
        return found


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _read_progresses(connection: sqlite3.Connection) -> dict[str, Progress]:
    rows = connection.execute("SELECT rollout, document FROM progress")
    return {rollout: msgspec.json.decode(document, type=Progress) for rollout, document in rows}


def _write_transition(
    connection: sqlite3.Connection, rollout: str, progress: Progress, event: NewEvent, incident: Incident | None
) -> Event:
    with _transaction(connection):
        stored = _find_progress(connection, rollout)
        if stored is not None and progress.version <= stored.version:
            written = _find_written(connection, event) if progress == stored else None
            if written is None:
                raise StoreConflict(rollout, stored.version)
            return written
        _insert_progress(connection, rollout, progress)
        if incident is not None:
            _insert_incident(connection, incident)
        return _insert_event(connection, event)


def _find_progress(connection: sqlite3.Connection, rollout: str) -> Progress | None:
    row = connection.execute("SELECT document FROM progress WHERE rollout = ?", (rollout,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Progress)


def _find_written(connection: sqlite3.Connection, event: NewEvent) -> Event | None:
    """The event, if an attempt that seemed to fail has written it."""
    query = "SELECT id, document FROM events WHERE rollout = ? AND document = ? ORDER BY id DESC LIMIT 1"
    row = connection.execute(query, (event.rollout, msgspec.json.encode(event))).fetchone()
    return None if row is None else _name_event(*row)


def _write_progresses(connection: sqlite3.Connection, progresses: Mapping[str, Progress]) -> set[str]:
    written = set()
    with _transaction(connection):
        for rollout, progress in progresses.items():
            stored = _find_progress(connection, rollout)
            if stored is None or (progress.version >= stored.version and progress != stored):
                _insert_progress(connection, rollout, progress)
                written.add(rollout)
    return written


def _insert_progress(connection: sqlite3.Connection, rollout: str, progress: Progress) -> None:
    connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (rollout, msgspec.json.encode(progress)))


def _insert_incident(connection: sqlite3.Connection, incident: Incident) -> None:
    row = (incident.id, incident.rollout, msgspec.json.encode(incident))
    # One that is there already word by word was written by an attempt that seemed to fail; any other is never replaced.
    connection.execute(
        """INSERT INTO incidents SELECT ?1, ?2, ?3
        WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE id = ?1 AND document = ?3)""",
        row,
    )
    connection.execute(
        "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents ORDER BY id DESC LIMIT -1 OFFSET ?)",
        (INCIDENTS_KEPT,),
    )


def _read_incidents(
    connection: sqlite3.Connection, before: str | None, limit: int, rollout: str | None
) -> list[Incident]:
    rows = connection.execute(
        """SELECT document FROM incidents WHERE (? IS NULL OR id < ?) AND (? IS NULL OR rollout = ?)
        ORDER BY id DESC LIMIT ?""",
        (before, before, rollout, rollout, limit),
    )
    return [msgspec.json.decode(document, type=Incident) for (document,) in rows]


def _read_incident(connection: sqlite3.Connection, name: str) -> Incident | None:
    row = connection.execute("SELECT document FROM incidents WHERE id = ?", (name,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Incident)


def _write_event(connection: sqlite3.Connection, event: NewEvent) -> Event:
    with _transaction(connection):
        return _insert_event(connection, event)


def _insert_event(connection: sqlite3.Connection, event: NewEvent) -> Event:
    document = msgspec.json.encode(event)
    row = (event.rollout, event.kind, document)
    cursor = connection.execute("INSERT INTO events (rollout, kind, document) VALUES (?, ?, ?)", row)
    number = cursor.lastrowid or 0
    connection.execute("DELETE FROM events WHERE id <= ?", (number - EVENTS_KEPT,))
    return _name_event(number, document)


def _read_events(connection: sqlite3.Connection, after: int, limit: int, rollout: str | None) -> list[Event]:
    if rollout is None:
        rows = connection.execute("SELECT id, document FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    else:
        rows = connection.execute(
            "SELECT id, document FROM events WHERE rollout = ? AND id > ? ORDER BY id LIMIT ?", (rollout, after, limit)
        )
    return [_name_event(number, document) for number, document in rows]


def _read_last_events(connection: sqlite3.Connection) -> list[Event]:
    query = "SELECT id, document FROM events WHERE id IN (SELECT max(id) FROM events GROUP BY rollout) ORDER BY id"
    return [_name_event(number, document) for number, document in connection.execute(query)]


def _read_newest(connection: sqlite3.Connection, kind: str) -> Event | None:
    query = "SELECT id, document FROM events WHERE kind = ? ORDER BY id DESC LIMIT 1"
    row = connection.execute(query, (kind,)).fetchone()
    return None if row is None else _name_event(*row)


def _load(connection: sqlite3.Connection, events: Sequence[Event], incidents: Sequence[Incident]) -> None:
    with _transaction(connection):
        rows = [(each.id, each.rollout, each.kind, msgspec.json.encode(forget_id(each))) for each in events]
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
        for incident in incidents:
            _insert_incident(connection, incident)


def _clear(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        for table in ("progress", "events", "incidents", "mismatches"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - from the line above


def _name_event(number: int, document: bytes) -> Event:
    return msgspec.convert(msgspec.json.decode(document) | {"id": number}, Event)


def _read_mismatches(connection: sqlite3.Connection) -> list[PathRecord]:
    records = []
    for (document,) in connection.execute("SELECT document FROM mismatches"):
        with suppress(msgspec.DecodeError):  # it can be found again
            records.append(msgspec.msgpack.decode(document, type=PathRecord))
    return records


def _write_mismatches(
    connection: sqlite3.Connection, rows: Sequence[tuple[str, str, bytes]], gone: Collection[tuple[str, str]]
) -> None:
    with _transaction(connection):
        connection.executemany("DELETE FROM mismatches WHERE route = ? AND path = ?", gone)
        connection.executemany("INSERT OR REPLACE INTO mismatches VALUES (?, ?, ?)", rows)
