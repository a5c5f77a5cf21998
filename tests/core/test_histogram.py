"""Quantiles are right within 1.1 %, and histograms merge by addition."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.histogram import (
    LAST_BUCKET,
    Buckets,
    bucket_of,
    count_up_to,
    lower_bound,
    merge,
    middle,
    quantile,
    quantiles,
)

latencies = st.lists(st.floats(0.001, 60), min_size=1, max_size=200)
histograms = st.dictionaries(st.integers(0, LAST_BUCKET), st.integers(1, 2**40), max_size=20)


def fill(seconds: list[float]) -> Buckets:
    """The histogram of latencies."""
    buckets: Buckets = {}
    for each in seconds:
        merge(buckets, {bucket_of(each): 1})
    return buckets


@given(latencies, st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_off_by_little(seconds: list[float], share: float) -> None:
    """From 1 ms to 60 s, against the exact one of the nearest rank."""
    exact = sorted(seconds)[max(1, ceil(share * len(seconds))) - 1]

    assert quantile(fill(seconds), share) == pytest.approx(exact, rel=0.011)


@given(st.floats(2**-20, 4000))
def test_a_bucket_holds_what_is_between_its_bounds(seconds: float) -> None:
    """Each latency has one."""
    bucket = bucket_of(seconds)

    assert lower_bound(bucket) <= seconds * (1 + 1e-12)
    assert seconds <= lower_bound(bucket + 1) * (1 + 1e-12)
    assert lower_bound(bucket) < middle(bucket) < lower_bound(bucket + 1)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9])
def test_what_is_out_of_range_is_in_the_first_or_last_bucket(seconds: float) -> None:
    """A clock that goes back, or a request of a week, breaks nothing."""
    assert bucket_of(seconds) in {0, LAST_BUCKET}


@given(histograms, histograms)
def test_merging_is_addition(one: Buckets, other: Buckets) -> None:
    """In either order, and nothing is lost."""
    there, back = dict(one), dict(other)
    merge(there, other)
    merge(back, one)

    assert there == back
    assert sum(there.values()) == sum(one.values()) + sum(other.values())


@given(histograms, histograms, histograms)
def test_it_does_not_matter_what_is_merged_first(one: Buckets, two: Buckets, three: Buckets) -> None:
    """Workers and times may be put together in any grouping."""
    left, right, rest = dict(one), dict(one), dict(two)
    merge(left, two)
    merge(left, three)
    merge(rest, three)
    merge(right, rest)

    assert left == right


@given(histograms, st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_one_quantile_is_the_same_as_among_several(buckets: Buckets, share: float) -> None:
    """Though it is looked for from the other end."""
    assert quantile(buckets, share) == quantiles(buckets, (share,))[0]


def test_nothing_has_no_quantile() -> None:
    """Unknown is not zero."""
    assert quantile({}, 0.5) is None
    assert quantiles({}, (0.5, 0.99)) == [None, None]


@given(histograms, st.lists(st.floats(0, 100), min_size=1, max_size=8).map(sorted))
def test_counts_up_to_bounds_ascend_to_all(buckets: Buckets, bounds: list[float]) -> None:
    """As a cumulative histogram must."""
    counts = count_up_to(buckets, [*bounds, 1e9])

    assert counts == sorted(counts)
    assert counts[-1] == sum(buckets.values())
