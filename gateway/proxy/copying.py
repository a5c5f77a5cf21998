"""Copies: which requests get one, when it is sent, and what is said of those that get none.

A copy is made when the user has the answer. So it is never in the user's way, and whatever it needs is there: both
bodies, up to a bound. The user's worker pays for it with processor time and nothing else: copies have pools, time-outs
and breakers of their own, and what is over a bound is skipped and counted with the reason:

==================  ==================================================================================================
``body_size``       a body, either way, is over ``shadow.body``
``concurrency``     ``shadow.concurrency`` copies are under way or wait for those before them
``breaker``         copies fail one after the other, or the candidate rests for users, too
``upgrade``         the request asked to switch protocols
``client_gone``     the client left, so there is no answer to compare with
``comparer_busy``   nobody could take the two answers
==================  ==================================================================================================

Writes, where they are listed, are another matter than samples: both arms are to take every one of them, in the order of
their key. So they are copied whatever the percentage, also when nobody can compare; the copies of one key are sent one
after the other, and reads of that key wait for its writes, or they would find what was before.
"""

from __future__ import annotations

from collections import deque
from time import time
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.core.figures import ERROR_KINDS, KEPT_AWAY
from gateway.core.shadowing import SAFE_METHODS, Pair, Shadow, has_twin, is_sampled
from gateway.core.types import Arm
from gateway.core.types import Breaker as BreakerPolicy
from gateway.proxy.breaker import Breaker
from gateway.proxy.copy import TOO_LARGE, Copy
from gateway.proxy.pool import Pool
from gateway.proxy.record import kind_of
from gateway.proxy.tee import Tee

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.decision import Side
    from gateway.core.types import Backend, Table
    from gateway.proxy.counting import Counters
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.pairs import PairLink
    from gateway.proxy.wheel import TimerWheel

_POLICY: Final = BreakerPolicy(consecutive_failures=10, open_seconds=10.0)
"""As a route's breaker, when nothing else is written; of copies only what breaks or hangs counts as failed."""

_TWINS: Final = frozenset({b"GET", b"HEAD"})


class Lane:
    """The copies of one route to one backend, under one policy. It outlives reloads that change neither.

    ``on_over`` gets each copy when it has ended.
    """

    def __init__(self, shadow: Shadow, backend: Backend, wheel: TimerWheel, on_over: Callable[[Copy], None]) -> None:
        self.shadow = shadow
        self.backend = backend
        self.on_over = on_over
        self.under_way = 0
        """Copies that were sent, and those that wait for others of their key."""
        self.pool = Pool(_patient(backend, shadow), wheel)
        self._breaker = Breaker(_POLICY)
        self._waiting: dict[bytes, deque[Copy]] = {}
        """By key, what waits for a write that is under way."""

    def offer(self, exchange: Exchange, side: Side, *, is_write: bool) -> str | None:
        """Send a copy, now or when those before it are over; else why there is none."""
        if self.under_way >= self.shadow.concurrency:
            return "concurrency"
        copy = Copy(exchange, side, self.pool, self.shadow.body_bytes, is_write=is_write)
        if not self._breaker.admits(copy, self.pool.wheel.now):
            return "breaker"
        self.under_way += 1
        key = copy.key
        waiting = self._waiting.get(key) if key or is_write else None
        if waiting is not None:
            waiting.append(copy)
            return None
        if is_write:
            self._waiting[key] = deque()
            copy.is_leading = True
        copy.begin(self.shadow.timeout_seconds, self._end)
        return None

    def _end(self, copy: Copy) -> None:
        self.under_way -= 1
        self._judge(copy)
        if copy.is_leading:
            self._follow(copy.key)
        self.on_over(copy)

    def _judge(self, copy: Copy) -> None:
        if copy.failure in ERROR_KINDS:
            self._breaker.note_failure(copy, self.pool.wheel.now)
            return
        self._breaker.note_beginning(copy)
        self._breaker.note_success(copy.started_at)

    def _follow(self, key: bytes) -> None:
        """Send what waits for a copy of this key that is over."""
        waiting = self._waiting[key]
        if not waiting:
            del self._waiting[key]
            return
        copy = waiting.popleft()
        copy.is_leading = True
        copy.begin(self.shadow.timeout_seconds, self._end)


class _Plan(msgspec.Struct, frozen=True):
    """What is copied of one route, with methods as requests have them."""

    shadow: Shadow
    samples: frozenset[bytes]
    writes: frozenset[bytes]


class Copies:
    """The copies of one generation."""

    def __init__(
        self, table: Table, former: Copies | None, wheel: TimerWheel, counters: Counters, pairs: PairLink
    ) -> None:
        self._counters = counters
        self._pairs = pairs
        self._plans = _plan(table)
        self._lanes: dict[tuple[str, bool], Lane] = {}
        """By route, and whether it leads to the candidate."""
        backends = {backend.name: backend for backend in table.backends}
        for route in table.routes:
            plan = self._plans.get(route.name)
            if plan is None or route.candidate is None:
                continue
            for name, is_candidate in ((route.candidate, True), (route.baseline, False)):
                known = former.find_lane(route.name, is_candidate=is_candidate) if former is not None else None
                is_same = known is not None and (known.shadow, known.backend) == (plan.shadow, backends[name])
                lane = known if is_same else Lane(plan.shadow, backends[name], wheel, self._take)
                assert lane is not None
                self._lanes[route.name, is_candidate] = lane

    def find_lane(self, route: str, *, is_candidate: bool) -> Lane | None:
        """The lane of a route to one of its backends."""
        return self._lanes.get((route, is_candidate))

    def begin(self, exchange: Exchange) -> Tee | None:
        """Where to keep what passes through ``exchange``; None when it is not to be copied."""
        decision = exchange.decision
        assert decision is not None
        entry = decision.entry
        plan = self._plans.get(entry.route.name)
        if plan is None or (decision.side is not entry.baseline and not plan.shadow.both):
            return None
        method = exchange.request.method
        if method not in plan.writes and not (
            method in plan.samples and is_sampled(exchange.request_id, plan.shadow.percent)
        ):
            return None
        return Tee(plan.shadow.body_bytes)

    def settle(self, exchange: Exchange, tee: Tee) -> None:
        """The user has the answer: now the copy may go."""
        decision = exchange.decision
        assert decision is not None
        if exchange.failed is not None:
            return  # both have had it already
        plan = self._plans.get(decision.entry.route.name)
        if plan is None:
            return  # copying has ended meanwhile
        is_write = exchange.request.method in plan.writes
        reason = self._find_hindrance(exchange, tee, is_write=is_write)
        if reason is None:
            reason = self._send(exchange, is_write=is_write)
        if reason is not None:
            self._skip(exchange, reason)

    def _find_hindrance(self, exchange: Exchange, tee: Tee, *, is_write: bool) -> str | None:
        """Why there can be no copy. A write is sent as long as it can be, whether or not it can be compared."""
        decision = exchange.decision
        assert decision is not None
        if exchange.is_upgrade:
            return "upgrade"
        if decision.reason in KEPT_AWAY:
            return "breaker"
        if not tee.request.is_whole:
            return TOO_LARGE
        if exchange.is_client_gone and not (is_write and exchange.is_request_sent):
            return "client_gone"
        if is_write:
            return None
        if not tee.is_whole:
            return TOO_LARGE
        return None if self._pairs.has_room else "comparer_busy"

    def _send(self, exchange: Exchange, *, is_write: bool) -> str | None:
        decision = exchange.decision
        assert decision is not None
        entry, route = decision.entry, decision.entry.route.name
        is_candidate = decision.side is entry.baseline
        side = entry.candidate if is_candidate else entry.baseline
        assert side is not None
        noise = self._plans[route].shadow.compare.noise
        if noise and is_candidate and exchange.request.method in _TWINS and has_twin(exchange.request_id, noise):
            self._lanes[route, False].offer(exchange, entry.baseline, is_write=False)
        return self._lanes[route, is_candidate].offer(exchange, side, is_write=is_write)

    def retire(self, successor: Copies | None) -> None:
        """Begin no new copies; lanes that ``successor`` shares live on."""
        kept = successor._lanes.values() if successor is not None else ()  # noqa: SLF001 - one of our own
        for lane in self._lanes.values():
            if all(lane is not other for other in kept):
                lane.pool.retire()

    # What comes of it.

    def _take(self, copy: Copy) -> None:
        exchange = copy.exchange
        tee, decision = exchange.tee, exchange.decision
        assert tee is not None
        assert decision is not None
        is_twin = copy.side is decision.side
        outcome = _judge(copy, exchange, tee)
        if outcome is None and not self._pairs.offer(_pair(copy, exchange, tee, is_twin=is_twin)):
            outcome = "skipped", "comparer_busy"
        if outcome is not None and not is_twin:
            self._count(exchange, *outcome)

    def _skip(self, exchange: Exchange, reason: str) -> None:
        self._count(exchange, "skipped", reason)

    def _count(self, exchange: Exchange, result: str, reason: str) -> None:
        decision = exchange.decision
        assert decision is not None
        self._counters.count_copy(decision.entry.route.name, exchange.template or "", result, reason)


def may_copy(table: Table) -> bool:
    """Whether anything is to be copied under ``table``."""
    return bool(_plan(table))


def _patient(backend: Backend, shadow: Shadow) -> Backend:
    """The backend as copies see it: with their own patience, and as many connections as there may be copies."""
    seconds = shadow.timeout_seconds
    timeouts = msgspec.structs.replace(
        backend.timeouts, connect=min(backend.timeouts.connect, seconds), response=seconds
    )
    return msgspec.structs.replace(backend, timeouts=timeouts, connections=shadow.concurrency, health=None)


def _plan(table: Table) -> dict[str, _Plan]:
    copying = {rollout.name for rollout in table.rollouts if rollout.copies}
    plans = {}
    for route in table.routes:
        if route.shadow is not None and route.rollout in copying:
            samples, writes = route.shadow.methods & SAFE_METHODS, route.shadow.methods - SAFE_METHODS
            plans[route.name] = _Plan(route.shadow, _encode(samples), _encode(writes))
    return plans


def _encode(methods: frozenset[str]) -> frozenset[bytes]:
    return frozenset(method.encode("latin-1") for method in methods)


def _judge(copy: Copy, exchange: Exchange, tee: Tee) -> tuple[str, str] | None:
    """Result and reason of a copy without two answers to compare; None where there are both."""
    if exchange.is_client_gone:
        return "skipped", "client_gone"
    if not tee.is_answered:
        return "error", kind_of(exchange) or "reset"
    if not tee.is_whole or copy.failure == TOO_LARGE:
        return "skipped", TOO_LARGE
    return ("error", copy.failure) if copy.failure is not None else None


def _pair(copy: Copy, exchange: Exchange, tee: Tee, *, is_twin: bool) -> Pair:
    decision = exchange.decision
    assert decision is not None
    assert copy.reply is not None
    first, other = tee.reply, copy.reply
    if copy.side.arm is Arm.BASELINE and not is_twin:
        first, other = other, first
    return Pair(
        route=decision.entry.route.name,
        path=exchange.template or "",
        method=exchange.request.method.decode("latin-1"),
        request_id=exchange.request_id.decode("latin-1"),
        time=time(),
        baseline=first,
        other=other,
        is_twin=is_twin,
    )
