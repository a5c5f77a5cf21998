"""A trail says what adding up every slot of its windows would say."""

from __future__ import annotations

from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.trails import STARTS_PER_WINDOW, Trail, slot_width, start_step, with_waiting
from gateway.core.windows import Cell

WINDOWS = (1.0, 5.0, 60.0, 75.0, 300.0, 3600.0, 7200.0)

cells = st.builds(
    Cell,
    requests=st.integers(0, 3),
    client_errors=st.integers(0, 2),
    errors=st.dictionaries(st.sampled_from(["5xx", "timeout"]), st.integers(1, 3), max_size=2),
    latencies=st.dictionaries(st.integers(600, 604), st.integers(1, 3), max_size=3),
    failovers=st.integers(0, 2),
    kept_away=st.integers(0, 2),
)
gaps = st.one_of(st.floats(0, 3), st.floats(0, 400), st.sampled_from([0.0, 1.0, 10.0, 5000.0]))
histories = st.lists(st.tuples(gaps, cells), min_size=1, max_size=25)
"""Each is what was counted, so many seconds after the one before."""

Moments = list[tuple[float, Cell]]


def moments_of(history: Moments) -> Moments:
    """The same by the second in which it was counted."""
    at, moments = 0.0, []
    for gap, cell in history:
        at += gap
        moments.append((at, cell))
    return moments


def add_up(moments: Moments, begins: float, ends: float, width: int) -> Cell:
    """What was counted in the slots from the one that begins at ``begins``."""
    total = Cell()
    for at, cell in moments:
        if begins <= at // width * width and at <= ends:
            total.add(cell)
    return total


def plain(cell: Cell) -> Cell:
    """Without kinds of errors that there are none of."""
    copy = cell.copy()
    copy.errors = {kind: count for kind, count in copy.errors.items() if count}
    return copy


def first_slot(window: float, now: float) -> float:
    """Where the oldest slot of a window begins: as many whole ones as fit into it, the one under way included."""
    width = slot_width(window)
    return max(0, now // width - max(1, floor(window / width)) + 1) * width


@given(histories, gaps)
@settings(max_examples=150)
def test_a_window_is_the_sum_of_its_slots(history: Moments, later: float) -> None:
    """At every moment, whatever the gaps, also some time after the last count."""
    trail, moments = Trail(WINDOWS), moments_of(history)

    for number, (at, cell) in enumerate(moments):
        trail.take(at, cell)
        now = at + (later if number == len(moments) - 1 else 0)
        for window in WINDOWS:
            begins = first_slot(window, now)
            assert plain(trail.window(window, now)) == add_up(moments[: number + 1], begins, now, slot_width(window))


@given(histories, gaps)
def test_sums_from_beginnings_are_plain_sums(history: Moments, later: float) -> None:
    """The latest beginning first; all are whole steps after the trail's own, and no two are the same."""
    trail, moments = Trail(WINDOWS), moments_of(history)
    for at, cell in moments:
        trail.take(at, cell)
    now = moments[-1][0] + later

    for window in WINDOWS:
        step, width = start_step(window), slot_width(window)
        trail.window(window, now)
        found = [(since.start, plain(since.cell)) for since in trail.sinces(window)]

        assert found == [(start, add_up(moments, start * step, now, width)) for start, _ in found]
        starts = [start for start, _ in found]
        assert starts == sorted(set(starts), reverse=True)


@given(st.floats(0, 100_000), st.sampled_from(WINDOWS))
def test_no_beginning_is_behind_its_window(now: float, window: float) -> None:
    """A bet would shrink as slots left: all that begin in the window are there, and none that begins before it."""
    trail, step = Trail([window]), start_step(window)

    trail.window(window, now)
    starts = [since.start for since in trail.sinces(window)]

    assert starts == [
        start
        for start in range(int(now // step), -1, -1)
        if first_slot(window, now) <= start * step <= now // slot_width(window) * slot_width(window)
    ]
    assert len(starts) <= STARTS_PER_WINDOW + 1


@given(histories, gaps)
def test_what_is_counted_from_a_beginning_only_grows(history: Moments, later: float) -> None:
    """That makes it one bet, however often it is looked at."""
    trail, seen = Trail([60.0]), dict[int, int]()

    for at, cell in moments_of(history):
        trail.take(at, cell)
        trail.window(60.0, at)
        for start, total in trail.sinces(60.0):
            assert total.requests >= seen.get(start, 0)
            seen[start] = total.requests


@given(st.sampled_from(WINDOWS), st.floats(0, 100_000))
def test_a_window_is_never_longer_than_asked_for(window: float, now: float) -> None:
    """From its first slot to now; so a window as old as a stage has nothing from before the stage."""
    assert now - first_slot(window, now) < window
    assert start_step(window) % slot_width(window) == 0


@given(histories, st.one_of(st.just(0.0), st.floats(0.001, 1000)))
def test_a_trail_that_begins_later_has_only_whole_bets(history: Moments, begins: float) -> None:
    """A bet that began before the trail did would be made twice: the first is the next that is due."""
    trail, moments = Trail(WINDOWS, begins), [(begins + at, cell) for at, cell in moments_of(history)]
    for at, cell in moments:
        trail.take(at, cell)
    now = moments[-1][0]

    for window in WINDOWS:
        step, width = start_step(window), slot_width(window)
        assert plain(trail.window(window, now)) == add_up(moments, first_slot(window, now), now, width)
        for start, total in trail.sinces(window):
            assert start * step >= begins
            assert plain(total) == add_up(moments, start * step, now, width)


def test_what_has_errors_but_no_requests_leaves_its_window_again() -> None:
    """Whatever a slot holds is taken out when its time is over."""
    trail = Trail([5.0])
    trail.take(0.0, Cell(errors={"5xx": 1}, latencies={600: 1}))

    assert trail.window(5.0, 4.0).error_count == 1
    assert trail.window(5.0, 5.0).error_count == 0
    assert trail.window(5.0, 5.0).latencies == {}


@given(histories)
def test_the_stage_is_everything_since_it_began(history: Moments) -> None:
    """However long ago; windows go on over it."""
    trail = Trail([60.0])
    trail.take(0.0, Cell(requests=1))
    trail.begin_stage()
    for at, cell in moments_of(history):
        trail.take(at, cell)

    assert trail.stage == add_up(moments_of(history), 0.0, float("inf"), 1)
    if moments_of(history)[-1][0] < 60:
        assert trail.window(60.0, moments_of(history)[-1][0]).requests == trail.stage.requests + 1


def test_a_day_of_requests_takes_no_more_than_its_slots() -> None:
    """What no window looks back to is gone: a trail of a minute and five keeps ninety slots, after a day as well."""
    trail = Trail([5.0, 60.0, 300.0])
    kept = []
    for second in range(20_000):
        trail.take(float(second), Cell(requests=1, latencies={600 + second % 50: 1}))
        kept.append(sum(len(lane.packed) for lane in trail._lanes.values()))

    assert max(kept) <= 60 + 30
    assert len(trail.window(300.0, 19_999.0).latencies) == 50


def test_what_is_taken_is_only_read() -> None:
    """The same cell goes into the trails of a route, of a path and of the whole rollout."""
    cell = Cell(requests=1, errors={"5xx": 1}, latencies={600: 1})
    trail = Trail(WINDOWS)
    for second in range(100):
        trail.take(float(second), cell)

    assert cell == Cell(requests=1, errors={"5xx": 1}, latencies={600: 1})


def test_a_clock_that_stands_still_loses_nothing() -> None:
    """What comes late is counted in the slot under way."""
    trail = Trail([5.0])
    trail.take(10.0, Cell(requests=1))
    trail.take(9.0, Cell(requests=1))

    assert trail.window(5.0, 10.0).requests == 2


def test_those_who_wait_are_latencies_and_nothing_else() -> None:
    """Beside what was counted, which stays as it is."""
    cell = Cell(requests=2, latencies={600: 2})

    assert with_waiting(cell, {}) is cell
    assert with_waiting(cell, {600: 1, 700: 3}) == Cell(requests=2, latencies={600: 3, 700: 3})
    assert cell.latencies == {600: 2}
