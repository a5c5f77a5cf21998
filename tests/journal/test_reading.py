"""Every whole record is read, in order, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.reading import Damage, merge, read_heading, read_on, read_segment
from gateway.journal.records import FRAME, MAGIC, checksum, encode
from gateway.journal.segments import Growing, Segment, list_segments
from tests.journal.entries import HEADING, entry, fill, numbers, taken

RECORDS = [entry(1), taken(1, 2), entry(3, body=b""), entry(4, body=b"x" * 40)]


def found(path: Path) -> Segment:
    """A file as a listing finds it."""
    (segment,) = (each for each in list_segments(path.parent) if each.path == path)
    return segment


def ends_of(content: bytes) -> list[int]:
    """Where each frame of a file ends."""
    ends, at = [], len(MAGIC)
    while at < len(content):
        at += FRAME.size + FRAME.unpack_from(content, at)[0]
        ends.append(at)
    return ends


def test_a_file_that_was_cut_at_any_byte_has_every_whole_record_before(tmp_path: Path) -> None:
    """A ``kill -9``, or a loss of power, at any moment: what was in stays in, and nothing else is made of the rest."""
    path = fill(tmp_path, *RECORDS)
    content = path.read_bytes()
    ends = ends_of(content)
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        damages: list[Damage] = []
        read = list(read_segment(found(path), damages))
        whole = [end for end in ends if end <= cut]

        assert read == RECORDS[: max(0, len(whole) - 1)]
        begins = whole[-1] if whole else 0
        assert damages == ([] if begins == cut else [Damage(path, begins, cut - begins)])


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_a_byte_that_was_changed_ends_the_file(tmp_path: Path, flip: int) -> None:
    """Every record before it is read as it was; what stands behind is not guessed at."""
    path = fill(tmp_path, *RECORDS)
    content = path.read_bytes()
    ends = ends_of(content)
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
        damages: list[Damage] = []
        read = list(read_segment(found(path), damages))
        before = sum(end <= at for end in ends)

        assert read == RECORDS[: max(0, before - 1)]
        assert [each.path for each in damages] == [path]


def test_zeros_at_the_end_are_damage(tmp_path: Path) -> None:
    """A file may have been made longer before a loss of power, and never filled."""
    path = fill(tmp_path, *RECORDS)
    length = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(64))
    damages: list[Damage] = []

    assert list(read_segment(found(path), damages)) == RECORDS
    assert damages == [Damage(path, length, 64)]


def test_a_record_of_another_version_ends_the_file(tmp_path: Path) -> None:
    """Its checksum is right, but nobody here knows what it says."""
    path = fill(tmp_path, entry(1))
    payload = b"\x91\x63"
    path.write_bytes(path.read_bytes() + FRAME.pack(len(payload), checksum(len(payload), payload)) + payload)
    damages: list[Damage] = []

    assert list(read_segment(found(path), damages)) == [entry(1)]
    assert len(damages) == 1


def test_a_length_beyond_the_file_is_not_believed(tmp_path: Path) -> None:
    """No memory is spent on what is not there."""
    path = fill(tmp_path, entry(1))
    path.write_bytes(path.read_bytes() + FRAME.pack(2**32 - 1, 0) + b"x")

    assert list(read_segment(found(path), [])) == [entry(1)]


def test_the_end_of_a_file_that_grows_is_no_damage(tmp_path: Path) -> None:
    """Its writer may be in the middle of a record."""
    growing = Growing(tmp_path, HEADING, 1, 0)
    growing.append(encode(entry(1)) + encode(entry(2))[:-3])
    damages: list[Damage] = []

    assert list(read_segment(found(growing.path), damages)) == [entry(1)]
    assert damages == []
    growing.close()


def test_a_file_is_read_as_far_as_it_went(tmp_path: Path) -> None:
    """What came after it was found belongs to the next reading."""
    growing = Growing(tmp_path, HEADING, 1, 0)
    growing.append(encode(entry(1)))
    segment = found(growing.path)
    growing.append(encode(entry(2)))
    growing.close()
    damages: list[Damage] = []

    assert list(read_segment(segment, damages)) == [entry(1)]
    assert damages == []


def test_a_file_that_was_removed_is_empty(tmp_path: Path) -> None:
    """It was too old while somebody read the others."""
    segment = found(fill(tmp_path, entry(1)))
    segment.path.unlink()
    damages: list[Damage] = []

    assert list(merge([segment], damages)) == []
    assert damages == []


def test_a_heading_says_what_a_file_is_about(tmp_path: Path) -> None:
    """Where it can be read."""
    path = fill(tmp_path, entry(1))

    assert read_heading(found(path)) == HEADING
    path.write_bytes(MAGIC + encode(entry(1)))
    assert read_heading(found(path)) is None
    path.write_bytes(b"something else")
    assert read_heading(found(path)) is None


def test_reading_goes_on_where_a_record_ended(tmp_path: Path) -> None:
    """From the beginning on the heading comes first; a file that is no journal, or is gone, has nothing."""
    segment = found(fill(tmp_path, *RECORDS))
    records = list(read_on(segment))

    assert [record for record, _ in records] == [HEADING, *RECORDS]
    assert [end for _, end in records] == ends_of(segment.path.read_bytes())
    assert list(read_on(segment, records[1][1])) == records[2:]
    segment.path.write_bytes(b"?" * segment.size_bytes)
    assert list(read_on(segment)) == []
    segment.path.unlink()
    assert list(read_on(segment)) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), max_size=30))
def test_many_files_are_read_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int]]
) -> None:
    """Whoever wrote them, however they overlap; each file's own order stays."""
    folder = tmp_path_factory.mktemp("journal")
    for slot in range(4):
        times = sorted(at for wrote, at in writes if wrote == slot)
        for piece in (times[: len(times) // 2], times[len(times) // 2 :]):
            if piece:
                fill(folder, *(entry(at, time_ns=at) for at in piece), slot=slot)

    assert [each.time_ns for each in merge(list_segments(folder), [])] == sorted(at for _, at in writes)


def test_a_file_is_opened_when_its_time_has_come(tmp_path: Path) -> None:
    """So few are open at once, however many there are."""
    for at in range(1, 6):
        fill(tmp_path, entry(at * 10), entry(at * 10 + 5))
    segments = list_segments(tmp_path)
    records = merge(segments, [])
    first = next(records)
    for segment in segments[2:]:
        segment.path.unlink()

    assert numbers([first, *records]) == [10, 15, 20, 25]
