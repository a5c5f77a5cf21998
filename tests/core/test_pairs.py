"""Both arms side by side: who rests is not well, unless the other arm is as ill."""

from __future__ import annotations

import pytest

from gateway.core.histogram import bucket_of
from gateway.core.pairs import Pair, with_kept_away
from gateway.core.windows import Cell


def test_what_was_kept_away_counts_as_errors_of_the_candidate() -> None:
    """In the window, since every beginning, and since the stage began; the baseline keeps what it answered."""
    pair = Pair([60.0])
    pair.take(1.0, Cell(requests=10), is_candidate=True)
    pair.take(1.0, Cell(requests=100, kept_away=30), is_candidate=False)

    for candidate, baseline in (pair.window(60.0, 1.0), next(pair.sinces(60.0))[1:], pair.stage()):
        assert (candidate.requests, candidate.error_count) == (40, 30)
        assert (baseline.requests, baseline.error_count) == (100, 0)


@pytest.mark.parametrize(("failed", "errors"), [(0, 30), (20, 30), (21, 6), (50, 15), (100, 30)])
def test_a_baseline_that_would_open_breakers_excuses_the_candidate_that_rests(failed: int, errors: int) -> None:
    """A fault that both share looks alike on both then."""
    baseline = Cell(requests=100, errors={"5xx": failed})

    seen = with_kept_away(Cell(requests=10, kept_away=30), baseline)

    assert (seen.requests, seen.error_count) == (40, errors)


def test_nothing_of_it_stays_behind_a_window() -> None:
    """What was kept away leaves with its second."""
    pair = Pair([5.0])
    pair.take(1.0, Cell(requests=100, kept_away=30), is_candidate=False)

    assert pair.window(5.0, 3.0)[0].error_count == 30
    assert pair.window(5.0, 20.0)[0] == Cell()


def test_those_who_wait_are_seen_on_both_arms() -> None:
    """With their ages so far."""
    pair = Pair([60.0])
    pair.take(1.0, Cell(requests=1, latencies={bucket_of(0.1): 1}), is_candidate=True)
    pair.candidate_waiting = {bucket_of(5.0): 2}
    pair.baseline_waiting = {bucket_of(4.0): 1}

    candidate, baseline = pair.window(60.0, 1.0)

    assert candidate.latencies == {bucket_of(0.1): 1, bucket_of(5.0): 2}
    assert baseline.latencies == {bucket_of(4.0): 1}


def test_a_stage_begins_anew_and_windows_go_on() -> None:
    """Until everything does."""
    pair = Pair([60.0])
    pair.take(1.0, Cell(requests=10), is_candidate=True)

    pair.begin_stage()
    assert (pair.stage()[0].requests, pair.window(60.0, 2.0)[0].requests) == (0, 10)
    pair.begin(2.0)
    assert pair.window(60.0, 2.0)[0].requests == 0
