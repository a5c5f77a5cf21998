"""The journal as a worker writes it: the loop hands over, and hears of what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway.journal import writer as writers
from gateway.journal.reading import merge
from gateway.journal.records import Entry
from gateway.journal.segments import list_segments
from gateway.journal.writer import JournalWriter
from tests.journal.entries import POLICY, entry, numbers


class Desk:
    """A worker's loop."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.writer = JournalWriter(root, 0, asyncio.get_running_loop())
        self.heard: list[tuple[int, bool]] = []
        self.news = asyncio.Event()

    def write(self, written: Entry, size_bytes: int = POLICY.size_bytes) -> bool:
        """Hand an entry over."""
        policy = msgspec.structs.replace(POLICY, size_bytes=size_bytes)

        def hear(is_in: bool) -> None:
            self.heard.append((written.id.sequence, is_in))
            self.news.set()

        return self.writer.write(written, policy, hear)

    async def hear(self, count: int) -> list[tuple[int, bool]]:
        """What came of so many."""
        async with asyncio.timeout(30):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()
        return self.heard

    def read(self) -> list[object]:
        """What is in the files."""
        return list(merge(list_segments(self.root / "orders"), []))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.writer.close()


async def test_an_entry_is_in_when_the_loop_hears_of_it(desk: Desk) -> None:
    """All of it can be read by then, in the order in which it was written."""
    written = [entry(number) for number in range(1, 101)]
    assert all(map(desk.write, written))

    assert await desk.hear(100) == [(number, True) for number in range(1, 101)]
    assert desk.read() == written
    assert (desk.writer.written, desk.writer.dropped) == (100, 0)
    assert desk.writer.written_bytes == sum(len(each.head) + len(each.body) for each in written)


async def test_credentials_are_never_written(desk: Desk, tmp_path: Path) -> None:
    """Whoever composed the entry."""
    desk.write(entry(1, head=b"Host: a\r\nCookie: secret\r\nAuthorization: Bearer secret\r\n"))
    await desk.hear(1)

    (segment,) = list_segments(tmp_path / "orders")
    assert b"secret" not in segment.path.read_bytes()


async def test_times_never_go_back(desk: Desk) -> None:
    """A file's records are in the order of their times, whatever the caller's clock does."""
    for number, time_ns in ((1, 50), (2, 40), (3, 60)):
        desk.write(entry(number, time_ns=time_ns))
    await desk.hear(3)

    assert [each.time_ns for each in desk.read()] == [50, 50, 60]  # type: ignore[attr-defined]


async def test_what_the_baseline_has_had_is_noted_behind_its_entry(desk: Desk) -> None:
    """Also when both are written at once."""
    desk.write(entry(1))
    desk.writer.note_taken(entry(1), POLICY, 5)
    desk.write(entry(2, time_ns=6))
    await desk.hear(2)

    assert numbers(desk.read()) == [1, 1, 2]
    assert desk.writer.written == 2


async def test_a_journal_whose_disk_does_not_answer_is_full_until_it_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users whose writes come after that need not wait for it; what was handed over is not given up."""
    assert not desk.writer.is_full("orders")
    monkeypatch.setattr(writers, "STALL_SECONDS", 0.0)
    desk.write(entry(1))
    assert desk.writer.is_full("orders")
    assert desk.write(entry(2))

    assert await desk.hear(2) == [(1, True), (2, True)]
    assert not desk.writer.is_full("orders")


async def test_a_journal_that_is_full_says_so_before_the_next_write(desk: Desk) -> None:
    """A part of what was handed over together may fit."""
    for number in (1, 2, 3):
        assert desk.write(entry(number, body=b"x" * 400), size_bytes=1000)

    assert await desk.hear(3) == [(1, True), (2, False), (3, False)]
    assert desk.writer.is_full("orders")
    assert not desk.writer.is_full("others")
    assert not desk.write(entry(4))
    assert (desk.writer.written, desk.writer.dropped) == (1, 3)


async def test_what_waits_for_the_disk_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is refused at once: the loop never waits, and memory does not grow."""
    monkeypatch.setattr(writers, "QUEUE_BYTES", 1000)

    assert not desk.write(entry(1, body=b"x" * 2000))
    assert desk.writer.dropped == 1
    assert desk.heard == []


async def test_the_end_writes_what_waits(desk: Desk) -> None:
    """And takes nothing more."""
    for number in range(1, 11):
        desk.write(entry(number))
    desk.writer.close()

    assert numbers(desk.read()) == [*range(1, 11)]
    assert not desk.write(entry(11))
    assert not desk.writer.note_taken(entry(1), POLICY, 1)


async def test_new_bounds_are_looked_at_without_a_write(desk: Desk, tmp_path: Path) -> None:
    """So the first write after a restart finds a full journal full."""
    desk.write(entry(1, body=b"x" * 2000))
    await desk.hear(1)
    other = JournalWriter(tmp_path, 1, asyncio.get_running_loop())
    other.adopt({"orders": msgspec.structs.replace(POLICY, size_bytes=1000)})
    async with asyncio.timeout(30):
        while not other.is_full("orders"):
            await asyncio.sleep(0.001)
    other.close()

    assert not other.write(entry(2), POLICY, lambda _: None)


async def test_without_a_journal_there_is_no_thread(tmp_path: Path) -> None:
    """A table that keeps nothing costs nothing, and leaves no directory behind."""
    writer = JournalWriter(tmp_path / "none", 0, asyncio.get_running_loop())
    writer.adopt({})
    writer.close()

    assert not (tmp_path / "none").exists()


async def test_ids_are_never_used_twice(desk: Desk, tmp_path: Path) -> None:
    """Within a run they count up; each run has a number of its own."""
    other = JournalWriter(tmp_path, 0, asyncio.get_running_loop())
    ids = [desk.writer.next_id(), desk.writer.next_id(), other.next_id()]

    assert [each.sequence for each in ids] == [1, 2, 1]
    assert len({*ids}) == 3
