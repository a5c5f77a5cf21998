"""What waits is counted as reading the whole journal would count it, but nothing is read twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal import outstanding
from gateway.journal.backlog import Backlog
from gateway.journal.marks import Marks
from gateway.journal.outstanding import Outstanding
from gateway.journal.records import Heading, encode
from gateway.journal.segments import Growing, list_segments
from tests.journal.entries import HEADING, entry, fill, taken


def look(counting: Outstanding) -> dict[str, int]:
    """What waits now, all of it."""
    while not counting.look():
        pass
    return dict(counting.writes)


def open_segment(journal: Path, first_ns: int = 1) -> Growing:
    """One that takes more of the usual route and rollout."""
    return Growing(journal / HEADING.route, HEADING, first_ns, 0)


Steps = list[tuple[str, int]]
STEPS: st.SearchStrategy[Steps] = st.lists(
    st.tuples(st.sampled_from(["write", "take", "settle", "next", "remove", "look"]), st.integers(0, 30)), max_size=40
)


@given(STEPS)
def test_it_counts_what_reading_all_of_it_would_find(tmp_path_factory: pytest.TempPathFactory, steps: Steps) -> None:
    """Whatever was written, copied, replayed or removed, and whenever somebody looked."""
    journal = tmp_path_factory.mktemp("journal")
    counting, marks, growing = Outstanding(journal), Marks(journal, HEADING.rollout), open_segment(journal)
    for at, (step, number) in enumerate(steps, 2):
        match step:
            case "write":
                growing.append(encode(entry(at, time_ns=at)))
            case "take":
                growing.append(encode(taken(number, at)))
            case "settle":
                marks.settle(entry(number).id, at, 201)
            case "next":
                growing.close()
                growing = open_segment(journal, at)
            case "remove":
                list_segments(journal / HEADING.route)[0].path.unlink()
                growing.close()
                growing = open_segment(journal, at)
            case _:
                counting.look()
    backlog = Backlog(journal, HEADING.rollout)
    backlog.survey()
    marks.close()
    growing.close()

    assert look(counting) == ({HEADING.rollout: backlog.open} if backlog.open else {})


def test_each_rollout_has_its_own(tmp_path: Path) -> None:
    """Over all routes; a journal that is not there holds nothing."""
    counting = Outstanding(tmp_path / "journal")
    assert look(counting) == {}
    fill(tmp_path / "journal" / "orders", entry(1), entry(2))
    fill(tmp_path / "journal" / "items", entry(3), heading=Heading("items", "checkout"))
    fill(tmp_path / "journal" / "items", entry(4), taken(4, 5), heading=Heading("items", "search"))

    assert look(counting) == {"checkout": 3}


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look at a journal of a GiB costs as little as one at nothing."""
    growing = open_segment(tmp_path)
    growing.append(encode(entry(1)))
    counting = Outstanding(tmp_path)
    assert look(counting) == {"checkout": 1}
    offsets: list[int] = []
    read_on = outstanding.read_on
    monkeypatch.setattr(outstanding, "read_on", lambda segment, at: (offsets.append(at), read_on(segment, at))[1])
    look(counting)
    assert offsets == []
    began_at = growing.size_bytes
    growing.append(encode(entry(2)))
    growing.close()

    assert look(counting) == {"checkout": 2}
    assert offsets == [began_at]


def test_a_large_journal_is_counted_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No look reads for long; what was found until then is said already."""
    monkeypatch.setattr(outstanding, "LOOK_BYTES", 1000)
    fill(tmp_path / "orders", *(entry(number, body=b"x" * 400) for number in range(1, 10)))
    counting = Outstanding(tmp_path)

    assert not counting.look()
    assert 0 < counting.writes["checkout"] < 9
    assert look(counting) == {"checkout": 9}


def test_a_torn_record_is_counted_when_it_is_whole(tmp_path: Path) -> None:
    """Somebody is writing it just now; what is before it counts already."""
    frame = encode(entry(2))
    growing = open_segment(tmp_path)
    growing.append(encode(entry(1)) + frame[:-3])
    counting = Outstanding(tmp_path)
    assert look(counting) == {"checkout": 1}
    growing.append(frame[-3:])
    growing.close()

    assert look(counting) == {"checkout": 2}


def test_a_file_of_whom_nobody_knows_is_left_out(tmp_path: Path) -> None:
    """Nobody could replay what is in it; reconciling tells of it."""
    path = fill(tmp_path / "orders", entry(1))
    path.write_bytes(b"?" * 100)
    counting = Outstanding(tmp_path)

    assert look(counting) == {}
    path.write_bytes(b"crossfade-jrnl1\n" + encode(entry(1)) + encode(entry(2)))
    assert look(counting) == {}
