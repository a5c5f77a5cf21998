"""Second chances: when a request whose answer has not begun may be sent once more, and to whom.

*To the same backend* (`may_resend`), on a fresh connection, when a pooled one was closed just as we took it: nobody has
failed then.

*To the baseline* (`judge_failure`), when the candidate has failed it: the failover. What has to hold:

1. No byte of a final response has reached the client. Interim responses (RFC 9110, section 15.2) do not count: any
   number of them may come before the final one, whoever sends it. An upgrade fails over until the 101.
2. The route's ``failover.on`` lists how it failed. An answer that is not HTTP counts as one that broke off (``reset``).
3. Sending it twice does no harm: ``failover.methods`` lists its method. After a refused connection every method may,
   for nothing was sent.
4. Its body can be sent again: as far as it has been sent, it was kept. That is done up to ``failover.buffer`` bytes,
   and only for methods that may need it.
5. The budget allows it. A baseline that was sized for its share must not get everything twice at once: past the budget
   the client gets the candidate's failure. Once the breaker is open the budget does not bind, since the breaker sends
   the rest to the baseline anyway, and what was under way when it opened is a bounded number of requests.

There is one failover at the most: how the baseline answers then is the client's answer, good or bad. However it ends,
the failure is the candidate's: see `gateway.proxy.counting`.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.errors import BackendError, BackendTimeout, Overloaded, ProxyError
from gateway.proxy.kept import KeptBody
from gateway.proxy.phase import ACQUIRING, AWAITING
from gateway.proxy.wheel import Timed

if TYPE_CHECKING:
    from gateway.core.decision import Decision
    from gateway.core.heads import RequestHead
    from gateway.core.types import Failover
    from gateway.proxy.backend import BackendConnection
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.wheel import TimerWheel

# RFC 9110, section 9.2.2. Sending one of these twice means the same as once.
_IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})

# No byte of a final answer has reached the client.
_UNANSWERED: Final = (ACQUIRING, AWAITING)

_FIRST_SERVER_ERROR: Final = 500

BUDGET_SECONDS: Final = 10
"""The time that a budget looks back."""

LEAST_FAILOVERS: Final = 10
"""So many are always allowed in that time: a share of little traffic would be none, and a breaker could not open."""


class Failed(NamedTuple):
    """How the candidate failed a request that the baseline then answered."""

    kind: str
    """One of `ERROR_KINDS`."""
    reason: str
    """The kind, or the status of a 5xx."""
    latency_seconds: float | None
    """To its response's header or the time-out; None when neither came."""


def keep_body(decision: Decision, request: RequestHead) -> KeptBody | None:
    """Where to keep the body of a request; None when it would never be sent again."""
    policy = decision.entry.route.failover
    if policy is None or decision.side is decision.entry.baseline or not _lists_method(policy, request):
        return None
    if (request.fields.content_length or 0) > policy.buffer_bytes:
        return None
    return KeptBody(policy.buffer_bytes)


def may_resend(exchange: Exchange, connection: BackendConnection, error: ProxyError) -> bool:
    """Whether a request whose ``connection`` has failed may be sent again on a fresh one.

    Only a pooled connection that the backend closed as we took it: while no byte of the response has come, once, and
    when repeating does no harm (RFC 9112, section 9.3.1).
    """
    return (
        isinstance(error, BackendError)
        and error.kind == "reset"
        and exchange.phase is AWAITING
        and connection.served > 0
        and not connection.has_received
        and not exchange.is_resent
        and not exchange.has_sent_body
        and exchange.request.method in _IDEMPOTENT
    )


def is_refused(exchange: Exchange, status: int, *, is_done: bool) -> bool:
    """Tell the breaker how an answer begins; whether the baseline is to give another."""
    if status < _FIRST_SERVER_ERROR:
        exchange.generation.breakers.note_beginning(exchange)
        return False
    return fails_over(exchange, None, status, is_done=is_done)


def fails_over(exchange: Exchange, error: ProxyError | None, status: int = 0, *, is_done: bool = False) -> bool:
    """Note that the backend has failed, and begin anew with the baseline if that is to answer."""
    failed = judge_failure(exchange, error, status)
    if failed is None:
        return False
    assert exchange.decision is not None
    _let_go(exchange, is_done=is_done)
    exchange.failed = failed
    exchange.side = exchange.decision.entry.baseline
    exchange.endpoint = None
    exchange.is_resent = False
    exchange.sent_at = exchange.header_at = 0.0
    exchange.pool = pool = exchange.generation.pools[exchange.side.backend]
    connection = pool.acquire(exchange)
    if connection is None:
        exchange.await_connection()
    else:
        exchange.on_connection(connection)
    return True


def _let_go(exchange: Exchange, *, is_done: bool) -> None:
    """Give the connection back: for further use when the exchange on it is over, else to be closed."""
    connection = exchange.connection
    if connection is None:
        return
    if not (is_done and exchange.is_request_sent):
        exchange.drop_connection()
        return
    assert exchange.pool is not None
    exchange.connection = None
    exchange.pool.release(connection)


def judge_failure(exchange: Exchange, error: ProxyError | None, status: int = 0) -> Failed | None:
    """Note that the arm has failed ``exchange`` with ``error``, or a 5xx ``status``, if it was the candidate.

    Returns how it failed when the baseline is to answer in its place, else None.
    """
    decision = exchange.decision
    if decision is None or exchange.side is decision.entry.baseline:
        return None
    kind = "5xx" if error is None else "connect" if isinstance(error, Overloaded) else error.kind
    if kind is None or exchange.status >= _FIRST_SERVER_ERROR:
        return None  # nobody's failure, or one that was noted when its head came
    generation = exchange.generation
    generation.breakers.note_failure(exchange)
    policy, route = decision.entry.route.failover, decision.entry.route.name
    if policy is None or exchange.phase not in _UNANSWERED or not _covers(policy, exchange, kind, status):
        return None
    if not generation.breakers.is_open(exchange) and not generation.budget.allows(route, policy.budget):
        return None
    generation.budget.spend(route)
    return Failed(kind, str(status) if error is None else kind, _measure(exchange, error))


def _covers(policy: Failover, exchange: Exchange, kind: str, status: int) -> bool:
    """Whether ``policy`` is for such a failure of such a request."""
    if kind not in policy.kinds and status not in policy.statuses:
        return False
    if kind == "connect" and not exchange.is_resent:
        return True  # nothing of it was ever sent
    is_kept = not exchange.has_sent_body or (exchange.kept is not None and exchange.kept.is_whole)
    return is_kept and _lists_method(policy, exchange.request)


def _lists_method(policy: Failover, request: RequestHead) -> bool:
    return request.method.decode("latin-1") in policy.methods


def _measure(exchange: Exchange, error: ProxyError | None) -> float | None:
    if exchange.header_at:
        return exchange.header_at - exchange.sent_at
    return monotonic() - exchange.sent_at if exchange.sent_at and isinstance(error, BackendTimeout) else None


class Budget(Timed):
    """How many of a worker's requests fail over, by route, over the last `BUDGET_SECONDS`.

    It counts in dictionaries that last a second each: what is past is forgotten without walking through the routes.
    ``candidates`` is this second's: whoever settles a request of the candidate counts it there.
    """

    __slots__ = ("_before", "_failovers", "candidates")

    def __init__(self, wheel: TimerWheel) -> None:
        super().__init__(wheel)
        self.candidates: dict[str, int] = {}
        self._failovers: dict[str, int] = {}
        self._before: deque[tuple[dict[str, int], dict[str, int]]] = deque(maxlen=BUDGET_SECONDS - 1)
        self.arm(1)

    def allows(self, route: str, percent: float) -> bool:
        """Whether one more request may fail over, when ``percent`` of the candidate's, it included, may."""
        candidates, failovers = self.candidates.get(route, 0) + 1, self._failovers.get(route, 0)
        for candidates_then, failovers_then in self._before:
            candidates += candidates_then.get(route, 0)
            failovers += failovers_then.get(route, 0)
        return failovers < max(LEAST_FAILOVERS, candidates * percent / 100)

    def spend(self, route: str) -> None:
        """One more has failed over."""
        self._failovers[route] = self._failovers.get(route, 0) + 1

    def on_deadline(self) -> None:
        """A second is over."""
        self._before.append((self.candidates, self._failovers))
        self.candidates, self._failovers = {}, {}
        self.arm(1)
