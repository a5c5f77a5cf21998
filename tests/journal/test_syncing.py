"""What was written reaches the disk soon, and whoever is done with a file has it closed."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from gateway.journal.segments import Growing
from gateway.journal.syncing import Syncing
from tests.journal.entries import HEADING


class Watched(Growing):
    """Says when it was synchronized, and when it was closed."""

    def __init__(self, directory: Path) -> None:
        self.synced, self.closed = Event(), Event()
        self.fails = False
        super().__init__(directory, HEADING, 1, 0)

    def sync(self) -> None:
        if self.fails:
            self.synced.set()
            raise OSError(5, "Input/output error")
        super().sync()
        self.synced.set()

    def close(self) -> None:
        super().close()
        self.closed.set()


@pytest.fixture
def segment(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_what_was_written_is_synchronized(segment: Watched) -> None:
    """Its name, too; and again when there is more."""
    syncing = Syncing()
    for _ in range(2):
        segment.synced.clear()
        syncing.note(segment)
        assert segment.synced.wait(30)
    syncing.end(segment)
    syncing.close()

    assert segment.is_named


def test_a_file_that_has_ended_is_synchronized_and_closed(segment: Watched) -> None:
    """In this order."""
    syncing = Syncing()
    syncing.end(segment)

    assert segment.closed.wait(30)
    assert segment.synced.is_set()
    syncing.close()


def test_the_end_waits_for_what_is_left(segment: Watched) -> None:
    """Nothing that was written stays behind."""
    syncing = Syncing()
    syncing.note(segment)
    syncing.close()

    assert segment.synced.is_set()
    segment.close()


def test_a_disk_that_fails_ends_nothing(segment: Watched) -> None:
    """Whoever appends next finds out."""
    syncing = Syncing()
    segment.fails = True
    syncing.note(segment)
    assert segment.synced.wait(30)
    segment.fails = False
    segment.synced.clear()
    syncing.note(segment)

    assert segment.synced.wait(30)
    syncing.close()
    segment.close()


def test_without_work_there_is_no_thread() -> None:
    """Nothing to end, either."""
    Syncing().close()
