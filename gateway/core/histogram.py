"""Latencies as counts in buckets whose bounds grow by 2^(1/32): every quantile is off by 1.1 % at the most.

A bucket is its index; a histogram is a dictionary from index to count, so that it costs what it holds. Histograms of
any origin merge by addition. The bounds are those of scale 5 of OpenTelemetry's exponential histograms and of schema 5
of Prometheus' native ones, counted from 2^-20 seconds (about 1 µs): bucket ``i`` holds what is from 2^(i/32 - 20) up to
2^((i+1)/32 - 20) seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp2, log2
from typing import Final

BUCKETS_PER_DOUBLING: Final = 32
SMALLEST_EXPONENT: Final = -20
"""All that is shorter than 2^-20 seconds is in bucket 0."""
LAST_BUCKET: Final = 32 * BUCKETS_PER_DOUBLING - 1
"""All that is longer than 2^12 seconds (68 minutes) is in it; so a histogram has at most 1,024 buckets."""

_OFFSET: Final = -SMALLEST_EXPONENT * BUCKETS_PER_DOUBLING
_SHORTEST_SECONDS: Final = 2.0**SMALLEST_EXPONENT

Buckets = dict[int, int]
"""How many latencies each bucket holds, by its index; empty ones are not there."""


def bucket_of(seconds: float) -> int:
    """The index of the bucket that a latency belongs to."""
    if seconds <= _SHORTEST_SECONDS:
        return 0
    return min(int(log2(seconds) * BUCKETS_PER_DOUBLING + _OFFSET), LAST_BUCKET)


def lower_bound(bucket: int) -> float:
    """Where ``bucket`` begins, in seconds; where the one before it ends."""
    return exp2((bucket - _OFFSET) / BUCKETS_PER_DOUBLING)


def middle(bucket: int) -> float:
    """What stands for all latencies in ``bucket``, in seconds: its geometric middle."""
    return exp2((bucket + 0.5 - _OFFSET) / BUCKETS_PER_DOUBLING)


def merge(into: Buckets, other: Mapping[int, int]) -> None:
    """Add the counts of ``other`` to ``into``."""
    if not into:
        into.update(other)
        return
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The latency, in seconds, that ``share`` (0 to 1) of all do not exceed: the nearest-rank one. None without any."""
    total = sum(buckets.values())
    exceeding = total - _rank(share, total)
    for bucket in sorted(buckets, reverse=True):  # from above: most that are asked for are high
        exceeding -= buckets[bucket]
        if exceeding < 0:
            return middle(bucket)
    return None


def _rank(share: float, total: int) -> int:
    """Which one of so many latencies, from 1 at the shortest, is the quantile."""
    return max(1, -int(-share * total // 1))


def quantiles(buckets: Mapping[int, int], shares: Iterable[float]) -> list[float | None]:
    """The quantile of each of ``shares``, which must ascend, in one walk."""
    total = sum(buckets.values())
    if not total:
        return [None for _ in shares]
    ascending = iter(sorted(buckets.items()))
    found: list[float | None] = []
    bucket, seen = next(ascending)
    for share in shares:
        rank = _rank(share, total)
        while seen < rank:
            bucket, count = next(ascending)
            seen += count
        found.append(middle(bucket))
    return found


def count_up_to(buckets: Mapping[int, int], bounds: Iterable[float]) -> list[int]:
    """For each of ``bounds`` (seconds, ascending), how many latencies do not exceed it.

    A bucket that a bound cuts counts as below it when its middle is: so a bound is off by 1.1 % at the most.
    """
    ascending = sorted(buckets.items())
    at = seen = 0
    found: list[int] = []
    for bound in bounds:
        while at < len(ascending) and middle(ascending[at][0]) <= bound:
            seen += ascending[at][1]
            at += 1
        found.append(seen)
    return found
