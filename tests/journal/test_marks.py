"""What reconciling has done is known to whoever goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.marks import Ids, Marks
from gateway.journal.records import EntryId
from gateway.journal.segments import Growing, list_segments, marks_of

ids = st.builds(EntryId, st.integers(0, 3), st.integers(0, 20_000))


def read(journal: Path, rollout: str = "checkout") -> Marks:
    """What a new run finds."""
    marks = Marks(journal, rollout)
    marks.read([])
    return marks


@given(st.lists(ids), ids)
def test_ids_are_a_set(members: list[EntryId], stranger: EntryId) -> None:
    """As Python's own, in a fraction of the memory."""
    found = Ids()
    for member in members:
        found.add(member)

    assert len(found) == len(set(members))
    assert set(found) == set(members)
    assert all(member in found for member in members)
    assert (stranger in found) == (stranger in members)
    found.discard(stranger)
    assert set(found) == set(members) - {stranger}


@given(st.lists(ids), st.lists(ids))
def test_sets_of_ids_are_united_and_held_against_each_other(some: list[EntryId], others: list[EntryId]) -> None:
    """As Python's own; what is asked of one changes neither."""
    one, other = Ids(), Ids()
    for group, members in ((one, some), (other, others)):
        for member in members:
            group.add(member)

    assert one.count_without(other) == len(set(some) - set(others))
    one.unite(other)
    assert (set(one), set(other)) == ({*some, *others}, set(others))
    one.add(EntryId(9, 9))
    assert EntryId(9, 9) not in other


def test_marks_outlive_who_made_them(tmp_path: Path) -> None:
    """What was settled, and what was only begun; also without an orderly end."""
    marks = Marks(tmp_path, "checkout")
    marks.begin(EntryId(1, 1), 10)
    marks.settle(EntryId(1, 1), 11, 201)
    marks.begin(EntryId(1, 2), 12)

    found = read(tmp_path)
    assert set(found.settled) == {EntryId(1, 1)} == set(marks.settled)
    assert set(found.begun) == {EntryId(1, 1), EntryId(1, 2)} == set(marks.begun)
    marks.close()
    marks.close()


def test_what_was_withdrawn_was_never_begun(tmp_path: Path) -> None:
    """Until it is begun anew."""
    marks = Marks(tmp_path, "checkout")
    marks.begin(EntryId(1, 1), 10)
    marks.withdraw(EntryId(1, 1), 11)
    assert not set(read(tmp_path).begun) | set(marks.begun)
    marks.begin(EntryId(1, 1), 12)

    assert set(read(tmp_path).begun) == {EntryId(1, 1)} == set(marks.begun)
    marks.close()


def test_each_run_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Nobody appends behind a torn mark: one costs nothing but itself."""
    first = Marks(tmp_path, "checkout")
    first.settle(EntryId(1, 1), 10, 201)
    first.close()
    (torn,) = list_segments(marks_of(tmp_path, "checkout"))
    torn.path.write_bytes(torn.path.read_bytes() + b"torn")
    second = read(tmp_path)
    second.settle(EntryId(1, 2), 20, 409)
    second.close()

    assert set(read(tmp_path).settled) == {EntryId(1, 1), EntryId(1, 2)}


def test_another_rollout_has_other_marks(tmp_path: Path) -> None:
    """Each reconciles by itself."""
    marks = Marks(tmp_path, "checkout")
    marks.settle(EntryId(1, 1), 10, 201)
    marks.close()

    assert not set(read(tmp_path, "search").settled)


def test_marks_can_be_forgotten(tmp_path: Path) -> None:
    """When nothing is left that they are about."""
    marks = Marks(tmp_path, "checkout")
    marks.settle(EntryId(1, 1), 10, 201)
    marks.forget()

    assert not set(read(tmp_path).settled)


def test_what_can_not_be_marked_is_not_taken_for_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next mark begins a new file."""
    marks = Marks(tmp_path, "checkout")
    marks.begin(EntryId(1, 1), 10)
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(Growing, "append", refuse)
        with pytest.raises(OSError, match="No space"):
            marks.settle(EntryId(1, 1), 11, 201)
    assert not set(marks.settled)
    marks.settle(EntryId(1, 1), 12, 201)
    marks.close()

    assert len(list_segments(marks_of(tmp_path, "checkout"))) == 2
    assert set(read(tmp_path).settled) == {EntryId(1, 1)}
