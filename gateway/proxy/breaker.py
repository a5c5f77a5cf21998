"""The breaker: a candidate that fails again and again rests, and then shows that it is well before it gets users.

Failover saves single requests at the price of asking twice, and only those that may be sent again. When everything
fails that is not enough: each user waits for the failure first, and writes are lost. Rules see it too, but they look
once a second from another process, and want evidence. The breaker is the worker's own reflex: it counts failures in a
row on one route, and nothing else.

Three states::

              consecutive_failures in a row              rested for ``open``, and a request comes
    closed ────────────────────────────────────▶ open ────────────────────────────────────▶ half-open
      ▲  ▲                                         ▲                                         │     │
      │  └── one whole answer: failures are 0      └───────────── the probe fails ───────────┘     │
      └────────────────── the probe's answer begins well: closed on trial ─────────────────────────┘

- A failure is what SPEC section 7 calls an error: a 5xx, a refused or broken connection, a time-out, an answer that is
  not HTTP. What the client did wrong, and a client that left, say nothing.
- A success is an answer that reached its end. A head alone is none: a candidate that breaks off each of its answers
  would begin every one well. Neither is a success that was asked for before the row of failures began: the candidate
  has turned bad since, and under load a few good answers from before are always still under way.
- While it is open, what was under way when it opened may end either way: that says nothing new.
- Half-open, one request at a time is the probe: a real one, since only those show whether the candidate serves real
  ones. Its answer's head closes the breaker, since a stream may have no end; but on trial: until one answer was whole,
  a single failure opens it anew.

No clock is read here: ``now`` is an argument, in seconds of any monotonic clock. Each worker has breakers of its own;
they outlive reloads that do not change them (`gateway.proxy.generation`).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.core.types import Breaker as Policy
    from gateway.proxy.exchange import Exchange

_FIRST_SERVER_ERROR: Final = 500


class Breaker:
    """See the module. ``who`` is a request, by identity."""

    __slots__ = ("_failures", "_probe", "_rests_until", "_row_since", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._failures = 0
        self._row_since = 0.0
        self._rests_until: float | None = None
        self._probe: object | None = None

    @property
    def is_open(self) -> bool:
        """Whether the candidate rests, or is being probed."""
        return self._rests_until is not None

    @property
    def is_calm(self) -> bool:
        """Whether nothing has failed since the last success."""
        return not self._failures and self._rests_until is None

    def admits(self, who: object, now: float) -> bool:
        """Whether ``who`` may go to the candidate; half-open, it is the probe then."""
        if self._rests_until is None:
            return True
        if now < self._rests_until or self._probe is not None:
            return False
        self._probe = who
        return True

    def note_failure(self, who: object, now: float) -> None:
        """The candidate failed ``who``."""
        if self._rests_until is None:
            if not self._failures:
                self._row_since = now
            self._failures += 1
            if self._failures < self.policy.consecutive_failures:
                return
        elif who is not self._probe:
            return
        self._rests_until = now + self.policy.open_seconds
        self._probe = None

    def note_beginning(self, who: object) -> None:
        """The candidate's answer to ``who`` begins well."""
        if who is self._probe and who is not None:
            self._probe = self._rests_until = None
            self._failures = self.policy.consecutive_failures - 1

    def note_success(self, began: float) -> None:
        """The candidate gave a whole and good answer to a request that ``began`` then."""
        if self._rests_until is None and began >= self._row_since:
            self._failures = 0

    def note_end(self, who: object) -> None:
        """``who`` is over. If it was the probe, and has shown nothing, another one may be."""
        if who is self._probe:
            self._probe = None


class Breakers:
    """The breakers of one generation, by route; ``troubled`` are those of all generations that are not calm.

    Whoever serves a request looks at ``troubled`` first: mostly it is empty, and that is all that a breaker costs.
    """

    __slots__ = ("_by_route", "clock", "troubled")

    def __init__(self, by_route: dict[str, Breaker], troubled: set[Breaker]) -> None:
        self._by_route = by_route
        self.troubled = troubled
        self.clock = monotonic

    def find(self, route: str) -> Breaker | None:
        """The route's; None when it has none."""
        return self._by_route.get(route)

    def forget_others(self) -> None:
        """Of breakers that no longer serve, none is troubled."""
        if self.troubled:
            self.troubled.intersection_update(self._by_route.values())

    def admits(self, exchange: Exchange) -> bool:
        """Whether ``exchange`` may go where it is decided for. Who forces an arm always may."""
        decision = exchange.decision
        assert decision is not None
        breaker = self._breaker_of(exchange) if decision.side is not decision.entry.baseline else None
        return breaker is None or breaker.admits(exchange, self.clock())

    def is_open(self, exchange: Exchange) -> bool:
        """Whether the breaker of the request's route is open or half-open."""
        breaker = self._breaker_of(exchange)
        return breaker is not None and breaker.is_open

    def note_failure(self, exchange: Exchange) -> None:
        """The candidate has just failed ``exchange``."""
        breaker = self._breaker_of(exchange)
        if breaker is not None:
            breaker.note_failure(exchange, self.clock())
            self.troubled.add(breaker)

    def note_beginning(self, exchange: Exchange) -> None:
        """The candidate's answer has begun, and not with a 5xx."""
        breaker = self._breaker_of(exchange)
        if breaker is not None:
            breaker.note_beginning(exchange)

    def withdraw(self, exchange: Exchange) -> None:
        """It will not go to the candidate after all, though it was admitted: it shows nothing."""
        breaker = self._breaker_of(exchange)
        if breaker is not None:
            breaker.note_end(exchange)

    def note_end(self, exchange: Exchange) -> None:
        """A request that was decided for the candidate is over."""
        breaker = self._breaker_of(exchange)
        if breaker is None:
            return
        breaker.note_end(exchange)
        is_whole = exchange.error is None and not exchange.is_client_gone
        if is_whole and exchange.failed is None and exchange.status < _FIRST_SERVER_ERROR:
            breaker.note_success(exchange.started_at)
            if breaker.is_calm:
                self.troubled.discard(breaker)

    def _breaker_of(self, exchange: Exchange) -> Breaker | None:
        """None also for a request whose arm was forced: someone tries out what may well be broken."""
        decision = exchange.decision
        assert decision is not None
        return None if decision.reason == "override" else self._by_route.get(decision.entry.route.name)
