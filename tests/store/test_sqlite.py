"""What was answered is on the disk, and a store that can't be used says so without holding anybody up."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import open_store, sqlite
from gateway.store.sqlite import SqliteStore
from tests.store.records import event, incident, path_record, progress


async def test_the_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    """It holds who did what."""
    store = SqliteStore(str(tmp_path / "state.db"))
    await store.open()
    await store.close()

    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("form", ["sqlite:{}", "sqlite://{}"])
async def test_a_url_names_the_file(tmp_path: Path, form: str) -> None:
    """With or without the slashes of an authority."""
    store = open_store(form.format(tmp_path / "state.db"))
    await store.open()
    await store.close()

    assert (tmp_path / "state.db").exists()


async def test_a_store_that_cannot_be_used_says_why_and_is_tried_again(tmp_path: Path) -> None:
    """A folder that is mounted late is found."""
    store = SqliteStore(str(tmp_path / "late" / "state.db"))
    with pytest.raises(StoreUnavailable, match=r"late/state\.db can't be used: .*No such file"):
        await store.progresses()
    assert not store.is_ok

    (tmp_path / "late").mkdir()

    assert await store.progresses() == {}
    assert store.is_ok
    await store.close()


async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    """It may be somebody's."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but 100 bytes of prose " * 20)
    store = SqliteStore(str(file))

    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.record(event())

    assert file.read_text().startswith("not a database")
    await store.close()


async def test_a_connection_that_breaks_is_made_anew(tmp_path: Path) -> None:
    """One call fails and says so; the next finds everything."""
    store = SqliteStore(str(tmp_path / "state.db"))
    await store.record(event())
    store._connection.get().close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.record(event())
    assert not store.is_ok

    assert (await store.record(event())).id == 2
    assert store.is_ok
    await store.close()


async def test_a_transaction_that_could_not_end_does_not_block_those_that_follow(tmp_path: Path) -> None:
    """What a failing disk leaves half done is undone with its connection."""
    store = SqliteStore(str(tmp_path / "state.db"))
    await store.open()
    store._connection.get().execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="within a transaction"):
        await store.record(event())

    assert (await store.record(event())).id == 1
    await store.close()


async def test_what_is_written_is_in_the_file_that_has_the_name(tmp_path: Path) -> None:
    """Though the one that was opened was removed meanwhile."""
    store = SqliteStore(str(tmp_path / "state.db"))
    await store.record(event())
    (tmp_path / "state.db").unlink()
    await store.record(event())
    await store.close()

    successor = SqliteStore(str(tmp_path / "state.db"))
    assert len(await successor.events()) == 1
    await successor.close()


async def test_of_events_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that runs for years does not fill the disk."""
    monkeypatch.setattr(sqlite, "EVENTS_KEPT", 3)
    store = SqliteStore(str(tmp_path / "state.db"))
    for _ in range(5):
        await store.record(event())

    assert [each.id for each in await store.events()] == [3, 4, 5]
    await store.close()


async def test_of_incidents_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is some 20 KiB."""
    monkeypatch.setattr(sqlite, "INCIDENTS_KEPT", 2)
    store = SqliteStore(str(tmp_path / "state.db"))
    for number in range(4):
        await store.commit("checkout", progress(version=number), event(), incident(f"2026010{number}"))

    assert [each.id for each in await store.incidents()] == ["20260103", "20260102"]
    await store.close()


async def test_a_second_controller_on_the_same_file_works(tmp_path: Path) -> None:
    """A predecessor that is about to end may still have it open."""
    first, second = (SqliteStore(str(tmp_path / "state.db")) for _ in range(2))
    await asyncio.gather(
        *(store.commit(f"r{number}", progress(5), event()) for number, store in enumerate((first, second) * 10))
    )

    assert len(await first.progresses()) == 20
    assert [each.id for each in await second.events()] == list(range(1, 21))
    await first.close()
    await second.close()


async def test_progress_event_and_incident_are_written_all_or_none(tmp_path: Path) -> None:
    """Wherever a kill comes: there are as many of each."""
    path = tmp_path / "state.db"
    program = (
        "import asyncio, sys\n"
        "from gateway.store.sqlite import SqliteStore\n"
        "from tests.store.records import event, incident, progress\n"
        "async def main():\n"
        "    store = SqliteStore(sys.argv[1])\n"
        "    for number in range(100_000):\n"
        "        await store.commit(f'r{number}', progress(5), event(), incident(f'{number}'))\n"
        "        print(number, flush=True)\n"
        "asyncio.run(main())\n"
    )
    answered = await asyncio.to_thread(write_until_killed, program, path)

    store = SqliteStore(str(path))
    found = await store.progresses(), await store.events(limit=100_000), await store.incidents(limit=100_000)
    await store.close()
    assert len({len(each) for each in found}) == 1
    assert len(found[0]) > answered


def write_until_killed(program: str, path: Path) -> int:
    """Run the program on the file, kill it in the middle; the last number that it said."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        answered = [int(writer.stdout.readline()) for _ in range(20)][-1]
        writer.send_signal(signal.SIGKILL)
    return answered


async def test_it_is_written_ahead_and_synced(tmp_path: Path) -> None:
    """WAL, so that readers never wait; synced with each commit, so that a power cut takes nothing back."""
    store = SqliteStore(str(tmp_path / "state.db"))
    await store.open()
    connection = store._connection.get()
    found = await asyncio.get_running_loop().run_in_executor(store._thread, _pragmas, connection)
    await store.close()

    assert found == ("wal", 2)


def _pragmas(connection: sqlite3.Connection) -> tuple[str, int]:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    return mode, synchronous


async def test_an_incident_is_never_replaced(tmp_path: Path) -> None:
    """Written once more word by word, after an attempt that seemed to fail, it stays; another one is refused."""
    store = SqliteStore(str(tmp_path / "state.db"))
    for _ in range(2):
        await store.commit("checkout", progress(), event(), incident("one"))
    with pytest.raises(StoreUnavailable):
        await store.commit("search", progress(), event(), incident("one", rollout="search"))

    assert [each.rollout for each in await store.incidents()] == ["checkout"]
    await store.close()


async def test_a_path_that_cannot_be_read_any_more_is_left_out(tmp_path: Path) -> None:
    """What comparing has found can be found again; it must not keep a gateway from starting."""
    store = SqliteStore(str(tmp_path / "state.db"))
    await store.keep_mismatches([path_record()])
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("INSERT INTO mismatches VALUES ('orders', '/odd', x'c1')")
    connection.close()

    assert await store.mismatches() == [path_record()]
    await store.close()
