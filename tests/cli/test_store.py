"""`crossfade store copy` between files; between a file and Redis it is in tests/store/test_copying.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.store import open_store
from gateway.store.records import Event
from tests.store.records import event, incident, progress


def copy(*args: str) -> object:
    """The exit status of `crossfade store copy`."""
    with pytest.raises(SystemExit) as ended:
        main(["store", "copy", *args])
    return ended.value.code


async def fill(path: Path, rollout: str) -> None:
    """A rollback, with what belongs to it."""
    store = open_store(f"sqlite:{path}")
    await store.commit(rollout, progress(version=4), event(rollout=rollout), incident(rollout=rollout))
    await store.close()


async def read(path: Path) -> tuple[set[str], list[Event]]:
    """Which rollouts a store knows, and its events."""
    store = open_store(f"sqlite:{path}")
    found = set(await store.progresses()), await store.events()
    await store.close()
    return found


def test_everything_is_copied_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL may come from the environment, as in the configuration."""
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    asyncio.run(fill(source, "checkout"))
    monkeypatch.setenv("TARGET", str(target))

    assert copy(f"sqlite:{source}", "sqlite:${TARGET}") == 0
    assert capsys.readouterr().out == "copied 1 event, 1 incident, 0 mismatches, 1 rollout\n"
    assert asyncio.run(read(target)) == asyncio.run(read(source))


def test_what_holds_something_is_cleared_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be somebody's."""
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    asyncio.run(fill(source, "checkout"))
    asyncio.run(fill(target, "search"))

    assert copy(f"sqlite:{source}", f"sqlite:{target}") == 1
    assert capsys.readouterr().err == f"crossfade: sqlite:{target} is not empty; --force clears it first\n"
    assert asyncio.run(read(target))[0] == {"search"}
    assert copy(f"sqlite:{source}", f"sqlite:{target}", "--force") == 0
    assert asyncio.run(read(target)) == asyncio.run(read(source))


def test_what_cannot_be_copied_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, no store, the same one twice, nobody there; never with a password."""
    source = tmp_path / "a.db"
    asyncio.run(fill(source, "checkout"))
    for urls, reason in (
        ((f"sqlite:{tmp_path}/none.db", "sqlite:x.db"), f"there is no file `{tmp_path}/none.db` to copy from"),
        ((f"sqlite:{source}", f"sqlite://{source}"), "FROM and TO are the same store"),
        ((f"sqlite:{source}", "mongo://ann:secret@db"), "`mongo://***@db` is not a store; write sqlite:FILE, redis://"),
        ((f"sqlite:{source}", "redis://:secret@127.0.0.1:1"), "the store redis://***@127.0.0.1:1 can't be used: "),
        ((f"sqlite:{source}", "redis://${NO_SUCH}"), "the environment variable NO_SUCH is not set"),
    ):
        assert copy(*urls) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"crossfade: {reason}")
        assert (err.count("\n"), "secret" in err) == (1, False)
