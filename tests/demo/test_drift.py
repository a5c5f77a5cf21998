"""The demo's judgement of what comparing has found."""

from __future__ import annotations

from gateway.admin.mismatches import MismatchList
from gateway.control.findings import CopyTotals, MismatchView
from gateway.demo.drift import BUG, NOISE, Drift

STRANGER = ("/api/orders", "$.items", "length")


def make_view(place, *, noise=False, count=10, compared=100, counted=None):
    """A row as the admin API gives it."""
    path, field, kind = place
    return MismatchView(
        route="shop",
        path=path,
        field=field,
        kind=kind,
        count=count,
        compared=compared,
        rate=count / compared,
        noise=noise,
        noise_rate=None,
        samples=[],
        counted=count * (not noise) if counted is None else counted,
        first_seen=None,
        last_seen=None,
    )


_BUG = make_view(BUG)
_NOISE = [make_view(place, noise=True) for place in sorted(NOISE)]


def test_the_bug_and_the_noise_are_told_apart():
    """Neither missed nor taken for the other."""
    drift = Drift((_BUG, *_NOISE))

    assert (drift.is_told_apart, drift.misses, drift.false_alarms) == (True, 0, 0)


def test_a_bug_that_was_not_found_is_missed():
    """So is one that is taken for noise."""
    assert Drift((*_NOISE,)).misses == 1
    assert Drift((make_view(BUG, noise=True), *_NOISE)).misses == 1


def test_a_difference_that_nobody_planted_is_a_false_alarm():
    """Wherever it is."""
    assert Drift((_BUG, *_NOISE, make_view(STRANGER))).false_alarms == 1


def test_noise_that_counts_is_a_false_alarm():
    """The bug's path is not told apart then."""
    drift = Drift((_BUG, *(make_view(place) for place in NOISE)))

    assert (drift.is_told_apart, drift.false_alarms) == (False, 2)


def test_what_is_not_judged_yet_counts_for_nothing():
    """A pair that waits for twins may be noise."""
    assert Drift((make_view(STRANGER, counted=0),)).false_alarms == 0


def test_what_came_since_leaves_out_what_was_before():
    """Counts and rates are those of the time between; what did not grow is gone."""
    before = Drift((_BUG, *_NOISE), 150)
    after = Drift((make_view(BUG, count=14, compared=140), *_NOISE, make_view(STRANGER)), 250)
    since = after.since(before)

    assert [(view.field, view.count, view.compared, view.counted, view.rate) for view in since.items] == [
        (BUG[1], 4, 40, 4, 0.1),
        (STRANGER[1], 10, 100, 10, 0.1),
    ]
    assert since.compared == 100


def test_a_few_answers_tell_nothing_of_a_chapter():
    """They were under way when it began."""
    after = Drift((make_view(BUG, count=14, compared=119),), 119)

    assert after.since(Drift((_BUG,), 100)).items == ()


def test_compared_is_what_came_to_a_result():
    """Matches, mismatches and what is noise; neither errors nor what was skipped."""
    totals = CopyTotals(match=1, mismatch=2, noise=4, error=8, skipped={"body_size": 16})

    assert Drift.read(MismatchList([_BUG], None, totals)) == Drift((_BUG,), 7)
