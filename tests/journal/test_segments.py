"""The files of a journal: who may read, append to and remove them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.journal import segments
from gateway.journal.segments import (
    Growing,
    is_growing,
    journal_of,
    list_marks,
    list_routes,
    list_segments,
    marks_of,
    remove,
    sync_directory,
)
from tests.journal.entries import HEADING, entry, fill


def mode_of(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("store", ["sqlite:./crossfade.db", "sqlite://./crossfade.db", "./crossfade.db"])
def test_a_journal_stands_beside_the_store(store: str) -> None:
    """However the store is written."""
    assert journal_of(store) == Path("crossfade.db.journal")


def test_beside_a_store_on_other_machines_it_is_where_it_would_be_by_default() -> None:
    """A password of the URL is in no name of a file."""
    assert journal_of("redis://:secret@db:6379/0") == Path("crossfade.db.journal")


def test_nobody_else_may_read_a_journal(tmp_path: Path) -> None:
    """It holds bodies as they came: directories are 0700, files 0600."""
    path = fill(tmp_path / "a.journal" / "orders", entry(1))

    assert (mode_of(path), mode_of(path.parent), mode_of(path.parent.parent)) == (0o600, 0o700, 0o700)


def test_files_are_listed_by_the_time_of_their_first_records(tmp_path: Path) -> None:
    """With their sizes; what is none of ours is left out, and no directory is no file."""
    late, early = fill(tmp_path, entry(10**18)), fill(tmp_path, entry(9), slot=3)
    (tmp_path / "notes.txt").write_text("mine")

    found = list_segments(tmp_path)
    assert [each.path for each in found] == [early, late]
    assert [(each.first_ns, each.slot) for each in found] == [(9, 3), (10**18, 0)]
    assert [each.size_bytes for each in found] == [path.stat().st_size for path in (early, late)]
    assert list_segments(tmp_path / "none") == []


def test_routes_are_listed_without_the_marks(tmp_path: Path) -> None:
    """Marks are kept by rollout, in a directory whose name no route can have."""
    fill(tmp_path / "orders", entry(1))
    marks_of(tmp_path, "checkout").mkdir(parents=True)

    assert list_routes(tmp_path) == [tmp_path / "orders"]
    assert list_routes(tmp_path / "none") == []


def test_marks_are_listed_without_the_routes(tmp_path: Path) -> None:
    """One folder for each rollout of which something was replayed."""
    assert list_marks(tmp_path / "none") == list_marks(tmp_path) == []
    fill(tmp_path / "orders", entry(1))
    fill(marks_of(tmp_path, "search"))
    fill(marks_of(tmp_path, "checkout"))

    assert list_marks(tmp_path) == [marks_of(tmp_path, "checkout"), marks_of(tmp_path, "search")]


def test_two_files_of_one_moment_have_names_of_their_own(tmp_path: Path) -> None:
    """No name is later than its first record."""
    names = [fill(tmp_path, entry(5)), fill(tmp_path, entry(5))]

    assert [each.first_ns for each in list_segments(tmp_path)] == [4, 5]
    assert len(set(names)) == 2


def test_a_file_that_may_grow_is_not_removed(tmp_path: Path) -> None:
    """Whoever appends to it holds its lock until the end, however that comes."""
    growing = Growing(tmp_path, HEADING, 1, 0)

    assert is_growing(growing.path)
    assert not remove(growing.path)
    growing.close()
    assert not is_growing(growing.path)
    assert remove(growing.path)
    assert not growing.path.exists()
    assert remove(growing.path)
    assert not is_growing(growing.path)


def test_what_there_is_no_room_for_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a record is cut off again."""
    growing = Growing(tmp_path, HEADING, 1, 0)
    size, write = growing.size_bytes, os.write

    def write_half(file: int, content: bytes) -> int:
        if len(content) <= 50:
            raise OSError(28, "No space left on device")
        return write(file, content[: len(content) // 2])

    monkeypatch.setattr(segments.os, "write", write_half)
    with pytest.raises(OSError, match="No space"):
        growing.append(b"x" * 100)

    assert growing.path.stat().st_size == growing.size_bytes == size
    growing.close()


def test_a_file_without_room_for_its_heading_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And stays locked by nobody."""

    def fail(_file: int, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segments.os, "write", fail)
    with pytest.raises(OSError, match="No space"):
        Growing(tmp_path, HEADING, 1, 0)

    (path,) = tmp_path.iterdir()
    assert not is_growing(path)


def test_room_can_be_asked_for_without_taking_it(tmp_path: Path) -> None:
    """What is reserved to see whether the disk has it is given back."""
    growing = Growing(tmp_path, HEADING, 1, 0)
    growing.reserve(1 << 20)
    growing.sync()
    sync_directory(tmp_path)
    growing.close()

    assert growing.path.stat().st_size == growing.size_bytes
