"""The last minute, by routes and arms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.minute import LastMinute
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.windows import Windows

BEGIN = 1_000_000


def count(windows: Windows, at: float, requests: int, path: str = "/", arm: str = "baseline") -> None:
    """So many requests are reported."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): requests})
    windows.take(at, [Counted(Subject("shop", path, arm, is_forced=False), figures)])


def test_paths_are_taken_together_and_arms_are_not() -> None:
    """A rollout is shown with what each arm did, whatever the paths; routes that share it add up."""
    windows = Windows()
    count(windows, BEGIN, 1, "/a")
    count(windows, BEGIN + 1, 2, "/b")
    count(windows, BEGIN + 2, 4, "/b", "candidate")
    minute = LastMinute(windows, BEGIN).look(BEGIN + 4)

    assert minute.take(["shop", "other"], "baseline").requests == 3
    assert minute.take(["shop"], "candidate").requests == 4
    assert minute.take(["other"], "candidate").requests == 0
    assert minute.take(["shop", "shop"], "baseline").requests == 6


def test_a_rate_is_over_the_time_that_was_counted() -> None:
    """A gateway that has just started has had no minute yet, but never less than a second."""
    minutes = LastMinute(Windows(), BEGIN + 0.5)

    assert minutes.look(BEGIN + 0.6).seconds == 1
    assert minutes.look(BEGIN + 30.5).seconds == 30
    assert 60 <= minutes.look(BEGIN + 300).seconds <= 72


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 9)), max_size=60), st.integers(1, 5))
def test_what_is_kept_says_what_counting_anew_says(reports: list[tuple[int, int]], every: int) -> None:
    """However often one looks, and whatever came when: nothing is counted twice or missed."""
    windows, now = Windows(), float(BEGIN)
    looked = LastMinute(windows, BEGIN)
    for number, (pause, requests) in enumerate(reports):
        now += pause
        count(windows, now, requests)
        if number % every == 0:
            looked.look(now)
    minute = looked.look(now)
    since = now - minute.seconds if minute.seconds > 1 else BEGIN

    assert minute.take(["shop"], "baseline").requests == sum(cell.requests for cell in windows.sum(since, now).values())


def test_a_report_of_the_moment_before_is_counted() -> None:
    """The whole ten seconds are taken as over only when nothing can come in for them any more."""
    windows = Windows()
    looked = LastMinute(windows, BEGIN)
    count(windows, BEGIN + 9, 1)
    assert looked.look(BEGIN + 10.5).take(["shop"], "baseline").requests == 1
    count(windows, BEGIN + 9, 1)
    assert looked.look(BEGIN + 13).take(["shop"], "baseline").requests == 2
