"""What the baseline has not had, and what nobody needs any more."""

from __future__ import annotations

from pathlib import Path

from gateway.journal.backlog import Backlog
from gateway.journal.records import Heading, encode
from gateway.journal.segments import Growing, list_segments, marks_of
from tests.journal.entries import HEADING, entry, fill, numbers, taken


def survey(journal: Path, rollout: str = "checkout", since_ns: int = 0) -> Backlog:
    """A backlog that was looked through."""
    backlog = Backlog(journal, rollout, since_ns)
    backlog.survey()
    return backlog


def test_what_the_baseline_has_had_is_left_out(tmp_path: Path) -> None:
    """Copied to it, which may stand in another file; or replayed before."""
    fill(tmp_path / "orders", entry(1), entry(2), entry(3))
    fill(tmp_path / "orders", taken(1, 9))
    before = survey(tmp_path)
    before.marks.settle(entry(2).id, 10, 201)
    before.marks.close()

    backlog = survey(tmp_path)
    assert numbers(backlog.entries()) == [3]
    assert (backlog.open, backlog.done) == (1, 2)


def test_all_routes_of_a_rollout_are_read_in_one_order(tmp_path: Path) -> None:
    """A key's writes may have gone to several; another rollout's are not touched."""
    fill(tmp_path / "orders", entry(1), entry(4))
    fill(tmp_path / "items", entry(2), entry(3), heading=Heading("items", "checkout"))
    fill(tmp_path / "items", entry(5), heading=Heading("items", "search"))

    assert numbers(survey(tmp_path).entries()) == [1, 2, 3, 4]
    assert numbers(survey(tmp_path, "search").entries()) == [5]


def test_what_is_older_than_asked_for_is_left_out(tmp_path: Path) -> None:
    """It is not counted either."""
    fill(tmp_path / "orders", entry(1), taken(1, 2), entry(3), entry(4), taken(4, 5))
    backlog = survey(tmp_path, since_ns=3)

    assert numbers(backlog.entries()) == [3]
    assert (backlog.open, backlog.done) == (1, 1)


def test_what_is_settled_meanwhile_is_not_read_again(tmp_path: Path) -> None:
    """Entries are looked up when their turn comes."""
    fill(tmp_path / "orders", entry(1), entry(2))
    backlog = survey(tmp_path)
    backlog.marks.settle(entry(1).id, 10, 201)

    assert numbers(backlog.entries()) == [2]
    backlog.marks.close()


def test_damage_is_told_of_and_hides_nothing_else(tmp_path: Path) -> None:
    """A file whose beginning is lost could be anybody's: everybody is told."""
    torn = fill(tmp_path / "orders", entry(1), entry(2))
    torn.write_bytes(torn.read_bytes()[:-1])
    lost = fill(tmp_path / "items", entry(3))
    lost.write_bytes(b"")
    lost.write_bytes(b"?" * 100)
    fill(tmp_path / "orders", entry(4))

    backlog = survey(tmp_path)
    assert numbers(backlog.entries()) == [1, 4]
    assert {each.path for each in backlog.damages} == {torn, lost}
    assert [each.path for each in survey(tmp_path, "search").damages] == [lost]


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Nothing was ever written."""
    backlog = survey(tmp_path / "none")

    assert (backlog.open, backlog.done, list(backlog.entries())) == (0, 0, [])
    backlog.prune()


def test_files_without_an_open_entry_go_from_the_oldest_on(tmp_path: Path) -> None:
    """Up to the first that is needed: behind it may stand that an entry of it was taken."""
    spent = fill(tmp_path / "orders", entry(1), taken(1, 2))
    needed = fill(tmp_path / "orders", entry(3), entry(4))
    notes = fill(tmp_path / "orders", taken(3, 5))
    survey(tmp_path).prune()

    assert [path.exists() for path in (spent, needed, notes)] == [False, True, True]
    assert numbers(survey(tmp_path).entries()) == [4]


def test_marks_go_with_the_last_file(tmp_path: Path) -> None:
    """Not before: they say what must not be sent again."""
    fill(tmp_path / "orders", entry(1))
    growing = Growing(tmp_path / "orders", HEADING, 2, 0)
    growing.append(encode(entry(2)))
    backlog = survey(tmp_path)
    for number in (1, 2):
        backlog.marks.settle(entry(number).id, 10, 201)
    backlog.prune()
    assert [each.path for each in list_segments(tmp_path / "orders")] == [growing.path]
    assert list_segments(marks_of(tmp_path, "checkout"))
    growing.close()
    backlog.prune()

    assert list_segments(tmp_path / "orders") == list_segments(marks_of(tmp_path, "checkout")) == []


def test_a_damaged_file_stays_where_it_is(tmp_path: Path) -> None:
    """Whoever knows more than we do may look at it, until it is too old."""
    torn = fill(tmp_path / "orders", entry(1), taken(1, 2))
    torn.write_bytes(torn.read_bytes() + b"?")
    survey(tmp_path).prune()

    assert torn.exists()
