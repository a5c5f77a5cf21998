"""Dice for traffic: numbers of requests, of errors, and latencies, all drawn from prepared distributions.

A simulated day is 86,400 seconds with a handful of draws each, so what a draw costs decides what can be simulated. A
`Spread` is worked out once and kept; a draw from it is one random number and a binary search.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, lgamma, log, log1p, log2, sqrt
from random import Random
from statistics import NormalDist
from typing import Final

from gateway.core.histogram import BUCKETS_PER_DOUBLING, LAST_BUCKET, SMALLEST_EXPONENT

REACH_SIGMAS: Final = 9
"""How far from its mean a spread goes, in standard deviations; what is beyond would not come up in a century."""

_LEAST_REACH: Final = 30  # rare events are far from normal: their tails need room of their own
_LEAST_SIGMA: Final = 1e-6  # a constant latency is one with next to no spread


class Spread:
    """A distribution over whole numbers from ``first`` on. ``weights`` need not sum up to 1."""

    __slots__ = ("first", "numbers", "sums")

    def __init__(self, first: int, weights: Sequence[float]) -> None:
        total = sum(weights)
        self.first = first
        self.sums = list(accumulate(weight / total for weight in weights))
        # Rounding may leave it under the largest random number.
        self.sums[-1] = 1.0
        self.numbers = range(first, first + len(weights))

    def draw(self, dice: Random) -> int:
        """One number."""
        return self.first + bisect_right(self.sums, dice.random())

    def draw_many(self, dice: Random, count: int) -> list[int]:
        """``count`` numbers, independent of each other."""
        roll, first, sums = dice.random, self.first, self.sums
        return [first + bisect_right(sums, roll()) for _ in range(count)]


@lru_cache(maxsize=1024)
def spread_arrivals(mean: float) -> Spread:
    """How many requests arrive in a second in which ``mean`` are expected: the Poisson distribution."""
    if mean <= 0:
        return Spread(0, (1.0,))
    reach = REACH_SIGMAS * sqrt(mean) + _LEAST_REACH
    first, last = max(0, int(mean - reach)), int(mean + reach)
    return Spread(first, [exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(first, last + 1)])


@lru_cache(maxsize=16_384)
def spread_hits(trials: int, share: float) -> Spread:
    """How many of ``trials`` are hit when each is with the chance ``share``: the binomial distribution."""
    if not trials or share <= 0 or share >= 1:
        return Spread(trials if share >= 1 else 0, (1.0,))
    mean = trials * share
    reach = REACH_SIGMAS * sqrt(mean * (1 - share)) + _LEAST_REACH
    first, last = max(0, int(mean - reach)), min(trials, int(mean + reach))
    return Spread(first, [_binomial(k, trials, share) for k in range(first, last + 1)])


def _binomial(hits: int, trials: int, share: float) -> float:
    ways = lgamma(trials + 1) - lgamma(hits + 1) - lgamma(trials - hits + 1)
    return exp(ways + hits * log(share) + (trials - hits) * log1p(-share))


@lru_cache(maxsize=4096)
def spread_latencies(median_seconds: float, sigma: float) -> Spread:
    """In which bucket of a histogram a log-normal latency falls; ``sigma`` is that of its natural logarithm."""
    middle = (log2(median_seconds) - SMALLEST_EXPONENT) * BUCKETS_PER_DOUBLING
    in_buckets = NormalDist(middle, max(sigma, _LEAST_SIGMA) / log(2) * BUCKETS_PER_DOUBLING)
    reach = REACH_SIGMAS * in_buckets.stdev
    first = min(max(0, int(middle - reach)), LAST_BUCKET)
    last = min(max(first, int(middle + reach) + 1), LAST_BUCKET)
    below = [0.0, *(in_buckets.cdf(edge) for edge in range(first + 1, last + 1)), 1.0]
    return Spread(first, [high - low for low, high in pairwise(below)])


def spread_places(count: int, *, is_zipf: bool) -> Spread:
    """Which of ``count`` paths a request is for: all alike, or the n-th with a weight of 1/n (Zipf's law)."""
    return Spread(0, [1 / number if is_zipf else 1.0 for number in range(1, count + 1)])
