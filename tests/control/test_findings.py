"""Findings, the worst of them first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.findings import find_samples, find_worst, rank, say_finding, sum_copies, view_finding
from gateway.core.figures import PathFigures, Subject
from gateway.core.tallies import FieldTally, PathTally
from tests.control.found import AT, PRICE, field, path, sample

MOVED = ("$.at", "value")
LEARNT = path({PRICE: field(10), MOVED: field(90, 5, 20)}, twins=20)
"""A price that is wrong in every tenth answer, and a time that no two answers share."""


def test_what_counts_comes_first_and_noise_last() -> None:
    """By how often it counted, not by how often it differed."""
    rare = path({("$.id", "type"): field(3)}, compared=10, name="/rare")
    unsure = path({("$.b", "extra"): field(50, 0)}, name="/unsure")
    found = rank([LEARNT, unsure, rare])

    assert [(each.path.path, each.field) for each in found] == [
        ("/rare", "$.id"),
        ("/orders/{id}", "$.items[*].price"),
        ("/unsure", "$.b"),
        ("/orders/{id}", "$.at"),
    ]


def test_the_worst_are_those_that_count_now() -> None:
    """What counted before it was known for noise is none of them, nor what never counted."""
    paths = [LEARNT, path({("$.b", "extra"): field(50, 0)}, name="/b"), path({("$.c", "extra"): field(1)}, name="/c")]

    assert [each.field for each in find_worst(paths, 5)] == ["$.items[*].price", "$.c"]
    assert [each.field for each in find_worst(paths, 1)] == ["$.items[*].price"]
    assert say_finding(find_worst(paths, 1)[0]) == "$.items[*].price value (10 of 100 on /orders/{id})"


def test_samples_are_found_of_every_finding_before_two_of_one() -> None:
    """The newest first, none from before, none of noise."""
    fields = {
        PRICE: field(9, 9, 0, *(sample(AT + second) for second in range(5))),
        ("$.c", "extra"): field(1, 1, 0, sample(AT + 1)),
        ("$.d", "extra"): field(1, 1, 0, sample(AT - 1)),
        MOVED: field(9, 9, 20, sample(AT + 9)),
    }
    found = find_samples([path(fields, twins=20)], AT, 3)

    shown = [(finding.field, each.time - AT) for finding, each in found]
    assert shown == [("$.items[*].price", 4), ("$.items[*].price", 3), ("$.c", 1)]


def test_a_finding_is_shown_with_its_rates_and_times() -> None:
    """In the units of the API, samples newest first."""
    price = FieldTally(5, 4, 1, AT, AT + 60, [sample(AT), sample(AT + 60, [1, None], "x")])
    shown = view_finding(rank([path({PRICE: price}, compared=20, twins=10)])[0])

    assert (shown.route, shown.path, shown.field, shown.kind) == ("orders", "/orders/{id}", *PRICE)
    assert (shown.count, shown.compared, shown.rate, shown.counted) == (5, 20, 0.25, 4)
    assert (shown.noise, shown.noise_rate) == (True, 0.1)
    assert (shown.first_seen, shown.last_seen) == ("2026-11-21T10:15:00.000Z", "2026-11-21T10:16:00.000Z")
    assert [each.time for each in shown.samples] == ["2026-11-21T10:16:00.000Z", "2026-11-21T10:15:00.000Z"]
    assert (shown.samples[0].baseline, shown.samples[0].candidate) == ([1, None], "x")


def test_what_is_not_known_is_null() -> None:
    """Nothing was compared yet, or never twice; and a field may differ between answers of the baseline only."""
    twins_only = view_finding(rank([path({MOVED: field(0, 0, 3)}, compared=0, twins=3)])[0])
    quiet = view_finding(rank([path()])[0])

    assert (twins_only.rate, twins_only.noise, twins_only.noise_rate) == (None, True, 1)
    assert (twins_only.first_seen, twins_only.last_seen) == (None, None)
    assert (quiet.rate, quiet.noise, quiet.noise_rate) == (0.01, False, None)


def test_copies_are_summed_by_what_came_of_them() -> None:
    """Of the routes that are asked about, over all paths and arms."""
    totals = {
        Subject("orders", "/a", "candidate", is_forced=False): PathFigures(
            copies={("match", ""): 5, ("noise", ""): 2, ("error", "timeout"): 1, ("skipped", "breaker"): 3}
        ),
        Subject("orders", "/b", "baseline", is_forced=False): PathFigures(
            copies={("mismatch", ""): 4, ("error", "5xx"): 1, ("skipped", "breaker"): 1, ("skipped", "upgrade"): 1}
        ),
        Subject("else", "/", "candidate", is_forced=False): PathFigures(copies={("match", ""): 9}),
    }
    summed = sum_copies(totals, {"orders"})

    assert (summed.match, summed.mismatch, summed.noise, summed.error) == (5, 4, 2, 2)
    assert summed.skipped == {"breaker": 4, "upgrade": 1}


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 5), st.integers(0, 3)), max_size=12),
    st.integers(0, 6),
)
def test_ranking_loses_nothing_and_the_worst_are_its_beginning(
    tallies: list[tuple[int, int, int, int]], most: int
) -> None:
    """Whatever was found: first what counts, then quiet fields, then all that two baseline answers differ in."""
    fields = {
        (f"$.f{number}", "value"): field(count + counted, counted, noisy)
        for number, (count, counted, noisy, _) in enumerate(tallies)
    }
    paths: list[PathTally] = [path(fields, compared=100, twins=5)]
    ranked = rank(paths)
    assert {(each.field, each.kind) for each in ranked} == set(fields)
    assert find_worst(paths, most) == [each for each in ranked if each.tally.counted and not each.is_noise][:most]
    rest = [bool(each.tally.noisy) for each in ranked if not each.tally.counted or each.is_noise]
    assert rest == sorted(rest)
