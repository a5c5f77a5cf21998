"""How far counts support a claim, valid however often and for however long one looks.

A rollout is watched every second for hours. A test made for one look would cry wolf; the tests here are made for
continuous monitoring. Each is a *wealth*: a number that starts at 1 and that, as long as the claim is false, no rule of
betting can expect to grow. By Ville's inequality (Ville 1939) such a wealth ever reaches 1/alpha with a probability of
at most alpha, whenever one looks and for whatever reason one stops. All functions give its natural logarithm.

**Proportions.** For trials that hit with a conditional probability of at most ``share``,

    exp(t * hits - trials * log(1 + (exp(t) - 1) * share))        with a tilt t > 0

is a nonnegative supermartingale: the sub-Bernoulli process of Howard, Ramdas, McAuliffe and Sekhon, *Time-uniform,
nonparametric, nonasymptotic confidence sequences* (Annals of Statistics 49(2), 2021), section 2 and Table 3 there. For
t < 0 it is one for trials that hit with at least ``share``. Which tilt serves best depends on how far the truth is
from ``share``; so we take the mean over a grid of tilts, which is a supermartingale again (the method of mixtures,
Robbins 1970; section 3 of the paper). Nothing is assumed about the order or the spacing of requests, only that each
one's chance keeps to the claim, given those before it.

**Quantiles.** A quantile exceeds ``x`` if and only if the share of latencies above ``x`` exceeds one minus its level,
so a claim about a quantile is one about a proportion (Howard and Ramdas, *Sequential estimation of quantiles with
applications to A/B testing and best-arm identification*, Bernoulli 28(3), 2022, section 2).

**Two arms.** What is claimed of the candidate relative to the baseline is claimed for the baseline's true value, which
nobody knows. At that value, the wealth against it times the candidate's wealth is a supermartingale, as the arms are
independent; so the smallest product over all values that the baseline may have is at most what holds at the true one.
This is how Netflix compares canaries (Lindon, Sanden, Shirikian, *Rapid Regression Detection in Software Deployments
through Sequential Testing*, KDD 2022), with a proportion in place of their density.

**Trailing windows.** Each window's beginning is a new bet with its own part of alpha (`part_of`): the parts of
all beginnings add up to at most 1, so the union over all windows keeps alpha. After a good hour a fault is seen by the
bets that begin near it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import exp, inf, log, log1p, log2
from typing import Final, NamedTuple

from gateway.core.histogram import LAST_BUCKET, Buckets, bucket_of, lower_bound

_ODDS: Final = (1.02, 1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""The grid: how many times the odds of a hit are those claimed. Fine where many requests tell small differences apart,
coarse where few tell large ones."""

_Tilts = tuple[tuple[float, float], ...]
"""Each tilt as (t, exp(t) - 1)."""

_UP: Final[_Tilts] = tuple((log(odds), odds - 1) for odds in _ODDS)
_DOWN: Final[_Tilts] = tuple((-log(odds), 1 / odds - 1) for odds in _ODDS)

_SEARCH_STEPS: Final = 40
"""Of a ternary search: each takes a third off, so the last interval is 1e-7 of the first."""

_FIRST_BLOCK: Final = 64
"""So many bets share the first half of alpha."""

_LOG_2: Final = log(2)


class Counts(NamedTuple):
    """Trials and hits of one arm."""

    hits: float
    trials: float

    @property
    def share(self) -> float:
        """0 without trials."""
        return self.hits / self.trials if self.trials else 0.0


def log_wealth_above(counts: Counts, share: float) -> float:
    """Evidence that hits have a probability above ``share``. It falls as ``share`` grows, and is convex in it."""
    return _log_wealth(counts, share, _UP)


def log_wealth_below(counts: Counts, share: float) -> float:
    """Evidence that hits have a probability below ``share``. It grows with ``share``, and is convex in it."""
    return _log_wealth(counts, share, _DOWN)


def log_wealth_against(counts: Counts, share: float) -> float:
    """Evidence that the probability is not ``share``, on either side."""
    return _log_sum(log_wealth_above(counts, share), log_wealth_below(counts, share)) - _LOG_2


def _log_wealth(counts: Counts, share: float, tilts: _Tilts) -> float:
    hits, trials = counts
    logs = [tilt * hits - trials * log1p(grown * share) for tilt, grown in tilts]
    most = max(logs)
    return most + log(sum(exp(each - most) for each in logs) / len(logs))


def _log_sum(one: float, other: float) -> float:
    most, least = (one, other) if one > other else (other, one)
    return most + log1p(exp(least - most))


def bounds_of(counts: Counts, alpha: float) -> tuple[float, float]:
    """The probabilities of a hit that the counts leave possible: a confidence sequence at level 1 - ``alpha``.

    With a probability of at least 1 - alpha the truth is between the two at every moment, from the first trial on.
    """
    needed = -log(alpha / 2)
    low = _find_share(lambda share: log_wealth_above(counts, share) >= needed)
    high = 1 - _find_share(lambda share: log_wealth_below(counts, 1 - share) >= needed)
    return low, high


def _find_share(is_excluded: Callable[[float], bool]) -> float:
    """Where what is excluded, from 0 up, ends."""
    low, high = 0.0, 1.0
    if not is_excluded(low):
        return low
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_excluded(middle) else (low, middle)
    return low


# Two arms.

Limit = Callable[[float], float]
"""What the candidate's value is compared with, given the baseline's true one. It never falls."""


def log_wealth_of_share(
    candidate: Counts, baseline: Counts, limit: Limit, *, is_above: bool, bends: Iterable[float], needed: float
) -> float:
    """Evidence that the candidate's probability is above (or below) ``limit`` of the baseline's.

    ``limit``, taken as 1 at the most, is linear between one of ``bends`` (ascending, from 0 to 1) and the next: there
    the product is convex. What is known to stay under ``needed`` is not worked out any closer: the answer is then an
    upper bound of it.
    """
    wealth = log_wealth_above if is_above else log_wealth_below

    def joint(share: float) -> float:
        return wealth(candidate, min(limit(share), 1.0)) + log_wealth_against(baseline, share)

    here = joint(baseline.share)
    if here < needed:
        return here
    return min(_least(joint, low, high) for low, high in pairwise((0.0, *bends, 1.0)))


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """The least value of a convex function between two places."""
    for _ in range(_SEARCH_STEPS):
        third = (high - low) / 3
        if function(low + third) < function(high - third):
            high -= third
        else:
            low += third
    return min(function(low), function(high))


class Latencies:
    """A histogram, ready to be asked how many exceed a bucket."""

    __slots__ = ("_above", "_first", "_last", "trials")

    def __init__(self, buckets: Buckets) -> None:
        self._first = min(buckets, default=0)
        self._last = max(buckets, default=0)
        above: list[int] = []
        total = 0
        for bucket in range(self._last, self._first - 1, -1):
            above.append(total)
            total += buckets.get(bucket, 0)
        above.reverse()
        self._above = above
        self.trials = total

    def above(self, bucket: int) -> int:
        """How many are in the buckets after ``bucket``."""
        if bucket < self._first:
            return self.trials
        return self._above[bucket - self._first] if bucket <= self._last else 0

    def bucket_at(self, share: float) -> int:
        """The first bucket that no more than ``share`` of all exceed."""
        bucket = self._last
        while bucket > self._first and self.above(bucket - 1) <= share * self.trials:
            bucket -= 1
        return bucket

    def is_beyond(self, bucket: int) -> bool:
        """Whether all are on one side of ``bucket``: further out nothing changes."""
        return bucket > self._last + 1 or bucket < self._first - 1

    def count_above(self, bucket: int) -> Counts:
        """The same with the number of all: what surely exceeds any latency in ``bucket``."""
        return Counts(self.above(bucket), self.trials)

    def count_from(self, bucket: int) -> Counts:
        """What may exceed a latency in ``bucket``: those in it, too."""
        return Counts(self.above(bucket - 1), self.trials)


def log_wealth_of_quantile(latencies: Latencies, level: float, seconds: float, *, is_above: bool) -> float:
    """Evidence that the quantile of ``level`` (0.99) is above (or below) so many seconds.

    Latencies in the bucket of ``seconds`` count for whatever is not claimed.
    """
    bucket = bucket_of(seconds)
    if is_above:
        return log_wealth_above(latencies.count_above(bucket), 1 - level)
    return log_wealth_below(latencies.count_from(bucket), 1 - level)


def log_wealth_of_relative_quantile(
    candidate: Latencies, baseline: Latencies, level: float, limit: Limit, *, is_above: bool, needed: float
) -> float:
    """Evidence that the candidate's quantile is above (or below) ``limit`` of the baseline's.

    The baseline's true quantile is in some bucket: the least over all of them, as far as they matter. What is known to
    stay under ``needed``, or to reach it, is not worked out any closer.
    """
    share = 1 - level
    start = baseline.bucket_at(share)
    here = _log_wealth_beyond(candidate, share, limit, start, is_above)
    least = here + _log_wealth_not_in(baseline, share, start)
    # The candidate's part falls on the side where less of it is beyond the limit, and grows on the other.
    worst = log_wealth_above(Counts(0, candidate.trials), share) if is_above else _log_wealth_of_none(candidate, share)
    for step, candidates_least in ((1, worst if is_above else here), (-1, here if is_above else worst)):
        bucket = start + step
        while least >= needed:
            others = _log_wealth_not_in(baseline, share, bucket)
            if _is_enough(others, needed - candidates_least):
                break
            least = min(least, others + _log_wealth_beyond(candidate, share, limit, bucket, is_above))
            if baseline.is_beyond(bucket):  # further out it stays the same, while the candidate's goes on to fall
                end = LAST_BUCKET if step > 0 else 0
                return min(least, others + _log_wealth_beyond(candidate, share, limit, end, is_above))
            bucket += step
    return least


def _is_enough(others: float, needed: float) -> bool:
    """Whether the baseline's part stays above ``needed`` from here on outwards.

    Of its two halves the one that speaks of this side only grows; the other one is at most 1 here, and may vanish.
    """
    return others > 0 and others + log1p(-exp(-others) / 2) >= needed


def _log_wealth_of_none(latencies: Latencies, share: float) -> float:
    """Evidence that few exceed a latency that all exceed: the least there can be."""
    return log_wealth_below(Counts(latencies.trials, latencies.trials), share)


def _log_wealth_beyond(latencies: Latencies, share: float, limit: Limit, bucket: int, is_above: bool) -> float:
    """The candidate's part, should the baseline's quantile be in ``bucket``: at whichever of its ends claims less."""
    if is_above:
        return log_wealth_above(latencies.count_above(bucket_of(limit(lower_bound(bucket + 1)))), share)
    return log_wealth_below(latencies.count_from(bucket_of(limit(lower_bound(bucket)))), share)


def _log_wealth_not_in(latencies: Latencies, share: float, bucket: int) -> float:
    """Evidence that the quantile is not in ``bucket``: more than ``share`` exceed it, or fewer reach it."""
    above = log_wealth_above(latencies.count_above(bucket), share)
    below = log_wealth_below(latencies.count_from(bucket), share)
    return _log_sum(above, below) - _LOG_2


# Spending.


def part_of(number: int) -> float:
    """Which part of alpha the bet with this number (from 0) gets, though nobody knows how many there will be.

    All parts together are 1.

    Blocks double in length; the k-th has 1 / (k (k + 1)) of the whole, evenly. So a bet of the first minutes gets about
    1/128, and one after a day still 1/(n log² n).
    """
    block = int(log2(number / _FIRST_BLOCK + 1))
    return 1 / ((block + 1) * (block + 2) * _FIRST_BLOCK * 2.0**block)


def log_needed(alpha: float, start: int | None = None) -> float:
    """The logarithm of the wealth at which a claim is believed; inf for an ``alpha`` of 0."""
    if alpha <= 0:
        return inf
    return -log(alpha if start is None else alpha * part_of(start))
