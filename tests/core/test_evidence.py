"""Evidence is never found more often than it says, and it is found when there is something to find."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from math import comb, exp, inf, log, log1p
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.evidence import (
    Counts,
    Latencies,
    bounds_of,
    log_needed,
    log_wealth_above,
    log_wealth_against,
    log_wealth_below,
    log_wealth_of_quantile,
    log_wealth_of_relative_quantile,
    log_wealth_of_share,
    part_of,
)
from gateway.core.histogram import LAST_BUCKET, Buckets, bucket_of, lower_bound, middle
from gateway.core.judging import _bends_of, limit_of
from gateway.core.plans import Bound, Metric

TINY = 1e-9

shares = st.one_of(st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.5, 0.99, 1.0]), st.floats(0, 1))
bounds = st.one_of(
    st.builds(Bound, factor=st.sampled_from([0.5, 0.9, 1.0, 1.1, 2.0, 20.0, 5000.0])),
    st.builds(Bound, value=st.sampled_from([0.0, 0.01, 0.1, 0.7, 1.5]), is_added=st.just(True)),
)
latencies = st.dictionaries(st.integers(600, 640), st.integers(1, 60), max_size=6)


@st.composite
def counts(draw: st.DrawFn, most: int = 10_000) -> Counts:
    """Any number of trials, and no more hits than that."""
    trials = draw(st.integers(0, most))
    return Counts(draw(st.integers(0, trials)), trials)


def chance(hits: int, trials: int, share: float) -> float:
    """Of so many hits in so many independent trials."""
    return comb(trials, hits) * share**hits * (1 - share) ** (trials - hits)


# Proportions.


@given(counts(), shares, shares)
def test_no_bet_on_a_false_claim_can_be_expected_to_grow(seen: Counts, one: float, other: float) -> None:
    """Whatever came before: one more trial leaves the mean wealth where it was, or lower. That is a supermartingale."""
    low, high = min(one, other), max(one, other)
    hit, miss = Counts(seen.hits + 1, seen.trials + 1), Counts(seen.hits, seen.trials + 1)

    for wealth, truth, claimed in (
        (log_wealth_above, low, high),
        (log_wealth_below, high, low),
        (log_wealth_against, one, one),
    ):
        before = wealth(seen, claimed)
        after = truth * exp(min(700, wealth(hit, claimed) - before))
        after += (1 - truth) * exp(min(700, wealth(miss, claimed) - before))
        assert after <= 1 + TINY


@given(st.integers(0, 14), shares, shares)
def test_the_mean_over_all_outcomes_is_at_most_what_was_staked(trials: int, one: float, other: float) -> None:
    """Exactly, over every number of hits that so many trials may have."""
    low, high = min(one, other), max(one, other)
    outcomes = [Counts(hits, trials) for hits in range(trials + 1)]

    above = sum(chance(int(each.hits), trials, low) * exp(log_wealth_above(each, high)) for each in outcomes)
    below = sum(chance(int(each.hits), trials, high) * exp(log_wealth_below(each, low)) for each in outcomes)

    assert above <= 1 + TINY
    assert below <= 1 + TINY


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_whoever_looks_after_every_request_is_misled_no_more_often_than_alpha(share: float, alpha: float) -> None:
    """2,000 sequences of 150 requests, looked at 150 times each; the chance of a hit is exactly the one claimed."""
    dice, needed = Random(7), log_needed(alpha)

    @cache
    def is_misled(hits: int, trials: int) -> bool:
        seen = Counts(hits, trials)
        return max(log_wealth_above(seen, share), log_wealth_below(seen, share)) >= needed + log(2)

    def watch() -> bool:
        hits = 0
        for trials in range(1, 151):
            hits += dice.random() < share
            if is_misled(hits, trials):
                return True
        return False

    assert sum(watch() for _ in range(2000)) <= alpha * 2000


@given(counts(), shares, shares)
def test_a_bolder_claim_has_less_evidence(seen: Counts, one: float, other: float) -> None:
    """What shows that the share is above 5 % shows all the more that it is above 1 %."""
    low, high = min(one, other), max(one, other)

    assert log_wealth_above(seen, high) <= log_wealth_above(seen, low) + TINY
    assert log_wealth_below(seen, low) <= log_wealth_below(seen, high) + TINY


@given(counts(), shares, shares)
def test_evidence_is_convex_in_the_claim(seen: Counts, one: float, other: float) -> None:
    """So the least over all values of the baseline is where a ternary search finds it."""
    for wealth in (log_wealth_above, log_wealth_below, log_wealth_against):
        middle_wealth = wealth(seen, (one + other) / 2)
        mean = (wealth(seen, one) + wealth(seen, other)) / 2
        assert middle_wealth <= mean + 1e-7 * (1 + abs(mean))


@given(counts(), st.floats(0.001, 0.5))
def test_what_was_seen_is_always_possible(seen: Counts, alpha: float) -> None:
    """The bounds are around the observed share, inside 0 and 1, and a smaller alpha moves them apart."""
    low, high = bounds_of(seen, alpha)
    wider_low, wider_high = bounds_of(seen, alpha / 10)

    if seen.trials:
        assert low <= seen.share <= high
    assert 0 <= wider_low <= low <= high <= wider_high <= 1


def test_the_truth_stays_inside_the_bounds() -> None:
    """At every look of almost all of 200 sequences; with more requests the bounds close in."""
    dice, share, missed, spans = Random(3), 0.2, 0, []
    for _ in range(200):
        hits, looks = 0, []
        for trials in range(1, 401):
            hits += dice.random() < share
            if trials % 40 == 0:
                looks.append(bounds_of(Counts(hits, trials), 0.1))
        missed += not all(low <= share <= high for low, high in looks)
        spans.append(looks[-1][1] - looks[-1][0])

    assert missed <= 20
    assert max(spans) < 0.2


def test_what_fails_often_is_found_soon() -> None:
    """Power: ten failures in ten convict of `above 5 %`; 30 in 1,000 don't; 100 in 1,000 do, 20 acquit."""
    needed = log_needed(0.01)

    assert log_wealth_above(Counts(10, 10), 0.05) >= needed
    assert log_wealth_above(Counts(60, 1000), 0.05) < needed
    assert log_wealth_above(Counts(100, 1000), 0.05) >= needed
    assert log_wealth_below(Counts(20, 1000), 0.05) >= needed


# Two arms.


def rate_wealth(candidate: Counts, baseline: Counts, bound: Bound, *, is_above: bool, needed: float = -inf) -> float:
    """As rules about rates ask for it."""
    limit = limit_of(Metric.ERROR_RATE, bound)
    return log_wealth_of_share(candidate, baseline, limit, is_above=is_above, bends=_bends_of(bound), needed=needed)


@given(counts(500), counts(500), bounds, st.booleans())
@settings(max_examples=50, deadline=None)
def test_no_value_of_the_baseline_is_forgotten(
    candidate: Counts, baseline: Counts, bound: Bound, is_above: bool
) -> None:
    """The search finds the least product: no value that the baseline may have makes it any smaller."""
    limit = limit_of(Metric.ERROR_RATE, bound)
    wealth = log_wealth_above if is_above else log_wealth_below

    found = rate_wealth(candidate, baseline, bound, is_above=is_above)

    for step in range(401):
        share = (step / 400) ** 3  # fine near 0
        joint = wealth(candidate, min(limit(share), 1.0)) + log_wealth_against(baseline, share)
        assert found <= joint + 1e-6


@given(st.integers(0, 3), st.integers(0, 3), shares, shares, bounds, st.booleans())
@settings(max_examples=30, deadline=None)
def test_two_arms_together_stake_no_more_than_one(
    trials: int, others: int, truth: float, share: float, bound: Bound, is_above: bool
) -> None:
    """Exactly, over all outcomes of both, when the candidate keeps to the limit of the baseline's true value."""
    limit = min(limit_of(Metric.ERROR_RATE, bound)(share), 1.0)
    truth = min(truth, limit) if is_above else max(truth, limit)
    mean = 0.0

    for hits, other_hits in product(range(trials + 1), range(others + 1)):
        wealth = rate_wealth(Counts(hits, trials), Counts(other_hits, others), bound, is_above=is_above)
        mean += chance(hits, trials, truth) * chance(other_hits, others, share) * exp(wealth)

    assert mean <= 1 + 1e-6


@given(counts(500), counts(500), bounds, st.booleans(), st.floats(0, 12))
@settings(max_examples=40, deadline=None)
def test_an_answer_under_what_is_needed_is_never_worked_out_too_high(
    candidate: Counts, baseline: Counts, bound: Bound, is_above: bool, needed: float
) -> None:
    """Whether a claim is believed does not depend on how closely it was worked out."""
    close = rate_wealth(candidate, baseline, bound, is_above=is_above)
    quick = rate_wealth(candidate, baseline, bound, is_above=is_above, needed=needed)

    assert quick >= close - 1e-6
    assert (quick >= needed) == (close >= needed) or abs(close - needed) < 1e-6


def test_a_baseline_that_nobody_asked_proves_nothing() -> None:
    """However badly the candidate does: it may be that the baseline would do as badly."""
    for bound in (Bound(factor=2.0), Bound(value=0.01, is_added=True)):
        assert rate_wealth(Counts(500, 500), Counts(0, 0), bound, is_above=True) <= TINY


def test_a_difference_of_both_arms_is_found() -> None:
    """5 % against 0.2 % is more than one point worse; both at 5 % is not, nor is one at 0.2 %."""
    bound, needed, baseline = Bound(value=0.01, is_added=True), log_needed(0.01), Counts(40, 20_000)

    assert rate_wealth(Counts(50, 1000), baseline, bound, is_above=True) >= needed
    assert rate_wealth(Counts(50, 1000), Counts(1000, 20_000), bound, is_above=True) < needed
    assert rate_wealth(Counts(2, 1000), baseline, bound, is_above=True) < needed


# Quantiles.


@given(st.integers(2, LAST_BUCKET - 2), st.integers(1, 100_000), st.sampled_from([0.5, 0.9, 0.99]))
def test_what_buckets_cant_tell_is_not_claimed(bucket: int, trials: int, level: float) -> None:
    """Latencies in the bucket of the bound are neither above nor below it."""
    seen = Latencies({bucket: trials})

    for is_above in (True, False):
        assert log_wealth_of_quantile(seen, level, middle(bucket), is_above=is_above) <= TINY


@given(latencies, st.integers(-3, 645))
def test_counting_above_a_bucket_is_a_plain_sum(buckets: Buckets, bucket: int) -> None:
    """Inside the histogram and on both sides of it."""
    seen = Latencies(buckets)
    bucket = bucket if bucket < 0 else max(595, bucket)

    assert seen.count_above(bucket) == (sum(n for at, n in buckets.items() if at > bucket), sum(buckets.values()))
    assert seen.count_from(bucket).hits == sum(n for at, n in buckets.items() if at >= bucket)


@given(latencies, st.sampled_from([0.5, 0.9, 0.99]), st.floats(0.4, 3), st.booleans())
def test_a_quantile_is_a_share(buckets: Buckets, level: float, seconds: float, is_above: bool) -> None:
    """It is above what more than the rest exceeds: with whole buckets in doubt for the claim's contrary."""
    bucket = bucket_of(seconds)
    surely = sum(count for at, count in buckets.items() if (at > bucket if is_above else at >= bucket))
    wealth = log_wealth_above if is_above else log_wealth_below

    found = log_wealth_of_quantile(Latencies(buckets), level, seconds, is_above=is_above)

    assert found == wealth(Counts(surely, sum(buckets.values())), 1 - level)


def naive_relative(
    candidate: Latencies, baseline: Latencies, level: float, limit: Callable[[float], float], *, is_above: bool
) -> float:
    """The least over the buckets that the baseline's quantile may be in, one after the other."""
    share = 1 - level

    def joint(bucket: int) -> float:
        above = log_wealth_above(baseline.count_above(bucket), share)
        below = log_wealth_below(baseline.count_from(bucket), share)
        doubt = max(above, below) + log1p(exp(-abs(above - below))) - log(2)
        seconds = limit(lower_bound(bucket + 1 if is_above else bucket))
        return log_wealth_of_quantile(candidate, level, seconds, is_above=is_above) + doubt

    return min(map(joint, (0, *range(200, 720), LAST_BUCKET)))


@given(latencies, latencies, st.sampled_from([0.5, 0.9, 0.99]), bounds, st.booleans(), st.floats(-3, 6))
@settings(max_examples=30, deadline=None)
def test_no_bucket_of_the_baseline_is_forgotten(
    one: Buckets, other: Buckets, level: float, bound: Bound, is_above: bool, needed: float
) -> None:
    """The scan stops early only where nothing can change: it is believed when looking at hundreds of buckets is."""
    candidate, baseline, limit = Latencies(one), Latencies(other), limit_of(Metric.P95, bound)

    naive = naive_relative(candidate, baseline, level, limit, is_above=is_above)
    found = log_wealth_of_relative_quantile(candidate, baseline, level, limit, is_above=is_above, needed=needed)

    assert found >= naive - 1e-6
    assert found >= needed if naive >= needed + 1e-6 else found < needed + 1e-6


@pytest.mark.parametrize("is_above", [True, False])
def test_a_relative_quantile_misleads_no_more_often_than_alpha(is_above: bool) -> None:
    """400 pairs of arms at the limit's very edge, looked at after every tenth request."""
    dice, alpha, misled = Random(11), 0.2, 0
    for _ in range(400):
        arms: tuple[Buckets, Buckets] = ({}, {})
        for number in range(1, 121):
            for buckets in arms:
                bucket = bucket_of(dice.lognormvariate(-1, 0.5))
                buckets[bucket] = buckets.get(bucket, 0) + 1
            if number % 10 == 0 and log_wealth_of_relative_quantile(
                Latencies(arms[0]), Latencies(arms[1]), 0.5, float, is_above=is_above, needed=log_needed(alpha)
            ) >= log_needed(alpha):
                misled += 1
                break

    assert misled <= alpha * 400


def test_a_slow_candidate_is_found() -> None:
    """Three times slower breaks `p50 > 2x baseline` on some hundred requests; as slow as the other one never does."""
    slow, usual = {bucket_of(0.3): 200}, {bucket_of(0.1): 200}
    limit, needed = limit_of(Metric.P50, Bound(factor=2.0)), log_needed(0.01)

    def wealth(candidate: Buckets, baseline: Buckets) -> float:
        return log_wealth_of_relative_quantile(
            Latencies(candidate), Latencies(baseline), 0.5, limit, is_above=True, needed=needed
        )

    assert wealth(slow, usual) >= needed
    assert wealth(usual, usual) < needed
    assert wealth(slow, {}) < needed
    assert wealth({}, usual) < needed


# Spending.


@pytest.mark.parametrize("blocks", [1, 2, 5, 11])
def test_all_parts_together_are_no_more_than_the_whole(blocks: int) -> None:
    """So many blocks sum to 1 - 1 / (blocks + 1): never 1, however long it goes on."""
    numbers = range(64 * (2**blocks - 1))

    assert sum(map(part_of, numbers)) == pytest.approx(1 - 1 / (blocks + 1))


@given(st.integers(0, 10**7))
def test_later_bets_get_no_more_than_earlier_ones(number: int) -> None:
    """And never nothing: whatever begins late can still be found."""
    assert 0 < part_of(number + 1) <= part_of(number) <= 1 / 128


def test_what_is_needed_grows_as_alpha_shrinks() -> None:
    """Without any alpha nothing is ever believed; a later bet needs more."""
    assert log_needed(0.05) == pytest.approx(-log(0.05))
    assert log_needed(0) == inf
    assert log_needed(0.05) < log_needed(0.05, 0) < log_needed(0.05, 1000)
