"""A window is the sum of what happened in it, however it is put together."""

from __future__ import annotations

import sys
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.windows import DAY, Cell, Windows

NOON = 1_800_000_000
HOUR = 3600
SUBJECTS = [Subject("shop", path, "baseline", is_forced=False) for path in ("/a", "/b")]


def counted(subject: Subject, bucket: int = 600, errors: int = 0) -> Counted:
    """One request, with a latency and perhaps errors."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): 1}, latencies={bucket: 1}, client_errors=1)
    if errors:
        figures.errors["5xx"] = errors
    return Counted(subject, figures)


def replay(moments: list[tuple[int, int]]) -> Windows:
    """Windows that took a request of a subject at each moment."""
    windows = Windows()
    for at, which in moments:
        windows.take(NOON + at, [counted(SUBJECTS[which])])
    return windows


def naive(moments: list[tuple[int, int]], since: int, until: int) -> dict[str, int]:
    """The same, by looking at every moment; one that comes late counts at the newest."""
    sums: dict[str, int] = {}
    newest = 0
    for at, which in moments:
        newest = max(newest, at)
        if since <= newest <= until:
            path = SUBJECTS[which].path
            sums[path] = sums.get(path, 0) + 1
    return sums


_moments = st.lists(st.tuples(st.integers(0, 590), st.integers(0, 1)), max_size=60)


@given(_moments, st.integers(0, 600), st.integers(0, 600))
def test_a_window_is_exact_to_the_second(moments: list[tuple[int, int]], since: int, length: int) -> None:
    """For the last ten minutes, wherever it begins and ends, and whatever comes late."""
    windows = replay(moments)

    found = windows.sum(NOON + since, NOON + since + length)

    assert {subject.path: cell.requests for subject, cell in found.items()} == naive(moments, since, since + length)


@given(st.lists(st.tuples(st.integers(0, DAY // 2), st.integers(0, 1)), max_size=40))
@settings(max_examples=60)
def test_rolling_up_loses_nothing(moments: list[tuple[int, int]]) -> None:
    """A window over everything finds everything, in whichever tier it is by now."""
    moments = sorted(moments)
    windows = replay(moments)

    found = windows.sum(NOON, NOON + DAY)

    assert sum(cell.requests for cell in found.values()) == len(moments)
    assert sum(sum(cell.latencies.values()) for cell in found.values()) == len(moments)


@given(
    st.lists(st.tuples(st.integers(0, 5 * HOUR), st.integers(0, 1)), max_size=60),
    st.integers(0, 5 * 60),
    st.integers(0, 5 * 60),
)
@settings(max_examples=60)
def test_a_window_of_whole_minutes_is_exact_however_old(
    moments: list[tuple[int, int]], since: int, length: int
) -> None:
    """All tiers divide a minute: one that begins and ends with a minute needs no rounding, whatever is late or idle."""
    windows = replay(moments)
    first, last = 60 * since, 60 * (since + length) - 1

    found = windows.sum(NOON + first, NOON + last)

    assert {subject.path: cell.requests for subject, cell in found.items()} == naive(moments, first, last)


@given(st.lists(st.tuples(st.integers(0, 5 * HOUR), st.integers(0, 1)), max_size=60))
@settings(max_examples=60)
def test_a_chart_counts_everything_once(moments: list[tuple[int, int]]) -> None:
    """Its steps together are the window, whatever their width and the tiers that they come from."""
    windows = replay(moments)
    newest = NOON + max((at for at, _ in moments), default=0)

    for span in (5, 600, 3600, 5 * HOUR):
        steps = windows.steps(newest - span, newest)
        whole = windows.sum(steps.times[0], newest)
        assert sum(cell.requests for cells in steps.cells for cell in cells.values()) == sum(
            cell.requests for cell in whole.values()
        )


@given(_moments, st.integers(0, 400))
def test_a_successor_sees_the_same(moments: list[tuple[int, int]], since: int) -> None:
    """Frozen and thawed, also in the middle of a second, and as time goes on."""
    windows = replay(moments)
    successor = Windows.thaw(windows.freeze())

    for each in (windows, successor):
        each.take(NOON + 595, [counted(SUBJECTS[0])])

    assert successor.sum(NOON + since, NOON + 600) == windows.sum(NOON + since, NOON + 600)
    assert successor.memory_bytes == windows.memory_bytes


def test_what_is_older_than_a_tier_keeps_is_answered_by_the_next() -> None:
    """An hour ago there are no single seconds left: the window is rounded outwards."""
    windows = replay([(0, 0), (7, 0), (3000, 1)])

    found = windows.sum(NOON + 5, NOON + 6)

    assert found[SUBJECTS[0]].requests == 2  # of the ten seconds that they are in


def test_after_a_day_it_is_forgotten() -> None:
    """Nothing is kept longer, and a clock that jumps costs no loop over what it jumped."""
    windows = replay([(0, 0), (2 * DAY, 1)])
    windows.take(NOON + 2 * DAY + 100, [])

    assert [subject.path for subject in windows.sum(0, NOON + 3 * DAY)] == ["/b"]
    assert windows.memory_bytes < 1000


def test_a_clock_that_goes_back_loses_nothing() -> None:
    """What comes late is counted in the second under way."""
    windows = replay([(100, 0), (40, 0)])

    assert windows.sum(NOON + 100, NOON + 100)[SUBJECTS[0]].requests == 2


def test_a_tier_over_its_budget_gives_up_its_oldest_slots() -> None:
    """Memory is bounded; windows that reach further back are rounded to the next tier."""
    windows = Windows(budget_bytes=3 * 20_000)
    for at in range(600):
        windows.take(NOON + at, [counted(subject) for subject in SUBJECTS])

    assert windows.memory_bytes <= 3 * 20_000
    assert windows.sum(NOON + 590, NOON + 599)[SUBJECTS[0]].requests == 10
    assert windows.sum(NOON, NOON + 599)[SUBJECTS[0]].requests == 600


def test_a_chart_has_a_step_for_every_moment() -> None:
    """Of a second up to ten minutes, of ten up to an hour, else of a minute; empty where nothing was."""
    windows = replay([(1, 0), (3, 1)])

    steps = windows.steps(NOON, NOON + 4)
    assert steps.step_seconds == 1
    assert steps.times == [NOON + at for at in range(5)]
    assert [len(cells) for cells in steps.cells] == [0, 1, 0, 1, 0]
    assert windows.steps(NOON, NOON + 601).step_seconds == 10
    assert windows.steps(NOON, NOON + 3601).step_seconds == 60


def test_a_chart_of_what_was_given_up_has_longer_steps() -> None:
    """Ten seconds that are left as one slot are one step of ten, not ten steps of as much each."""
    windows = Windows(budget_bytes=3 * 20_000)
    for at in range(600):
        windows.take(NOON + at, [counted(subject) for subject in SUBJECTS])

    steps = windows.steps(NOON, NOON + 599)

    assert steps.step_seconds == 10
    assert [cells[SUBJECTS[0]].requests for cells in steps.cells] == [10] * 60
    assert windows.steps(NOON + 590, NOON + 599).step_seconds == 1


def test_a_subject_is_kept_once() -> None:
    """However often workers report it: what a cell takes does not depend on how long its path is."""
    windows = Windows()
    for at in range(0, 3 * DAY, HOUR):
        windows.take(NOON + at, [counted(Subject("shop", "/long" * 20, "baseline", is_forced=False))])
    successor = Windows.thaw(windows.freeze())

    for each in (windows, successor):
        spans = [each.sum(NOON + at, NOON + at + 60) for at in range(2 * DAY + HOUR, 3 * DAY, HOUR)]
        assert len({id(subject) for found in spans for subject in found}) == 1


def test_only_what_is_wanted_is_summed() -> None:
    """A question about one path does not pay for all."""
    windows = replay([(0, 0), (0, 1), (5, 1)])

    assert list(windows.sum(NOON, NOON + 10, lambda subject: subject.path == "/b")) == [SUBJECTS[1]]


def test_errors_add_up_by_kind() -> None:
    """Over slots and workers."""
    windows = Windows()
    windows.take(NOON, [counted(SUBJECTS[0], errors=1), counted(SUBJECTS[0], errors=2)])
    windows.take(NOON + 5, [counted(SUBJECTS[0], errors=4)])

    cell = windows.sum(NOON, NOON + 5)[SUBJECTS[0]]

    assert (cell.requests, cell.client_errors, cell.errors, cell.error_count) == (3, 3, {"5xx": 7}, 7)


def test_failovers_and_those_kept_away_add_up_too() -> None:
    """Over slots, and through being packed: rules read them of windows as of everything else."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "breaker"): 2}, failovers={"timeout": 1, "503": 2})
    windows = Windows()
    for at in (0, 5, 700):
        windows.take(NOON + at, [Counted(SUBJECTS[0], figures)])

    cell = windows.sum(NOON, NOON + 700)[SUBJECTS[0]]

    assert (cell.requests, cell.failovers, cell.kept_away) == (6, 9, 6)


def test_what_was_compared_adds_up_too() -> None:
    """Of the copies only those that say something of the answers: not what was skipped, not what failed."""
    copies = {
        ("match", ""): 5,
        ("noise", ""): 1,
        ("mismatch", ""): 2,
        ("error", "timeout"): 4,
        ("skipped", "upgrade"): 8,
    }
    windows = Windows()
    for at in (0, 5, 700):
        windows.take(NOON + at, [Counted(SUBJECTS[0], PathFigures(copies=copies))])

    cell = windows.sum(NOON, NOON + 700)[SUBJECTS[0]]

    assert (cell.compared, cell.mismatches, cell.requests, cell.error_count) == (24, 6, 0, 0)


_some = st.integers(0, 9)
_cells = st.builds(
    Cell,
    requests=_some,
    client_errors=_some,
    errors=st.dictionaries(st.sampled_from(["5xx", "timeout"]), st.integers(1, 9)),
    latencies=st.dictionaries(st.integers(600, 605), st.integers(1, 9)),
    failovers=_some,
    kept_away=_some,
    compared=_some,
    mismatches=_some,
)


@given(_cells, _cells)
def test_what_is_taken_out_was_never_there(one: Cell, other: Cell) -> None:
    """Every figure is as before; buckets that are empty by then are gone, so that sums don't grow."""
    sum_ = one.copy()
    sum_.add(other)
    sum_.subtract(other)
    sum_.errors = {kind: count for kind, count in sum_.errors.items() if count}

    assert sum_ == one


def test_a_cell_keeps_nothing_of_the_figures_it_was_made_of() -> None:
    """Adding to the cell must not change what a worker reported."""
    figures = counted(SUBJECTS[0]).figures
    cell = Cell.of(figures)
    cell.add(cell)

    assert figures.latencies == {600: 1}


@pytest.mark.parametrize("frozen", [b"\xc1", b"", msgspec.msgpack.encode((5, [], []))], ids=["noise", "none", "less"])
def test_what_was_not_frozen_by_us_is_refused(frozen: bytes) -> None:
    """An error, not windows that are wrong."""
    with pytest.raises(msgspec.DecodeError):
        Windows.thaw(frozen)


def test_a_thread_may_look_back_while_the_loop_counts() -> None:
    """What it sees is all that was there before it looked, and nothing twice, whatever happens meanwhile."""
    windows, taken, sums = Windows(), [0], []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            before = taken[0]
            found = windows.sum(NOON, NOON + DAY)
            sums.append((before, sum(cell.requests for cell in found.values()), taken[0]))
            windows.steps(NOON, NOON + 3600)

    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for number in range(20_000):
            subject = SUBJECTS[0]._replace(path=f"/{number % 50}")
            windows.take(NOON + number / 100, [counted(subject, bucket=number % 97)])
            taken[0] += 1
    finally:
        stop.set()
        watcher.join()
        sys.setswitchinterval(former)

    assert sums
    assert all(before <= found <= after + 1 for before, found, after in sums)


@given(_moments, st.integers(1, 4))
def test_what_others_counted_is_added_as_if_it_had_been_counted_here(
    moments: list[tuple[int, int]], parts: int
) -> None:
    """However it comes: at once, or from several that have each counted a part of it."""
    one, several = replay(sorted(moments)), Windows()
    for at, which in sorted(moments):
        cell = Cell.of(counted(SUBJECTS[which]).figures)
        several.add(NOON + at, ((SUBJECTS[which], each) for each in [cell] + [Cell() for _ in range(parts - 1)]))

    assert several.sum(NOON, NOON + HOUR) == one.sum(NOON, NOON + HOUR)


def test_what_is_added_becomes_part_of_the_windows() -> None:
    """Whoever needs it still keeps a copy: a fleet's leader adds a hundred thousand cells a second."""
    windows, cell = Windows(), Cell(requests=1)
    windows.add(NOON, [(SUBJECTS[0], cell)])
    windows.add(NOON, [(SUBJECTS[0], Cell(requests=2))])

    assert cell.requests == 3
    assert windows.sum(NOON, NOON)[SUBJECTS[0]].requests == 3
