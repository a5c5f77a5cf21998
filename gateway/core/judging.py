"""What one rule says of what was counted: the value, the bound, and whether the evidence supports it.

A rule claims something of the candidate: ``error_rate > 5%`` of a guard is what it fears, ``p95 < 1.1x baseline`` of a
gate what it asks for. In both cases the claim is believed when the window satisfies it plainly *and* the evidence
supports it (`gateway.core.evidence`): a guard's from some beginning in its window on, a gate's since its stage began.
Counts (``errors > 100``) are compared plainly: they claim nothing beyond what was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Final

from gateway.core.evidence import (
    Counts,
    Latencies,
    log_wealth_above,
    log_wealth_below,
    log_wealth_of_quantile,
    log_wealth_of_relative_quantile,
    log_wealth_of_share,
)
from gateway.core.histogram import bucket_of, quantile
from gateway.core.plans import COUNTS, QUANTILES, RATES, Bound, Metric, Op, Rule
from gateway.core.windows import Cell

LEAST_BASELINE_RATE: Final = 0.001
"""``Nx baseline`` takes a rate's baseline as at least this: twice nothing is not a bound."""

LEAST_DIFFERENCE_SECONDS: Final = 0.010
"""``Nx baseline`` wants at least this much difference on a latency: 3 ms against 1 ms hurts nobody."""

KEPT_AWAY: Final = "kept_away"
"""The kind, among a cell's errors, of requests that never got to the candidate."""

MISMATCHING: Final = frozenset({Metric.MISMATCH_RATE, Metric.MISMATCHES})
"""What rests on compared answers."""

COMPARE: Final[dict[Op, Callable[[float, float], bool]]] = {
    Op.BELOW: lt,
    Op.AT_MOST: le,
    Op.ABOVE: gt,
    Op.AT_LEAST: ge,
}


def claims_above(rule: Rule) -> bool:
    """Whether the rule claims that the value is above its bound."""
    return rule.op in {Op.ABOVE, Op.AT_LEAST}


def counts_of(metric: Metric, cell: Cell) -> Counts:
    """Hits and trials of a rate."""
    hits = {
        Metric.ERROR_RATE: cell.error_count,
        Metric.CLIENT_ERROR_RATE: cell.client_errors,
        Metric.FAILOVER_RATE: cell.failovers,
        Metric.MISMATCH_RATE: cell.mismatches,
    }
    return Counts(hits[metric], trials_of(metric, cell))


def trials_of(metric: Metric, cell: Cell) -> int:
    """How many requests the value rests on; of what compares answers, the copies."""
    if metric in QUANTILES:
        return sum(cell.latencies.values())
    return cell.compared if metric in MISMATCHING else cell.requests


def value_of(metric: Metric, cell: Cell) -> float | None:
    """A rate (0 to 1), a latency in seconds, or a count; None when nothing is known."""
    if metric in QUANTILES:
        return quantile(cell.latencies, QUANTILES[metric])
    if metric in RATES:
        counts = counts_of(metric, cell)
        return counts.share if trials_of(metric, cell) else None
    if metric is Metric.MISMATCHES:
        return float(cell.mismatches) if cell.compared else None
    return float(cell.error_count if metric is Metric.ERRORS else cell.requests)


def bound_of(rule: Rule, baseline: float | None) -> float | None:
    """What the candidate's value is compared with, given the baseline's; None when that is needed and unknown."""
    if not rule.bound.is_relative:
        return rule.bound.value
    return None if baseline is None else limit_of(rule.metric, rule.bound)(baseline)


def limit_of(metric: Metric, bound: Bound) -> Callable[[float], float]:
    """The bound as a function of the baseline's value. It never falls."""
    factor, value = bound.factor, bound.value
    if factor is None:
        return lambda baseline: baseline + value
    if metric in RATES:
        return lambda baseline: factor * max(baseline, LEAST_BASELINE_RATE)
    if factor >= 1:
        return lambda baseline: max(factor * baseline, baseline + LEAST_DIFFERENCE_SECONDS)
    return lambda baseline: max(0.0, min(factor * baseline, baseline - LEAST_DIFFERENCE_SECONDS))


def _bends_of(bound: Bound) -> tuple[float, ...]:
    """Where the limit of a rate stops being the same line: where the baseline's floor ends, and where it reaches 1."""
    if bound.factor is None:
        return (max(0.0, 1 - bound.value),)
    return tuple(sorted((LEAST_BASELINE_RATE, 1 / max(bound.factor, 1.0))))


def is_met(rule: Rule, value: float, bound: float) -> bool:
    """Whether the value satisfies the rule plainly."""
    return COMPARE[rule.op](value, bound)


def needs_evidence(rule: Rule) -> bool:
    """Whether the rule claims more than what was seen."""
    return rule.metric not in COUNTS


def log_wealth_of(rule: Rule, candidate: Cell, baseline: Cell, needed: float) -> float:
    """The evidence that what the rule claims is so.

    What is known to stay under ``needed`` is not worked out any closer.
    """
    if rule.metric in QUANTILES:
        return _log_wealth_of_latency(rule, candidate, baseline, needed)
    counts = counts_of(rule.metric, candidate)
    is_above = claims_above(rule)
    if not rule.bound.is_relative:
        return (log_wealth_above if is_above else log_wealth_below)(counts, min(rule.bound.value, 1.0))
    return log_wealth_of_share(
        counts,
        counts_of(rule.metric, baseline),
        limit_of(rule.metric, rule.bound),
        is_above=is_above,
        bends=_bends_of(rule.bound),
        needed=needed,
    )


def log_wealth_of_difference(rule: Rule, candidate: Cell, baseline: Cell, needed: float) -> float:
    """The evidence that the candidate goes beyond the bound of an absolute rule more often than the baseline does."""
    return log_wealth_of_share(
        _count_beyond(rule, candidate),
        _count_beyond(rule, baseline),
        float,
        is_above=claims_above(rule),
        bends=(),
        needed=needed,
    )


def _count_beyond(rule: Rule, cell: Cell) -> Counts:
    """Errors of a rate; of a quantile the latencies above its bound."""
    if rule.metric in QUANTILES:
        return Latencies(cell.latencies).count_above(bucket_of(rule.bound.value))
    return counts_of(rule.metric, cell)


def _log_wealth_of_latency(rule: Rule, candidate: Cell, baseline: Cell, needed: float) -> float:
    level = QUANTILES[rule.metric]
    latencies, is_above = Latencies(candidate.latencies), claims_above(rule)
    if not rule.bound.is_relative:
        return log_wealth_of_quantile(latencies, level, rule.bound.value, is_above=is_above)
    return log_wealth_of_relative_quantile(
        latencies,
        Latencies(baseline.latencies),
        level,
        limit_of(rule.metric, rule.bound),
        is_above=is_above,
        needed=needed,
    )
