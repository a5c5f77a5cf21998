"""The dice."""

from __future__ import annotations

from math import exp, log, sqrt
from random import Random
from statistics import mean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.histogram import LAST_BUCKET, bucket_of, middle
from gateway.simulation.chance import Spread, spread_arrivals, spread_hits, spread_latencies, spread_places

DRAWS = 20_000


@pytest.mark.parametrize("expected", [0.05, 3.0, 47.5, 900.0])
def test_arrivals_are_poisson(expected: float) -> None:
    """As many as expected, with a variance as large as the mean."""
    drawn = spread_arrivals(expected).draw_many(Random(1), DRAWS)

    assert mean(drawn) == pytest.approx(expected, abs=5 * sqrt(expected / DRAWS))
    assert pvariance(drawn) == pytest.approx(expected, rel=0.1)


def test_nobody_arrives_where_nobody_is_expected() -> None:
    """At 100 % the baseline has no requests at all."""
    assert spread_arrivals(0.0).draw_many(Random(1), 100) == [0] * 100


@pytest.mark.parametrize(("trials", "share"), [(50, 0.002), (50, 0.5), (3000, 0.05), (7, 0.99)])
def test_hits_are_binomial(trials: int, share: float) -> None:
    """The share that was asked for, spread as independent requests are."""
    drawn = spread_hits(trials, share).draw_many(Random(2), DRAWS)
    variance = trials * share * (1 - share)

    assert mean(drawn) == pytest.approx(trials * share, abs=5 * sqrt(variance / DRAWS))
    assert pvariance(drawn) == pytest.approx(variance, rel=0.1)


@given(trials=st.integers(0, 2000), share=st.floats(0, 1), seed=st.integers(0, 100))
def test_there_are_never_more_hits_than_trials(trials: int, share: float, seed: int) -> None:
    """Whatever the dice say; and none or all where that is what was asked for."""
    hits = spread_hits(trials, share).draw(Random(seed))

    assert 0 <= hits <= trials
    assert share not in {0.0, 1.0} or hits == trials * share


def test_latencies_are_log_normal() -> None:
    """Median and 99th percentile where the distribution has them, as exactly as the histogram's buckets."""
    drawn = sorted(spread_latencies(0.05, 0.5).draw_many(Random(3), DRAWS))

    assert middle(drawn[DRAWS // 2]) == pytest.approx(0.05, rel=0.03)
    assert middle(drawn[DRAWS * 99 // 100]) == pytest.approx(0.05 * exp(0.5 * 2.326), rel=0.05)


def test_a_constant_latency_falls_into_one_bucket() -> None:
    """Sigma 0 is no spread."""
    assert set(spread_latencies(0.1, 0.0).draw_many(Random(4), 100)) == {bucket_of(0.1)}


@given(median_seconds=st.floats(1e-5, 5000), sigma=st.floats(0, 3), seed=st.integers(0, 100))
def test_every_latency_has_a_bucket(median_seconds: float, sigma: float, seed: int) -> None:
    """Those beyond the histogram's ends are in its first and last one."""
    assert 0 <= spread_latencies(median_seconds, sigma).draw(Random(seed)) <= LAST_BUCKET


def test_zipf_gives_the_second_path_half_of_the_first_ones_requests() -> None:
    """And the fourth a quarter."""
    drawn = spread_places(4, is_zipf=True).draw_many(Random(5), DRAWS)
    first, second, _, fourth = (drawn.count(place) for place in range(4))

    assert first / second == pytest.approx(2, rel=0.1)
    assert first / fourth == pytest.approx(4, rel=0.1)


@given(weights=st.lists(st.floats(1e-6, 10), min_size=1, max_size=20), seed=st.integers(0, 100))
def test_one_draw_is_the_first_of_many(weights: list[float], seed: int) -> None:
    """Both ways to draw throw the same dice, and stay within the spread."""
    spread = Spread(7, weights)

    assert spread.draw(Random(seed)) == spread.draw_many(Random(seed), 1)[0]
    assert spread.draw(Random(seed)) in spread.numbers


def test_log_normal_sigma_is_that_of_the_natural_logarithm() -> None:
    """As people give it: sigma 0.5 puts 84.1 % below 1.65 times the median."""
    drawn = spread_latencies(0.05, 0.5).draw_many(Random(6), DRAWS)
    below = sum(log(middle(bucket) / 0.05) < 0.5 for bucket in drawn) / DRAWS

    assert below == pytest.approx(0.841, abs=0.02)
