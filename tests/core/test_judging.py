"""What a rule reads of what was counted, and what it compares it with."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.evidence import Counts
from gateway.core.histogram import bucket_of
from gateway.core.judging import (
    bound_of,
    claims_above,
    counts_of,
    is_met,
    limit_of,
    log_wealth_of,
    log_wealth_of_difference,
    needs_evidence,
    trials_of,
    value_of,
)
from gateway.core.plans import QUANTILES, RATES, Bound, Metric, Op
from gateway.core.windows import Cell
from tests.core.watching import rule

CELL = Cell(
    requests=200,
    client_errors=10,
    errors={"5xx": 3, "timeout": 1},
    latencies={bucket_of(0.1): 90, bucket_of(0.5): 10},
    failovers=2,
    compared=50,
    mismatches=3,
)

bounds = st.one_of(
    st.builds(Bound, factor=st.floats(0.01, 100)), st.builds(Bound, value=st.floats(0, 10), is_added=st.just(True))
)


@pytest.mark.parametrize(
    ("metric", "value", "trials"),
    [
        (Metric.ERROR_RATE, 0.02, 200),
        (Metric.CLIENT_ERROR_RATE, 0.05, 200),
        (Metric.FAILOVER_RATE, 0.01, 200),
        (Metric.ERRORS, 4, 200),
        (Metric.REQUESTS, 200, 200),
        (Metric.P50, pytest.approx(0.1, rel=0.011), 100),
        (Metric.P90, pytest.approx(0.1, rel=0.011), 100),
        (Metric.P95, pytest.approx(0.5, rel=0.011), 100),
        (Metric.P99, pytest.approx(0.5, rel=0.011), 100),
        (Metric.MISMATCH_RATE, 0.06, 50),
        (Metric.MISMATCHES, 3, 50),
    ],
)
def test_each_metric_has_its_value(metric: Metric, value: float | None, trials: int) -> None:
    """Rates are shares, latencies seconds and rest on those that had one; mismatches rest on what was compared."""
    assert value_of(metric, CELL) == value
    assert trials_of(metric, CELL) == trials


@pytest.mark.parametrize("metric", [*sorted(RATES), *QUANTILES])
def test_of_nothing_nothing_is_known(metric: Metric) -> None:
    """No rate is 0 because nobody asked."""
    assert value_of(metric, Cell()) is None


def test_nothing_counted_is_a_count_of_none() -> None:
    """Counts are known always."""
    assert value_of(Metric.ERRORS, Cell()) == 0
    assert value_of(Metric.REQUESTS, Cell()) == 0


def test_no_mismatch_is_known_where_nothing_was_compared() -> None:
    """A candidate whose answers nobody looked at is not one that answers alike, however many it gave."""
    unseen = Cell(requests=200)

    assert value_of(Metric.MISMATCHES, unseen) is None
    assert value_of(Metric.MISMATCH_RATE, unseen) is None
    assert value_of(Metric.MISMATCHES, Cell(compared=1)) == 0


@given(bounds, st.sampled_from(Metric), st.floats(0, 100), st.floats(0, 100))
def test_a_limit_never_falls(bound: Bound, metric: Metric, one: float, other: float) -> None:
    """A baseline that does worse never makes the bound stricter: evidence rests on it."""
    limit = limit_of(metric, bound)

    assert limit(min(one, other)) <= limit(max(one, other)) * (1 + 1e-12)
    assert limit(one) >= 0


@pytest.mark.parametrize(
    ("text", "baseline", "bound"),
    [
        ("error_rate > 5%", None, 0.05),
        ("error_rate > baseline + 1%", 0.02, 0.03),
        ("error_rate > 2x baseline", 0.02, 0.04),
        ("error_rate > 2x baseline", 0.0, 0.002),  # a baseline of 0.1 % at least
        ("error_rate < 0.5x baseline", 0.0, 0.0005),
        ("p99 > 300ms", None, 0.3),
        ("p99 > 2x baseline", 0.1, 0.2),
        ("p99 > 2x baseline", 0.002, 0.012),  # 10 ms of difference at least
        ("p95 < 1.1x baseline", 0.02, 0.03),
        ("p95 < 0.9x baseline", 0.2, 0.18),
        ("p95 < 0.9x baseline", 0.05, 0.04),  # an improvement by 10 ms at least
        ("p95 < 0.9x baseline", 0.005, 0.0),  # which nobody is who takes 5
        ("p95 > baseline + 50ms", 0.1, 0.15),
        ("error_rate > baseline + 1%", None, None),
        ("p99 > 2x baseline", None, None),
    ],
)
def test_bounds_are_what_the_rule_says(text: str, baseline: float | None, bound: float | None) -> None:
    """Values, multiples and additions; unknown when the baseline is needed and unknown."""
    assert bound_of(rule(text), baseline) == (None if bound is None else pytest.approx(bound))


@pytest.mark.parametrize(
    ("op", "below", "equal", "above"),
    [
        (Op.BELOW, True, False, False),
        (Op.AT_MOST, True, True, False),
        (Op.ABOVE, False, False, True),
        (Op.AT_LEAST, False, True, True),
    ],
)
def test_values_are_compared_as_written(op: Op, below: bool, equal: bool, above: bool) -> None:
    """On both sides of the bound, and on it."""
    asked = rule(f"errors {op} 5")

    assert [is_met(asked, value, 5) for value in (4, 5, 6)] == [below, equal, above]
    assert claims_above(asked) is above


@pytest.mark.parametrize("metric", list(Metric))
def test_counts_alone_need_no_evidence(metric: Metric) -> None:
    """They claim nothing beyond what was seen."""
    is_count = metric in {Metric.ERRORS, Metric.REQUESTS, Metric.MISMATCHES}
    written = "5" if is_count else "5%" if metric in RATES else "5ms"

    assert needs_evidence(rule(f"{metric} > {written}")) is not is_count


def arm(requests: int, errors: int, seconds: float) -> Cell:
    """So many requests, errors among them, all of one latency."""
    return Cell(requests, errors, {"5xx": errors}, {bucket_of(seconds): requests}, errors)


BAD, GOOD = arm(2000, 600, 0.9), arm(2000, 2, 0.05)


@pytest.mark.parametrize(
    ("fears", "asks"),
    [
        ("error_rate > 5%", "error_rate < 5%"),
        ("client_error_rate > 5%", "client_error_rate <= 5%"),
        ("failover_rate >= 5%", "failover_rate < 5%"),
        ("error_rate > baseline + 1%", "error_rate < baseline + 1%"),
        ("error_rate > 2x baseline", "error_rate < 9x baseline"),
        ("p50 > 300ms", "p50 < 300ms"),
        ("p99 > 300ms", "p99 < 300ms"),
        ("p50 > 2x baseline", "p50 < 1.2x baseline"),
        ("p95 > baseline + 100ms", "p95 < baseline + 100ms"),
    ],
)
def test_evidence_speaks_for_what_is_so(fears: str, asks: str) -> None:
    """A candidate that is bad, against a baseline that is good, and one that is as good as it."""
    assert log_wealth_of(rule(fears), BAD, GOOD, 5.0) >= 5
    assert log_wealth_of(rule(fears), GOOD, GOOD, 5.0) < 0
    assert log_wealth_of(rule(asks), GOOD, GOOD, 5.0) >= 5
    assert log_wealth_of(rule(asks), BAD, GOOD, 5.0) < 0


def test_mismatches_are_weighed_by_what_was_compared() -> None:
    """Requests that were not copied say nothing about how the answers differ."""
    drifting, quiet = Cell(requests=9, compared=2000, mismatches=60), Cell(requests=9, compared=2000, mismatches=1)
    unseen = Cell(requests=2000)

    assert log_wealth_of(rule("mismatch_rate > 1%"), drifting, Cell(), 5.0) >= 5
    assert log_wealth_of(rule("mismatch_rate < 1%"), quiet, Cell(), 5.0) >= 5
    assert log_wealth_of(rule("mismatch_rate < 1%"), drifting, Cell(), 5.0) < 0
    assert log_wealth_of(rule("mismatch_rate < 1%"), unseen, Cell(), 5.0) <= 0


def test_an_improvement_is_believed_where_there_is_one() -> None:
    """Half the latency of a slow baseline; not the same latency, and not without a baseline."""
    asked = rule("p95 < 0.9x baseline")

    assert log_wealth_of(asked, arm(2000, 0, 0.4), arm(2000, 0, 0.9), 5.0) >= 5
    assert log_wealth_of(asked, BAD, BAD, 5.0) < 0
    assert log_wealth_of(asked, GOOD, Cell(), 5.0) < 5


@pytest.mark.parametrize("text", ["error_rate > 5%", "p99 > 300ms", "p50 > 60ms"])
def test_who_is_beyond_a_bound_alone_is_told_from_who_is_so_in_company(text: str) -> None:
    """The arms are compared at the rule's own bound: a few dozen requests do, for p99 as well."""
    asked = rule(text)

    assert log_wealth_of_difference(asked, BAD, GOOD, 5.0) >= 5
    assert log_wealth_of_difference(asked, arm(40, 30, 0.9), arm(40, 0, 0.05), 5.0) >= 5
    assert log_wealth_of_difference(asked, BAD, BAD, 5.0) < 1
    assert log_wealth_of_difference(asked, GOOD, BAD, 5.0) < 0
    assert log_wealth_of_difference(asked, BAD, Cell(), 5.0) < 1


def test_what_is_written_beyond_everything_is_no_error() -> None:
    """Bounds at the edges have an answer as well."""
    for text in ("error_rate >= 100%", "error_rate <= 0%", "error_rate < 5000x baseline", "p99 > 999999s"):
        for cell in (BAD, GOOD, Cell()):
            assert log_wealth_of(rule(text), cell, GOOD, -inf) < inf


def test_kinds_of_errors_are_hits_alike() -> None:
    """Whatever the kind, those kept away among them."""
    cell = Cell(requests=10, errors={"5xx": 1, "connect": 2, "kept_away": 3})

    assert counts_of(Metric.ERROR_RATE, cell) == Counts(6, 10)
