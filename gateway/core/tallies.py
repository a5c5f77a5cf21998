"""What comparing has found, as sums: how often each field of each path differed, and samples of it.

The comparer counts and sends what has come since the last time; the controller adds it to the record that it keeps, and
tells a new comparer what is known already. Adding is all there is to it, as with figures.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Sample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One difference as it was seen, redacted and cut to a bound: values as JSON has them, so without cycles.

    A record has a hundred thousand of them, which the garbage collector need not look through.
    """

    request_id: str
    time: float
    """Seconds since the epoch."""
    baseline: Any
    candidate: Any


class FieldTally(msgspec.Struct, array_like=True):
    """How often a field differed in one kind."""

    count: int = 0
    """Pairs of baseline and candidate in which it did."""
    counted: int = 0
    """Those of them in which it counted as a mismatch: the rest was noise."""
    noisy: int = 0
    """Pairs of two baseline answers in which it did."""
    first_at: float = 0.0
    """When it differed first, in seconds since the epoch; 0: not yet, between baseline and candidate."""
    last_at: float = 0.0
    samples: list[Sample] = msgspec.field(default_factory=list)
    """The newest, the last one last."""


class PathTally(msgspec.Struct, array_like=True):
    """What came of the pairs of one path."""

    route: str
    path: str
    compared: int = 0
    """Pairs of baseline and candidate: match, mismatch and noise."""
    twins: int = 0
    """Pairs of two baseline answers."""
    fields: dict[tuple[str, str], FieldTally] = msgspec.field(default_factory=dict)
    """By field and kind (`gateway.core.differences.Kind`)."""
