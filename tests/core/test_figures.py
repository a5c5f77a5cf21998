"""Figures add up, whoever counted them and however they travelled."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.figures import DURATION_BOUNDS, ERROR_KINDS, Answer, Counted, Exemplar, PathFigures, Subject

OUTCOMES = [("match", ""), ("mismatch", ""), ("noise", ""), ("error", "timeout"), ("skipped", "body_size")]

counts = st.integers(1, 2**40)
answers = st.builds(
    Answer, st.text(max_size=5), st.sampled_from(["GET", "POST"]), st.integers(100, 599), st.text(max_size=5)
)
figures = st.builds(
    PathFigures,
    answers=st.dictionaries(answers, counts, max_size=4),
    errors=st.dictionaries(st.sampled_from(ERROR_KINDS), counts),
    client_errors=st.integers(0, 2**40),
    durations=st.lists(st.integers(0, 2**40), min_size=len(DURATION_BOUNDS) + 1, max_size=len(DURATION_BOUNDS) + 1),
    duration_seconds=st.integers(0, 1000).map(float),
    latencies=st.dictionaries(st.integers(0, 1023), counts, max_size=4),
    latency_seconds=st.integers(0, 1000).map(float),
    exemplars=st.dictionaries(st.integers(0, 10), st.builds(Exemplar, st.text(max_size=3), st.just(0.5), st.just(1.0))),
    failovers=st.dictionaries(st.sampled_from([*ERROR_KINDS, "500", "503"]), counts, max_size=3),
    copies=st.dictionaries(st.sampled_from(OUTCOMES), counts, max_size=3),
)


def total(*parts: PathFigures) -> PathFigures:
    """The sum."""
    sum_ = PathFigures()
    for part in parts:
        sum_.add(part)
    return sum_


@given(figures, figures, figures)
def test_the_order_of_adding_does_not_matter(one: PathFigures, two: PathFigures, three: PathFigures) -> None:
    """But for exemplars, of which the last is kept."""
    for each in (one, two, three):
        each.exemplars.clear()

    assert total(one, two, three) == total(three, total(one, two)) == total(three, two, one)
    assert total(one, two).requests == one.requests + two.requests
    assert total(one, two).compared == one.compared + two.compared
    assert total(one, two).mismatches == one.mismatches + two.mismatches


@given(figures)
def test_figures_arrive_as_they_were_sent(sent: PathFigures) -> None:
    """The struct is its own message."""
    counted = Counted(Subject("shop", "/a", "candidate", is_forced=True), sent)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(counted), type=Counted) == counted


@given(figures, figures)
def test_adding_leaves_what_is_added_alone(one: PathFigures, other: PathFigures) -> None:
    """A report may be recorded in several places."""
    before = msgspec.msgpack.encode(other)
    one.add(other)
    one.add(other)

    assert msgspec.msgpack.encode(other) == before


def test_kept_away_are_those_whom_the_candidates_state_sent_to_the_baseline() -> None:
    """By an open breaker or its health, whatever they were answered; not those whom the split sent there."""
    answered = [
        ("split", 200, 5),
        ("breaker", 200, 3),
        ("breaker", 500, 1),
        ("unhealthy", 200, 7),
        ("rolled_back", 200, 9),
    ]
    kept = PathFigures(answers={Answer("legacy", "GET", code, reason): n for reason, code, n in answered})

    assert (kept.requests, kept.kept_away) == (25, 11)


def test_compared_is_what_was_held_against_the_users_answer() -> None:
    """Whatever came of it; what was skipped or failed says nothing of the answers, and no copy is a request."""
    copies = {outcome: 10**at for at, outcome in enumerate(OUTCOMES)}
    seen = PathFigures(copies=copies)

    assert (seen.compared, seen.mismatches) == (111, 10)
    assert (seen.requests, sum(seen.errors.values())) == (0, 0)
