"""Plans: by which stages a rollout moves forward, on what evidence, and what takes it back.

The controller compiles them from the configuration (`gateway.settings.compile`); the words are those of the
configuration. A rollout without stages has a fixed percentage: its plan has guards only. Durations are seconds, shares
percentages from 0 to 100.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

DEFAULT_WINDOW_SECONDS: Final = 60.0
"""What a rule without ``for`` is taken over."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all parts of the table: immutable, compared by content."""


class Metric(StrEnum):
    """What a rule measures, of the candidate."""

    ERROR_RATE = "error_rate"
    CLIENT_ERROR_RATE = "client_error_rate"
    ERRORS = "errors"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"
    MISMATCH_RATE = "mismatch_rate"
    MISMATCHES = "mismatches"
    FAILOVER_RATE = "failover_rate"
    REQUESTS = "requests"


class Op(StrEnum):
    """How a value is compared with its bound."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


RATES: Final = frozenset({Metric.ERROR_RATE, Metric.CLIENT_ERROR_RATE, Metric.MISMATCH_RATE, Metric.FAILOVER_RATE})
COUNTS: Final = frozenset({Metric.ERRORS, Metric.MISMATCHES, Metric.REQUESTS})
QUANTILES: Final = {Metric.P50: 0.5, Metric.P90: 0.9, Metric.P95: 0.95, Metric.P99: 0.99}
"""The share of latencies that must not exceed the value."""


class Bound(Value, frozen=True):
    """What a value is compared with: ``value``, ``factor`` x baseline, or baseline + ``value``.

    Rates are from 0 to 1, latencies seconds.
    """

    value: float = 0.0
    factor: float | None = None
    is_added: bool = False

    @property
    def is_relative(self) -> bool:
        """Whether the baseline's value has a part in it."""
        return self.factor is not None or self.is_added


class Rule(Value, frozen=True, tag=True):
    """``METRIC OP BOUND [for DURATION]``, as `gateway.core.rules` reads it."""

    text: str
    """As a person would write it: ``error_rate > baseline + 1% for 1m``."""
    metric: Metric
    op: Op
    bound: Bound
    window_seconds: float = DEFAULT_WINDOW_SECONDS
    route: str | None = None
    """The one route that it looks at; None: all of the rollout."""
    path: str | None = None
    """The one path template that it looks at."""
    per_path: bool = False
    """Whether it is applied to every path, the worst of which acts."""
    acts_on_shared: bool = False
    """``shared: act``: whether it acts although the baseline breaks the same bound."""


class Webhook(Value, frozen=True, tag=True):
    """A gate that asks somebody else: 2xx passes."""

    url: str
    timeout_seconds: float = 10.0
    interval_seconds: float = 30.0
    secret: str = ""
    """Signs what is sent (HMAC-SHA256); empty: unsigned."""

    @property
    def text(self) -> str:
        """As rules are named."""
        return f"webhook {self.url}"


class Query(Value, frozen=True, tag=True):
    """A figure that no proxy sees, asked of a Prometheus server."""

    url: str
    query: str
    op: Op
    value: float
    timeout_seconds: float = 10.0
    interval_seconds: float = 30.0
    window_seconds: float = 0.0
    """``for``: how long the comparison must have held."""

    @property
    def text(self) -> str:
        """As rules are named."""
        return f"{self.query} {self.op} {self.value:g}"


Gate = Rule | Webhook | Query


class Do(StrEnum):
    """What a broken guard does, the mildest first."""

    NOTIFY = "notify"
    PAUSE = "pause"
    STEP_BACK = "step_back"
    SHADOW = "shadow"  # a rollback after which requests are still copied
    ROLLBACK = "rollback"


class Guard(Value, frozen=True):
    """A rule that acts at once when it is broken."""

    when: Rule | Query
    do: Do


class Stage(Value, frozen=True):
    """One step of a plan."""

    percent: float
    hold_seconds: float = 0.0
    cohorts: tuple[str, ...] = ()
    """Of the cohorts that send to the candidate, only these; none: all."""
    gates: tuple[Gate, ...] = ()
    """Its own if it names any, else the plan's."""
    guards: tuple[Guard, ...] = ()
    """Beside the plan's."""
    needs_approval: bool = False


class Plan(Value, frozen=True):
    """See the module."""

    stages: tuple[Stage, ...] = ()
    starts_by_itself: bool = False
    guards: tuple[Guard, ...] = ()
    min_requests: int = 20
    """In the window, on each arm that a rule reads; with fewer it says nothing."""
    confidence: float | None = 0.95
    """From 0.5 up to 1; None: values are compared plainly."""
    cooldown_seconds: float = 86_400.0
    retries: int = 0
    watch_seconds: float = 604_800.0
    """After completion guards act for so long, then they only notify."""
