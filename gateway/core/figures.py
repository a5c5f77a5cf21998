"""What is counted of requests: the figures of one path template of one route, on one arm.

A worker counts into `PathFigures`, sends them to the controller as the delta since the last report, and begins anew;
the controller adds them up. So the same struct is the count, the message and the total, and adding is all there is to
it: figures of any workers and times merge.

What counts as what (SPEC sections 7 and 10):

- An *answer* is what the client got: one per request. Status 499 stands for a client that left before it got any.
- An *error* is the arm's own failure, by kind: ``connect`` (refused, or no connection came free in time), ``timeout``,
  ``reset``, ``protocol``, ``5xx``.
- A *client error* is a 4xx that the arm's backend answered, not one that the gateway made.
- A *latency* is the time from the request's last byte sent to the header of the backend's response, or to the time-out
  that ended the waiting. Upgrades and clients that left have none.
- A *duration* is that of the whole request, from its head to the last byte of its answer.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

import msgspec

from gateway.core.histogram import Buckets, merge

DURATION_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""The upper bounds of the durations' buckets, in seconds; an eleventh bucket has what is longer."""

ERROR_KINDS: Final = ("connect", "timeout", "reset", "protocol", "5xx")

KEPT_AWAY: Final = frozenset({"unhealthy", "breaker"})
"""The reasons of decisions that send to the baseline what would be the candidate's: rules count them against it, so
that one that rests is not taken for a healthy one.
"""

COMPARED: Final = ("match", "mismatch", "noise")
"""The results of copies whose answer was held against the user's."""

MISMATCH: Final = "mismatch"

CLIENT_GONE: Final = 499
"""The status of a request whose client left before it got an answer; nginx's number for it."""


class Subject(NamedTuple):
    """What figures are about. All parts are empty for requests that no route served."""

    route: str
    path: str
    """A template, never a raw path."""
    arm: str
    is_forced: bool
    """Whether ``X-Crossfade-Arm`` chose the arm: such requests are counted, but rules do not look at them."""


UNROUTED: Final = Subject("", "", "", is_forced=False)
"""What no route served."""


class Answer(NamedTuple):
    """What requests have in common that are counted as one."""

    backend: str
    method: str
    code: int
    reason: str
    """Of the decision."""


class Exemplar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One traced request that stands for a bucket of durations."""

    trace_id: str
    seconds: float
    at: float
    """Seconds since the epoch."""


class PathFigures(msgspec.Struct, array_like=True):
    """See the module. All of it adds up."""

    answers: dict[Answer, int] = msgspec.field(default_factory=dict)
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """By kind, see `ERROR_KINDS`."""
    client_errors: int = 0
    durations: list[int] = msgspec.field(default_factory=lambda: [0] * (len(DURATION_BOUNDS) + 1))
    """How many fell between one of `DURATION_BOUNDS` and the next (not cumulated)."""
    duration_seconds: float = 0.0
    """Of all requests together."""
    latencies: Buckets = msgspec.field(default_factory=dict)
    latency_seconds: float = 0.0
    exemplars: dict[int, Exemplar] = msgspec.field(default_factory=dict)
    """The newest traced request of each bucket of ``durations``, by its index."""
    failovers: dict[str, int] = msgspec.field(default_factory=dict)
    """Requests that the candidate failed and the baseline answered, by error kind or status."""
    copies: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    """What came of copies, by result (`COMPARED`, ``error``, ``skipped``) and reason."""

    @property
    def requests(self) -> int:
        """How many were answered, whatever the answer."""
        return sum(self.answers.values())

    @property
    def kept_away(self) -> int:
        """How many were the candidate's, but an open breaker or its health kept them from it."""
        return sum(count for answer, count in self.answers.items() if answer.reason in KEPT_AWAY)

    @property
    def compared(self) -> int:
        """How many copies had an answer that was held against the user's."""
        return sum(count for (result, _), count in self.copies.items() if result in COMPARED)

    @property
    def mismatches(self) -> int:
        """How many of those differed in more than noise."""
        return sum(count for (result, _), count in self.copies.items() if result == MISMATCH)

    def add(self, other: PathFigures) -> None:
        """Take in figures of other requests about the same subject."""
        for answer, count in other.answers.items():
            self.answers[answer] = self.answers.get(answer, 0) + count
        for kind, count in other.errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + count
        self.client_errors += other.client_errors
        self.durations = [mine + its for mine, its in zip(self.durations, other.durations, strict=True)]
        self.duration_seconds += other.duration_seconds
        merge(self.latencies, other.latencies)
        self.latency_seconds += other.latency_seconds
        self.exemplars.update(other.exemplars)
        for reason, count in other.failovers.items():
            self.failovers[reason] = self.failovers.get(reason, 0) + count
        for outcome, count in other.copies.items():
            self.copies[outcome] = self.copies.get(outcome, 0) + count


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """The figures of one subject, as workers report them."""

    subject: Subject
    figures: PathFigures


def duration_bucket(seconds: float) -> int:
    """The index in ``durations`` that a request of this duration belongs to."""
    return bisect_left(DURATION_BOUNDS, seconds)
