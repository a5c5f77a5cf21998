"""What a worker counts: every request once, when it is over.

Counting costs the hot path two look-ups to find the figures of the request's route, path and arm, and a few additions.
Everything else (merging over workers, windows, quantiles) is left to whoever takes the figures away, four times a
second.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from gateway.core.figures import CLIENT_GONE, DURATION_BOUNDS, UNROUTED, Answer, Counted, Exemplar, PathFigures, Subject
from gateway.core.histogram import bucket_of
from gateway.core.types import Arm
from gateway.errors import BackendTimeout, Overloaded, ProxyError
from gateway.proxy.crowding import Crowding
from gateway.proxy.failures import Failures

if TYPE_CHECKING:
    from gateway.core.crowd import Crowd
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.failover import Failed

# So many subjects go into one report, a frame of some megabytes at the most. What is left goes with the next.
MOST_AT_ONCE: Final = 5000

_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500
_SWITCHING_PROTOCOLS: Final = 101

# A name of the module is found several times as fast as a member of an enumeration.
_CANDIDATE: Final = Arm.CANDIDATE

_Key = tuple[str, str, bool, bool]
"""Route, path template, whether the arm is the candidate and whether it was forced: enumerations are slow to hash."""

_Answers = dict[tuple[str, bytes, int, str], int]
"""As `Answer`, with the method as it came: it becomes text when the figures are taken."""


class _Tally:
    """`PathFigures` in the making; ``crowd`` gets the places of those who asked."""

    __slots__ = ("answers", "crowd", "figures")

    def __init__(self, crowd: Crowd | None = None) -> None:
        self.answers: _Answers = {}
        self.crowd = crowd
        self.figures = PathFigures()

    def finish(self) -> PathFigures:
        """The figures, with their answers named."""
        for (backend, method, code, reason), count in self.answers.items():
            self.figures.answers[Answer(backend, method.decode("latin-1"), code, reason)] = count
        return self.figures


class Counters:
    """Everything that a worker has counted since the last report. It outlives reloads."""

    __slots__ = ("_tallies", "_unrouted", "crowding", "failures", "lacking_writes")

    def __init__(self) -> None:
        self.crowding = Crowding()
        """The places of the users that were seen."""
        self.lacking_writes: dict[tuple[str, str], int] = {}
        """Writes that both arms were to take and only one has, by route and reason, until somebody empties this."""
        self.failures = Failures()
        """Some of the requests that the candidate failed."""
        self._tallies: dict[_Key, _Tally] = {}
        self._unrouted = _Tally()

    def count(self, exchange: Exchange, path: str) -> None:
        """Count a request that is over, under the template ``path``."""
        decision = exchange.decision
        assert decision is not None
        reason = decision.reason
        status = exchange.status or CLIENT_GONE
        key = (decision.entry.route.name, path, decision.side.arm is _CANDIDATE, reason == "override")
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally(self.crowding.find(decision.entry.rollout))
        crowd, place = tally.crowd, decision.bucket
        if crowd is None and place is not None:  # a copy was counted first
            crowd = tally.crowd = self.crowding.find(decision.entry.rollout)
        if crowd is not None and place is not None and place < crowd.edge:
            crowd.add(place)
        answers, figures = tally.answers, tally.figures
        answer = (exchange.side.backend, exchange.request.method, status, reason)
        answers[answer] = answers.get(answer, 0) + 1
        seconds = exchange.settled_at - exchange.started_at
        figures.durations[bisect_left(DURATION_BOUNDS, seconds)] += 1
        figures.duration_seconds += seconds
        if exchange.failed is not None:
            _count_failover(figures, exchange.failed)
            self.failures.note(exchange, path, exchange.failed.kind)
            return
        if exchange.header_at and status != _SWITCHING_PROTOCOLS:
            latency = exchange.header_at - exchange.sent_at
            bucket = bucket_of(latency)
            latencies = figures.latencies
            latencies[bucket] = latencies.get(bucket, 0) + 1
            figures.latency_seconds += latency
        if status >= _FIRST_CLIENT_ERROR or exchange.error is not None:
            kind = _count_trouble(figures, exchange)
            if kind is not None and decision.side.arm is _CANDIDATE:
                self.failures.note(exchange, path, kind)

    def exemplify(self, exchange: Exchange, bucket: int, exemplar: Exemplar) -> None:
        """Let a traced request that was counted stand for its bucket of durations."""
        decision = exchange.decision
        assert decision is not None
        is_candidate, is_forced = decision.side.arm is _CANDIDATE, decision.reason == "override"
        key = (decision.entry.route.name, exchange.template or "", is_candidate, is_forced)
        self._tallies[key].figures.exemplars[bucket] = exemplar

    def count_copy(self, route: str, path: str, result: str, reason: str) -> None:
        """Count what came of a copy, or why there was none."""
        key = (route, path, True, False)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally()
        copies, outcome = tally.figures.copies, (result, reason)
        copies[outcome] = copies.get(outcome, 0) + 1

    def count_unrouted(self, method: bytes, status: int, seconds: float) -> None:
        """Count a request that no route served: refused, or not matched."""
        answers, figures = self._unrouted.answers, self._unrouted.figures
        answer = ("", method, status, "")
        answers[answer] = answers.get(answer, 0) + 1
        figures.durations[bisect_left(DURATION_BOUNDS, seconds)] += 1
        figures.duration_seconds += seconds

    def take(self) -> tuple[Counted, ...]:
        """What was counted since the last call (up to a bound; the rest stays for the next)."""
        taken: list[Counted] = []
        if self._unrouted.answers:
            taken.append(Counted(UNROUTED, self._unrouted.finish()))
            self._unrouted = _Tally()
        while self._tallies and len(taken) < MOST_AT_ONCE:
            (route, path, is_candidate, is_forced), tally = self._tallies.popitem()
            arm = str(Arm.CANDIDATE if is_candidate else Arm.BASELINE)
            taken.append(Counted(Subject(route, path, arm, is_forced), tally.finish()))
        return tuple(taken)


def _count_trouble(figures: PathFigures, exchange: Exchange) -> str | None:
    """Count what the arm did wrong, or was asked wrongly; how it failed, if it did."""
    kind = error_kind(exchange.error, exchange.status if exchange.header_at else 0)
    if kind is not None:
        figures.errors[kind] = figures.errors.get(kind, 0) + 1
    elif exchange.header_at and _FIRST_CLIENT_ERROR <= exchange.status < _FIRST_SERVER_ERROR:
        figures.client_errors += 1
    if isinstance(exchange.error, BackendTimeout) and exchange.sent_at and not exchange.header_at:
        _count_latency(figures, exchange.settled_at - exchange.sent_at)  # whoever hangs is not quick
    return kind


def _count_failover(figures: PathFigures, failed: Failed) -> None:
    """Count what the candidate did, not how the baseline answered in its place."""
    figures.failovers[failed.reason] = figures.failovers.get(failed.reason, 0) + 1
    figures.errors[failed.kind] = figures.errors.get(failed.kind, 0) + 1
    if failed.latency_seconds is not None:
        _count_latency(figures, failed.latency_seconds)


def _count_latency(figures: PathFigures, latency: float) -> None:
    bucket = bucket_of(latency)
    figures.latencies[bucket] = figures.latencies.get(bucket, 0) + 1
    figures.latency_seconds += latency


def error_kind(error: ProxyError | None, answered: int) -> str | None:
    """How the backend failed (one of `ERROR_KINDS`); None when it did not. ``answered`` is its status, 0 for none."""
    if isinstance(error, Overloaded):
        return "connect"
    if error is not None and error.source == "backend":
        return error.kind
    return "5xx" if answered >= _FIRST_SERVER_ERROR else None
