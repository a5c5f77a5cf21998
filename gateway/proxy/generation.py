"""One table made ready to serve: what a worker derives from it once, so that a request pays for nothing but look-ups.

A request keeps the generation that it began with. The next one shares the pools of the backends that did not change.
"""

from __future__ import annotations

from random import random
from time import time
from typing import TYPE_CHECKING

from gateway.core.addresses import TrustedNetworks
from gateway.core.decision import Decider
from gateway.core.overrides import Overrides
from gateway.core.templates import Templates
from gateway.core.tokens import Verifier
from gateway.core.trace_context import Trace, Traces
from gateway.core.types import AccessLog, Backend, Mode, Route, Table
from gateway.proxy.breaker import Breaker, Breakers
from gateway.proxy.copying import Copies, Means, may_copy
from gateway.proxy.failover import Budget
from gateway.proxy.identity import new_key, new_request_id
from gateway.proxy.pool import Pool
from gateway.proxy.record import access_line, refusal_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.errors import ProxyError
    from gateway.proxy.counting import Counters
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.tracing import TracedRequests
    from gateway.proxy.wheel import TimerWheel

# The status from which ``access_log: errors`` writes a line.
_ERROR_STATUS = 500


class Generation:
    """See the module. ``down`` names the backends without a healthy endpoint; ``in_flight`` counts requests.

    ``troubled`` are the breakers that are not calm; see `gateway.proxy.breaker`.
    """

    def __init__(
        self,
        table: Table,
        former: Generation | None,
        wheel: TimerWheel,
        counters: Counters,
        traced: TracedRequests,
        means: Means | None = None,
    ) -> None:
        server = table.server
        self.table = table
        self.counters = counters
        self.traced = traced
        self.traces = Traces(table.tracing.share, new_request_id) if table.tracing is not None else None
        self.limits = server.limits
        self.timeouts = server.timeouts
        self.is_exposing = server.expose
        self.in_flight = 0
        self.down: set[str] = set()
        self.verifier = _verifier(table, former)
        self.decider = Decider(table, random, new_key, None if self.verifier is None else self.verifier.is_good)
        self._trusted = TrustedNetworks(server.trusted_proxies)
        self.overrides = Overrides(server.override)
        self._logs_requests = server.access_log is not AccessLog.OFF
        self._logs_all = server.access_log is AccessLog.ALL
        self._write_line: Callable[[bytes], None]
        self._templates = {route.name: _templates(route, former) for route in table.routes}
        self.pools = {backend.name: _pool(backend, former, wheel) for backend in table.backends}
        self.budget: Budget = Budget(wheel) if former is None else former.budget
        self.troubled: set[Breaker] = set() if former is None else former.troubled
        known = former.copies if former is not None else None
        self.copies: Copies | None = None
        if means is not None and may_copy(table):
            self.copies = Copies(table, known, self.pools, means)
        keeps_writes = any(route.journal is not None for route in table.routes)
        self.journaling = means.journaling if means is not None and keeps_writes else None
        self.breakers: Breakers = Breakers(_breakers(table, former), self.troubled)

    def start(self, write_line: Callable[[bytes], None]) -> None:
        """Serve from now on; access log lines go to ``write_line``."""
        self._write_line = write_line
        self.breakers.forget_others()
        for pool in self.pools.values():
            self._note_health(pool)
            pool.checks.start(self._note_health)

    def retire(self, successor: Generation | None) -> None:
        """Serve nothing new; pools that ``successor`` shares live on."""
        if self.copies is not None:
            self.copies.retire(successor.copies if successor is not None else None)
        kept = successor.pools.values() if successor is not None else ()
        for pool in self.pools.values():
            if all(pool is not other for other in kept):
                pool.retire()

    def trusts(self, peer: str) -> bool:
        """Whether X-Forwarded-* of ``peer`` are believed."""
        return self._trusted.contains(peer)

    def templates_of(self, route: str) -> Templates | None:
        """The templates of a route's paths; None when there is no such route."""
        return self._templates.get(route)

    def _note_health(self, pool: Pool) -> None:
        if any(endpoint.is_healthy for endpoint in pool.endpoints):
            self.down.discard(pool.backend.name)
        else:
            self.down.add(pool.backend.name)

    def settle(self, exchange: Exchange) -> None:
        """A request is over: count it, and write a line about it if it is one of those to be logged."""
        self.in_flight -= 1
        decision = exchange.decision
        if decision is not None:
            entry = decision.entry
            route = entry.route.name
            exchange.template = path = self._templates[route].find(exchange.request)
            self.counters.count(exchange, path)
            if decision.side is not entry.baseline:
                candidates = self.budget.candidates
                candidates[route] = candidates.get(route, 0) + 1
                if self.troubled:
                    self.breakers.note_end(exchange)
            if exchange.tee is not None and self.copies is not None:
                self.copies.settle(exchange, exchange.tee)
            if isinstance(exchange.trace, Trace):
                self.traced.note(exchange, self.counters)
        else:
            seconds = exchange.settled_at - exchange.started_at
            self.counters.count_unrouted(exchange.request.method, exchange.status, seconds)
        if self._logs_requests and (self._logs_all or _has_failed(exchange)):
            self._write_line(access_line(exchange))

    def note_refusal(self, error: ProxyError, request_id: bytes, head: bytes, answer: bytes) -> None:
        """Count and log bytes that never became a request: as much of ``head`` as had come, and what was answered."""
        self.counters.count_unrouted(b"", error.status, 0.0)
        if self._logs_requests:
            self._write_line(refusal_line(error, request_id, head, answer))


def _has_failed(exchange: Exchange) -> bool:
    """Whether anything went wrong on either side, even if the client did not notice."""
    return exchange.status >= _ERROR_STATUS or exchange.error is not None or exchange.failed is not None


def _breakers(table: Table, former: Generation | None) -> dict[str, Breaker]:
    """The former generation's, where they are to be the same; closed ones for a candidate that answers nobody."""
    idle = {rollout.name for rollout in table.rollouts if rollout.held or rollout.killed or rollout.mode != Mode.LIVE}
    breakers: dict[str, Breaker] = {}
    for route in table.routes:
        if route.breaker is None:
            continue
        known = former.breakers.find(route.name) if former is not None and route.rollout not in idle else None
        is_kept = known is not None and known.policy == route.breaker
        breakers[route.name] = known if known is not None and is_kept else Breaker(route.breaker)
    return breakers


def _verifier(table: Table, former: Generation | None) -> Verifier | None:
    """The former generation's, with the tokens that it knows, as long as the same ones are good."""
    known = former.verifier if former is not None else None
    if known is not None and known.policy == table.tokens:
        return known
    return None if table.tokens is None else Verifier(table.tokens, time)


def _templates(route: Route, former: Generation | None) -> Templates:
    """The former generation's if the route asks for the same ones: how many there may be counts across reloads."""
    known = former.templates_of(route.name) if former is not None else None
    return known if known is not None and known.patterns == route.paths else Templates(route.paths)


def _pool(backend: Backend, former: Generation | None, wheel: TimerWheel) -> Pool:
    """The former generation's pool if the backend is the same to the letter, else a new one that knows what it knew."""
    known = former.pools.get(backend.name) if former is not None else None
    if known is not None and known.backend == backend:
        return known
    pool = Pool(backend, wheel)
    if known is not None:
        pool.inherit(known)
    return pool
