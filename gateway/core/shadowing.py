"""What is copied to the arm that does not answer, and what is compared then: the types that processes exchange.

A worker copies a request when its user has the answer (`gateway.proxy.copying`), and offers both answers as a `Pair`
to the comparer, which is another process. Percentages are 0 to 100, times seconds, sizes bytes.
"""

from __future__ import annotations

from typing import Final

import msgspec
from mmh3 import mmh3_32_uintdigest

from gateway.core.plans import Value

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110, section 9.2.1. Copies of all others are writes: both arms take every one of them."""

_WHOLE: Final = 1 << 32

# Another seed for each question: one hash for two purposes correlates them.
_SAMPLING_SEED: Final = 0x5AD0
_TWIN_SEED: Final = 0x7317


class Tolerance(Value, frozen=True):
    """How far two numbers may be apart: ``value``, or where it ``is_relative`` that share of the baseline's."""

    path: str
    value: float
    is_relative: bool = False


class Compare(Value, frozen=True):
    """What counts as a difference. Paths are JSONPath (RFC 9535)."""

    status: bool
    headers: tuple[str, ...]
    """As they are written in the configuration."""
    ignore: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    """Arrays that are compared as multisets."""
    tolerances: tuple[Tolerance, ...] = ()
    noise: float = 0.0
    """The share of copies that also go to the baseline a second time."""
    redact: tuple[str, ...] = ()
    samples: int = 5
    """Kept of each path and kind of difference."""


class Shadow(Value, frozen=True):
    """Which requests of a route are copied, within which bounds."""

    percent: float
    """Of those with a safe method."""
    methods: frozenset[str]
    both: bool
    """Whether requests that the candidate answers are copied to the baseline, too."""
    body_bytes: int
    concurrency: int
    timeout_seconds: float
    compare: Compare


class Journal(Value, frozen=True):
    """Which writes that the candidate alone answered are kept, to be replayed onto the baseline."""

    methods: frozenset[str]
    body_bytes: int
    """Larger writes go to the baseline."""
    keep_seconds: float
    size_bytes: int
    drops_when_full: bool
    """Else writes go to the baseline while it is full."""


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one side answered."""

    status: int
    head: bytes
    """The fields as they came, each line with its CR LF."""
    body: bytes
    """Without its transfer coding, with its content coding."""


class Pair(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Two answers to the same request."""

    route: str
    path: str
    """A template, never a raw path."""
    method: str
    request_id: str
    time: float
    """Seconds since the epoch."""
    baseline: Reply
    other: Reply
    """The candidate's; of a twin the baseline's second."""
    is_twin: bool = False
    is_forced: bool = False
    """Whether the request chose its arm itself: rules do not see what comes of it."""


def is_sampled(request_id: bytes, percent: float) -> bool:
    """Whether the request with this ID is among the copied ``percent``; the same on every worker."""
    return mmh3_32_uintdigest(request_id, _SAMPLING_SEED) < percent / 100 * _WHOLE


def has_twin(request_id: bytes, percent: float) -> bool:
    """Whether it goes to the baseline a second time; independent of whether it is sampled."""
    return mmh3_32_uintdigest(request_id, _TWIN_SEED) < percent / 100 * _WHOLE
