"""What a gateway remembers of its rollouts outlives its controller, and in a file itself."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.control.cache import Cache, Remembered
from gateway.core.progress import Progress, State
from tests.control.replicas import Memory
from tests.proxy.wiring import PATIENCE_SECONDS

KNOWN = {
    "shop": Progress(state=State.RUNNING, version=3, percent=20.0, stage_cohorts=("beta",)),
    "search": Progress(state=State.ROLLED_BACK, version=1, cooldown_left_seconds=5.5, stepped_back_from=(1,)),
}


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_successor_remembers_without_a_file() -> None:
    """Whatever its predecessor knew last."""
    memory = Memory()
    assert await Cache(memory, None).read() is None
    await Cache(memory, None).keep(KNOWN)

    assert await Cache(memory, None).read() == KNOWN


async def test_a_gateway_that_was_stopped_remembers_by_its_file(tmp_path: Path) -> None:
    """All of it, and nothing else is left beside it."""
    file = tmp_path / "store.cache"
    await Cache(Memory(), file).keep(KNOWN)

    assert await Cache(Memory(), file).read() == KNOWN
    assert names_in(tmp_path) == ["store.cache"]


async def test_the_memory_is_newer_than_the_file(tmp_path: Path) -> None:
    """Also where it says that there is nothing."""
    memory, file = Memory(), tmp_path / "store.cache"
    await Cache(Memory(), file).keep(KNOWN)
    memory.put(Remembered({}))

    assert await Cache(memory, file).read() == {}


async def test_time_that_passes_is_not_written(tmp_path: Path) -> None:
    """Only moves are: no disk is worn out by seconds."""
    file = tmp_path / "store.cache"
    cache = Cache(Memory(), file)
    await cache.keep({"shop": Progress(state=State.RUNNING, version=3)})
    before = file.stat().st_ino
    await cache.keep({"shop": Progress(state=State.RUNNING, version=3, held_seconds=9.0)})
    assert file.stat().st_ino == before
    await cache.keep({"shop": Progress(state=State.RUNNING, version=4)})

    assert (await Cache(Memory(), file).read())["shop"].version == 4


async def test_a_move_of_the_same_version_is_written(tmp_path: Path) -> None:
    """A gateway that was cut off has stepped back, the fleet has rolled back: both were the fourth move."""
    memory, file = Memory(), tmp_path / "store.cache"
    cache = Cache(memory, file)
    await cache.keep({"shop": Progress(state=State.RUNNING, version=4, percent=5.0)})
    stored = {"shop": Progress(state=State.ROLLED_BACK, version=4, rollbacks=1)}
    await cache.keep(stored)

    assert (memory.newest(), await Cache(Memory(), file).read()) == (Remembered(stored), stored)


async def test_what_is_noted_is_in_the_file_with_the_next_that_is_kept(tmp_path: Path) -> None:
    """Memory has it at once, as no disk has to be waited for."""
    memory, file = Memory(), tmp_path / "store.cache"
    cache = Cache(memory, file)
    assert not cache.has("shop", KNOWN["shop"])
    cache.note(KNOWN)
    assert (cache.has("shop", KNOWN["shop"]), memory.newest(), names_in(tmp_path)) == (True, Remembered(KNOWN), [])
    await cache.keep(KNOWN)

    assert await Cache(Memory(), file).read() == KNOWN


async def test_who_has_read_it_need_not_write_it(tmp_path: Path) -> None:
    """Until something moves."""
    file = tmp_path / "store.cache"
    await Cache(Memory(), file).keep(KNOWN)
    cache = Cache(Memory(), file)
    remembered = await cache.read()
    before = file.stat().st_ino
    await cache.keep(remembered)

    assert file.stat().st_ino == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"shop": {"state": "flying"}}', b"[1]", b"\xff"])
async def test_a_file_that_is_none_is_nothing_to_remember(content: bytes, tmp_path: Path) -> None:
    """It is said, and replaced with the next move."""
    file = tmp_path / "store.cache"
    file.write_bytes(content)
    with capture_logs() as logs:
        cache = Cache(Memory(), file)
        assert await cache.read() is None
    await cache.keep(KNOWN)

    assert [each["event"] for each in logs] == ["store_cache_unreadable"]
    assert await Cache(Memory(), file).read() == KNOWN


async def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """Though nothing has moved since; it is said once."""
    file = tmp_path / "later" / "store.cache"
    cache = Cache(Memory(), file)
    with capture_logs() as logs:
        for _ in range(3):
            await cache.keep(KNOWN)
        file.parent.mkdir()
        await cache.keep(KNOWN)
        file.unlink()
        file.parent.rmdir()
        await cache.keep(KNOWN | {"more": Progress(state=State.PENDING)})

    assert [each["event"] for each in logs] == ["store_cache_not_written"] * 2


async def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it may be empty after a power failure (fsync(2)): whatever stood there was of use."""
    file, found, sync = tmp_path / "store.cache", [], os.fsync
    file.write_text("before")

    def note(descriptor: int) -> None:
        sync(descriptor)
        found.append((os.fstat(descriptor).st_size, file.read_text()))

    monkeypatch.setattr(os, "fsync", note)
    await Cache(Memory(), file).keep(KNOWN)

    assert found == [(file.stat().st_size, "before")]


async def test_a_gateway_that_ends_while_it_writes_writes_its_last_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread can't be cancelled, and two at once would take each other's file away."""
    file, sync, writing = tmp_path / "store.cache", os.fsync, threading.Semaphore(1)
    has_begun, may_end, was_alone = threading.Event(), threading.Event(), []

    def stand_still(descriptor: int) -> None:
        was_alone.append(writing.acquire(blocking=False))
        has_begun.set()
        may_end.wait(PATIENCE_SECONDS)
        sync(descriptor)
        writing.release()

    monkeypatch.setattr(os, "fsync", stand_still)
    cache = Cache(Memory(), file)
    first = asyncio.ensure_future(cache.keep({"shop": Progress(state=State.RUNNING)}))
    await asyncio.to_thread(has_begun.wait, PATIENCE_SECONDS)
    first.cancel()
    last = asyncio.ensure_future(cache.keep(KNOWN))
    await asyncio.sleep(0.02)
    may_end.set()
    await asyncio.wait({first, last})

    assert (first.cancelled(), was_alone) == (True, [True, True])
    assert await Cache(Memory(), file).read() == KNOWN


async def test_moves_that_come_at_once_leave_the_last_in_the_file(tmp_path: Path) -> None:
    """One write does not overtake another."""
    file = tmp_path / "store.cache"
    cache = Cache(Memory(), file)
    moves = [{"shop": Progress(state=State.RUNNING, version=number)} for number in range(20)]
    await asyncio.gather(*(cache.keep(each) for each in moves))

    assert await Cache(Memory(), file).read() == moves[-1]
