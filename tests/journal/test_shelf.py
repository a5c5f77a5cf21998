"""The bounds of a journal: how much it holds, and for how long."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.journal import shelf as shelves
from gateway.journal.reading import merge
from gateway.journal.segments import Growing, list_segments
from gateway.journal.shelf import LOOK_SECONDS, PIECES, Shelf
from tests.journal.entries import POLICY, entry, fill, numbers, taken

NOW = 1_700_000_000.0


class Clerk:
    """A shelf, and what became of its segments."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dirty: set[Growing] = set()
        self.shelf = Shelf(root, 0, self.dirty.add, Growing.close)

    def store(self, *numbers: int, now: float = NOW, size: int = POLICY.size_bytes, body: bytes = b"x") -> bool:
        policy = msgspec.structs.replace(POLICY, size_bytes=size)
        return self.shelf.store("orders", policy, [entry(each, body=body) for each in numbers], "checkout", now)

    def read(self) -> list[int]:
        """What is in."""
        return numbers(merge(list_segments(self.root / "orders"), []))


@pytest.fixture
def clerk(tmp_path: Path) -> Iterator[Clerk]:
    made = Clerk(tmp_path)
    yield made
    made.shelf.close()


def age(path: Path, seconds: float, now: float = NOW) -> None:
    """A file that was written to so long ago."""
    os.utime(path, (now - seconds, now - seconds))


def test_records_of_a_rollout_go_to_one_file(clerk: Clerk) -> None:
    """One after the other, and whoever synchronizes it hears of it."""
    assert clerk.store(1, 2)
    assert clerk.store(3)

    assert clerk.read() == [1, 2, 3]
    assert len(list_segments(clerk.root / "orders")) == len(clerk.dirty) == 1


def test_another_rollout_has_another_file(clerk: Clerk) -> None:
    """So whoever reconciles one need not read the other's."""
    clerk.store(1)
    clerk.shelf.store("orders", POLICY, [entry(2)], "other", NOW)

    assert len(list_segments(clerk.root / "orders")) == 2


def test_a_file_that_is_long_enough_is_ended(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next record begins another."""
    monkeypatch.setattr(shelves, "SEGMENT_BYTES", 100)
    clerk.store(1)
    clerk.store(2)

    assert len(list_segments(clerk.root / "orders")) == 2
    assert clerk.read() == [1, 2]


def test_a_journal_is_full_when_the_next_record_has_no_room(clerk: Clerk) -> None:
    """It says so from then on, and takes in nothing small either: else it would be full and not full in turns."""
    assert clerk.store(1, size=1000, body=b"x" * 400)
    assert not clerk.store(2, size=1000, body=b"x" * 400)
    assert not clerk.store(3, size=1000)

    assert clerk.shelf.full == {"orders"}
    assert clerk.read() == [1]


def test_that_the_baseline_has_had_an_entry_is_always_noted(clerk: Clerk) -> None:
    """It is what makes an entry superfluous, in a full journal, too."""
    clerk.store(1, size=400)
    assert not clerk.store(2, size=400, body=b"x" * 400)

    assert clerk.shelf.store("orders", POLICY, [taken(1)], "checkout", NOW)


def test_what_other_processes_wrote_counts(clerk: Clerk) -> None:
    """It is found when a journal is first used, and then once a second."""
    age(fill(clerk.root / "orders", entry(1, body=b"x" * 900), slot=1), 0)

    assert not clerk.store(2, size=1000)
    for segment in list_segments(clerk.root / "orders"):
        segment.path.unlink()
    clerk.shelf.tidy(NOW + LOOK_SECONDS / 2)
    assert clerk.shelf.full
    clerk.shelf.tidy(NOW + LOOK_SECONDS)
    assert not clerk.shelf.full
    assert clerk.store(2, size=1000)


def test_what_is_too_old_goes(clerk: Clerk) -> None:
    """With the first look; what is young enough stays, and so does what somebody still appends to."""
    old = fill(clerk.root / "orders", entry(1))
    young = fill(clerk.root / "orders", entry(2))
    growing = Growing(clerk.root / "orders", shelves.Heading("orders", "checkout"), 3, 1)
    age(old, POLICY.keep_seconds + 1)
    age(young, POLICY.keep_seconds - 1)
    age(growing.path, POLICY.keep_seconds + 1)
    clerk.shelf.adopt({"orders": POLICY}, NOW)
    growing.close()

    assert [path.exists() for path in (old, young, growing.path)] == [False, True, True]


def test_a_file_ends_after_a_part_of_the_time(clerk: Clerk) -> None:
    """Else a trickle of writes would keep one for ever, with all that is in it."""
    clerk.store(1)
    clerk.shelf.tidy(NOW + POLICY.keep_seconds / PIECES + 1)
    clerk.store(2, now=NOW + POLICY.keep_seconds / PIECES + 1)

    assert len(list_segments(clerk.root / "orders")) == 2


def test_a_disk_that_fails_makes_the_journal_full(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it takes a good piece again; what failed begins no file that is read as damaged."""
    clerk.store(1)
    with monkeypatch.context() as patch:
        patch.setattr(Growing, "append", refuse)
        assert not clerk.store(2)
        assert not clerk.store(3)
        assert clerk.shelf.full == {"orders"}
        clerk.shelf.tidy(NOW + 2)
        assert clerk.shelf.full == {"orders"}
    clerk.shelf.tidy(NOW + 4)

    assert not clerk.shelf.full
    assert clerk.store(4)
    assert clerk.read() == [1, 4]


def test_a_disk_without_room_is_not_trusted_with_one_more_record(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heading may still fit where nothing else does; and no file stays behind."""
    clerk.store(1)
    with monkeypatch.context() as patch:
        patch.setattr(Growing, "append", refuse)
        clerk.store(2)
    with monkeypatch.context() as patch:
        patch.setattr(Growing, "reserve", refuse)
        clerk.shelf.tidy(NOW + 2)

    assert clerk.shelf.full == {"orders"}
    assert len(list_segments(clerk.root / "orders")) == 1


def refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_directory_that_is_not_ours_makes_the_journal_full(clerk: Clerk) -> None:
    """As any other fault: nothing raises."""
    (clerk.root / "orders").write_text("in the way")

    assert not clerk.store(1)
    assert clerk.shelf.full == {"orders"}


def test_new_bounds_hold_at_once(clerk: Clerk) -> None:
    """A journal that is gone from the configuration is let go of."""
    clerk.store(1, size=1000, body=b"x" * 400)
    clerk.store(2, size=1000, body=b"x" * 900)
    assert clerk.shelf.full
    clerk.shelf.adopt({"orders": POLICY}, NOW)
    assert not clerk.shelf.full
    clerk.shelf.adopt({}, NOW)

    assert not clerk.shelf.full
    assert clerk.store(3)
    assert len(list_segments(clerk.root / "orders")) == 2
