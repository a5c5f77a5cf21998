"""The demo's judgement: it must see a broken promise, and must not see one where there is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.types import Arm
from gateway.demo.drift import Drift
from gateway.demo.tally import Answer, Chapter, Fallback, Sides, Tally, find_quantile, summarize, summarize_by_path

ANY_PERCENT = st.sampled_from([0.0, 1.0, 5.0, 25.0, 50.0, 99.0, 100.0])


def _answer(tally=None, **changes):
    fields = {"ended_at": 1.0, "user": "ann", "path": "GET /", "arm": Arm.BASELINE, "is_right": True}
    return Answer(**{**fields, "epoch": tally.epoch if tally else None, **changes})


def _begin(tally, percent):
    tally.begin_change()
    tally.begin_chapter(Chapter("", percent), now=0.0)


def _breaches(tally):
    return {promise.breach: promise.count for promise in tally.list_promises() if promise.count}


@given(st.lists(ANY_PERCENT, min_size=1), st.dictionaries(st.integers(0, 50), st.floats(0, 99.99), min_size=1))
def test_a_threshold_per_user_never_breaks_the_law(percents, places):
    """However the percentage goes up and down, users with a fixed place keep every promise about sides."""
    sides = Sides()
    for percent in percents:
        for user, place in places.items():
            sides.note(str(user), Arm.CANDIDATE if place < percent else Arm.BASELINE, percent)

    assert sides.list_switched() == []
    assert sides.list_astray() == []


def test_a_user_on_both_sides_of_one_percentage_is_seen():
    """Flapping is a broken promise."""
    tally = Tally()
    _begin(tally, 25)
    for arm in (Arm.BASELINE, Arm.CANDIDATE):
        tally.note(_answer(tally, arm=arm))
    tally.settle(until=2.0)

    assert _breaches(tally)["users who changed sides while nothing was changed"] == 1


def test_a_user_who_goes_back_while_the_percentage_grows_is_seen():
    """So is moving the wrong way."""
    tally = Tally()
    for percent, arm in [(25, Arm.CANDIDATE), (50, Arm.BASELINE)]:
        _begin(tally, percent)
        tally.note(_answer(tally, arm=arm))
        tally.settle(until=2.0)

    assert _breaches(tally)["users who moved the wrong way"] == 1


def test_going_back_with_the_percentage_is_no_breach():
    """25 % to 0 % moves the same users to the baseline, and 25 % again brings the same ones forth."""
    tally = Tally()
    for percent, arm in [(25, Arm.CANDIDATE), (0, Arm.BASELINE), (25, Arm.CANDIDATE)]:
        _begin(tally, percent)
        tally.note(_answer(tally, arm=arm))
        tally.settle(until=2.0)

    assert tally.sides.list_astray() == tally.sides.list_switched() == []


def test_a_request_under_way_during_a_change_proves_nothing():
    """It may take either side, but it still counts as a request."""
    tally = Tally()
    _begin(tally, 0)
    before = tally.epoch
    tally.begin_change()
    during = tally.epoch
    tally.begin_chapter(Chapter("", 50), now=0.0)
    for epoch in (before, during):
        tally.note(_answer(epoch=epoch, arm=Arm.CANDIDATE))

    tally.settle(until=2.0)

    assert during is None
    assert tally.chapters[-1].users == {}
    assert tally.requests == 2


def test_an_answer_is_settled_once_its_percentage_was_seen_after_it():
    """One that ended later may have been under way during a change that nobody has seen yet."""
    tally = Tally()
    _begin(tally, 5)
    for user, ended_at in [("ann", 1.0), ("bob", 3.0)]:
        tally.note(_answer(tally, user=user, ended_at=ended_at))
    tally.settle(until=2.0)
    seen = dict(tally.chapters[-1].users)
    tally.begin_change()
    tally.settle(until=4.0)

    assert seen == tally.chapters[-1].users == {"ann": Arm.BASELINE}


def test_nothing_is_settled_where_one_side_answers_for_the_other():
    """While the candidate fails the baseline answers in its place."""
    tally = Tally()
    tally.begin_chapter(Chapter("", 25), now=0.0, is_settling=False)
    for arm in (Arm.BASELINE, Arm.CANDIDATE):
        tally.note(_answer(tally, arm=arm))
    tally.settle(until=2.0)

    assert tally.epoch is None
    assert _breaches(tally) == {}
    assert tally.chapters[-1].requests == 2


def test_a_fault_adds_promises_with_bounds():
    """How long the candidate was asked, and how many users noticed, is bounded; nothing may be late."""
    tally = Tally()
    without = {promise.breach for promise in tally.list_promises()}
    tally.fallback = Fallback(failed=30, seconds=2.5, late=1)
    added = {promise.breach: promise for promise in tally.list_promises() if promise.breach not in without}

    assert [(promise.count, promise.is_kept) for promise in added.values()] == [(0, True), (2.5, True), (1, False)]


def test_what_comparing_missed_or_made_up_breaks_a_promise():
    """Nothing is promised before somebody looked."""
    tally = Tally()
    before = tally.list_promises()
    tally.found = Drift()
    added = tally.list_promises()[len(before) :]

    assert [(promise.count, promise.is_kept) for promise in added] == [(1, False), (0, True)]


def test_the_live_view_of_differences_begins_anew_with_each_chapter():
    """What was found before stands in the record, not in the chapter."""
    tally = Tally()
    tally.drift = Drift(compared=100)
    _begin(tally, 5)
    tally.drift = Drift(compared=130)

    assert tally.list_drift().compared == 30


def test_only_failures_that_nobody_staged_break_a_promise():
    """The demo's own fault is counted apart."""
    tally = Tally()
    _begin(tally, 25)
    tally.note(_answer(tally, is_right=False, is_staged=True, ended_at=7.5))
    staged_only = _breaches(tally)
    tally.note(_answer(tally, is_right=False))

    assert "requests that failed without a staged fault" not in staged_only
    assert _breaches(tally)["requests that failed without a staged fault"] == 1
    assert tally.staged_errors == 1


def test_a_share_is_judged_by_the_number_of_users():
    """Three of ten at 25 % is chance; four hundred of a thousand is a fault."""
    few = Chapter("", 25, users={str(user): Arm.CANDIDATE if user < 3 else Arm.BASELINE for user in range(10)})
    many = Chapter("", 25, users={str(user): Arm.CANDIDATE if user < 400 else Arm.BASELINE for user in range(1000)})

    assert (few.share, few.is_share_right) == (30.0, True)
    assert (many.share, many.is_share_right) == (40.0, False)


def test_a_single_user_on_the_candidate_at_zero_is_a_breach():
    """0 % is nobody, 100 % is everybody."""
    assert not Chapter("", 0, users={"ann": Arm.CANDIDATE, "bob": Arm.BASELINE}).is_share_right
    assert not Chapter("", 100, users={"ann": Arm.CANDIDATE, "bob": Arm.BASELINE}).is_share_right
    assert Chapter("", 0).is_share_right


def test_the_window_forgets():
    """The live table shows the last seconds only."""
    tally = Tally()
    tally.note(_answer(ended_at=1.0))
    tally.note(_answer(ended_at=5.5))

    assert [answer.ended_at for answer in tally.list_recent(now=7.0)] == [5.5]


def test_figures_count_errors_and_take_latencies_of_answers():
    """A request without an answer is an error without a latency."""
    figures = summarize(
        [
            _answer(latency_seconds=0.010),
            _answer(latency_seconds=0.020),
            _answer(arm=None, is_right=False),
        ]
    )

    assert (figures.requests, figures.errors, figures.p50_ms, figures.p95_ms) == (3, 1, 10.0, 20.0)


def test_figures_stand_per_path_and_arm():
    """Paths in order, each with the arms that answered on it."""
    rows = summarize_by_path(
        [_answer(path="GET /b"), _answer(path="GET /a", arm=Arm.CANDIDATE), _answer(path="GET /b")]
    )

    assert list(rows) == ["GET /a", "GET /b"]
    assert rows["GET /b"][Arm.BASELINE].requests == 2
    assert Arm.BASELINE not in rows["GET /a"]


@given(st.lists(st.floats(0, 1000), min_size=1).map(sorted), st.floats(0.01, 1))
def test_a_quantile_is_a_value_with_enough_below_it(ordered, share):
    """Nearest rank: at least that share of the values is not larger."""
    quantile = find_quantile(ordered, share)

    assert quantile in ordered
    assert sum(value <= quantile for value in ordered) >= share * len(ordered) - 1e-6


def test_nothing_has_no_quantile():
    """An empty window shows no latency."""
    assert find_quantile([], 0.5) is None
