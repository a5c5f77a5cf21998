"""Copies: which requests get one, when it is sent, and what is said of those that get none.

A copy is made when the user has the answer. So it is never in the user's way, and whatever it needs is there: both
bodies, up to a bound. The user's worker pays for it with processor time and nothing else: copies have pools, time-outs
and breakers of their own, and what is over a bound is skipped and counted with the reason:

==================  ==================================================================================================
``body_size``       a body, either way, is over ``shadow.body``
``concurrency``     ``shadow.concurrency`` copies are under way or wait for those before them, or there is no memory
                    left for bodies
``breaker``         copies fail one after the other, or the candidate rests for users, too
``upgrade``         the request asked to switch protocols
``client_gone``     the client left or broke its request off, so there is no answer to compare with
``comparer_busy``   nobody could take the two answers
==================  ==================================================================================================

Writes, where they are listed, are another matter than samples: both arms are to take every one of them, in the order of
their key. So they are copied whatever the percentage, also when nobody can compare; the copies of one key are sent one
after the other, and reads of that key wait for its writes, or they would find what was before. Where nobody knows
whether the baseline took a write, the candidate does not get it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gateway.core.figures import KEPT_AWAY
from gateway.core.noise import TWIN_METHODS
from gateway.core.shadowing import SAFE_METHODS, Pair, Shadow, has_twin, is_sampled
from gateway.core.types import Arm
from gateway.proxy.copy import Copy
from gateway.proxy.lane import Lane
from gateway.proxy.record import kind_of
from gateway.proxy.tee import NO_ROOM, TOO_LARGE, Allowance, Tee

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.decision import Side
    from gateway.core.types import Table
    from gateway.proxy.counting import Counters
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.journaling import Journaling
    from gateway.proxy.pairs import PairLink
    from gateway.proxy.pool import Pool
    from gateway.proxy.turnstile import Turnstile

PATIENCE_SECONDS: Final = 1.0
"""Beyond the time that a copy may take, before one that waits for it goes all the same."""

COMPARER_BUSY: Final = "comparer_busy"
"""The reason where nobody could take the two answers."""

_Outcome = tuple[str, str]
"""Result and reason."""

_NOTHING: Final[_Outcome] = ("", "")
"""Of what was never to be copied."""

_FIRST_FAILURE: Final = 400

_LACKS: Final = frozenset({NO_ROOM, TOO_LARGE})

_TWINS: Final = frozenset(method.encode() for method in TWIN_METHODS)


class Means(NamedTuple):
    """What all generations share to copy requests, and to keep writes."""

    pairs: PairLink
    turnstile: Turnstile
    allowance: Allowance
    counters: Counters
    ended: set[str]
    """Rollouts that are rolled back or off by the newest table: nothing more of theirs is copied, whenever it began."""
    journaling: Journaling | None = None

    def adopt(self, table: Table) -> None:
        """``table`` is in force."""
        self.ended.clear()
        self.ended.update(rollout.name for rollout in table.rollouts if not rollout.copies)


class _Plan(msgspec.Struct, frozen=True):
    """What is copied of one route, with methods as requests have them."""

    shadow: Shadow
    samples: frozenset[bytes]
    writes: frozenset[bytes]


class Copies:
    """The copies of one generation; ``pools`` are those of the users' requests, by backend."""

    def __init__(self, table: Table, former: Copies | None, pools: Mapping[str, Pool], means: Means) -> None:
        self._means = means
        self._plans = _plan(table)
        self._lanes: dict[tuple[str, bool], Lane] = {}
        """By route, and whether it leads to the candidate."""
        for route in table.routes:
            plan = self._plans.get(route.name)
            if plan is None or route.candidate is None:
                continue
            for name, is_candidate in ((route.candidate, True), (route.baseline, False)):
                known = former.find_lane(route.name, is_candidate=is_candidate) if former is not None else None
                is_same = known is not None and (known.shadow, known.backend) == (plan.shadow, pools[name].backend)
                lane = known if known is not None and is_same else Lane(plan.shadow, pools[name])
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
        method, bound_bytes = exchange.request.method, plan.shadow.body_bytes
        if method in plan.writes:
            take = self._means.turnstile.tickets.take
            return Tee(bound_bytes, self._means.allowance, partial(take, entry.route.name, _key_of(exchange)))
        if method in plan.samples and is_sampled(exchange.request_id, plan.shadow.percent):
            return Tee(bound_bytes, self._means.allowance)
        return None

    def settle(self, exchange: Exchange, tee: Tee) -> None:
        """The user has the answer: now the copy may go."""
        outcome = self._copy(exchange, tee)
        if outcome is not None:
            if tee.ticket is not None:
                self._means.turnstile.leave(tee.ticket)
            if outcome != _NOTHING:
                self._count(exchange, outcome)
                self._note_lack(exchange, tee, outcome)
        tee.release()

    def _copy(self, exchange: Exchange, tee: Tee) -> _Outcome | None:
        """Send a copy, if there can be one; else what came of it."""
        decision = exchange.decision
        assert decision is not None
        plan = self._plans[decision.entry.route.name]
        if exchange.failed is not None:  # both have had it, unless nobody was there to have it
            is_lacking = exchange.failed.kind == "connect" and exchange.request.method in plan.writes
            return ("error", "connect") if is_lacking else _NOTHING
        if decision.entry.route.rollout in self._means.ended:
            return _NOTHING
        is_write = exchange.request.method in plan.writes
        hindrance = self._find_hindrance(exchange, tee, is_write=is_write)
        return hindrance or self._send(exchange, tee, plan, is_write=is_write)

    def _find_hindrance(self, exchange: Exchange, tee: Tee, *, is_write: bool) -> _Outcome | None:
        """Why there can be no copy. A write is sent as long as it can be, whether or not it can be compared."""
        decision = exchange.decision
        assert decision is not None
        if exchange.is_upgrade:
            return _skipped("upgrade")
        if decision.reason in KEPT_AWAY:
            return _skipped("breaker")
        if exchange.is_client_gone and not (is_write and exchange.is_request_sent and tee.status):
            return _skipped("client_gone")
        if not tee.status:  # nobody knows what became of it: a copy might do what the original did not
            return _find_fault(exchange)
        if not tee.request.is_whole or not exchange.is_request_sent:
            return _skipped(tee.request.lack)
        if is_write:
            return None
        if tee.lack is not None:
            return _skipped(tee.lack)
        return None if self._means.pairs.has_room else _skipped(COMPARER_BUSY)

    def _send(self, exchange: Exchange, tee: Tee, plan: _Plan, *, is_write: bool) -> _Outcome | None:
        decision = exchange.decision
        assert decision is not None
        entry, route = decision.entry, decision.entry.route.name
        is_candidate = decision.side is entry.baseline
        side = entry.candidate if is_candidate else entry.baseline
        assert side is not None
        copy = self._lanes[route, is_candidate].admit(exchange, side, is_write=is_write)
        if isinstance(copy, str):
            return _skipped(copy)
        tee.hold()
        self._means.allowance.copies += 1
        turnstile = self._means.turnstile
        if tee.ticket is None and plan.writes and turnstile.tickets.is_out(route, _key_of(exchange)):
            tee.ticket = turnstile.tickets.take(route, _key_of(exchange))
        noise = plan.shadow.compare.noise
        if noise and is_candidate and exchange.request.method in _TWINS and has_twin(exchange.request_id, noise):
            self._send_twin(exchange, tee, entry.baseline)
        go = partial(self._go, self._lanes[route, is_candidate], copy)
        if tee.ticket is None:
            go()
        else:
            turnstile.enter(tee.ticket, plan.shadow.timeout_seconds + PATIENCE_SECONDS, go)
        return None

    def _go(self, lane: Lane, copy: Copy) -> None:
        """It is the copy's turn, if there are still to be any."""
        decision = copy.exchange.decision
        assert decision is not None
        if decision.entry.route.rollout in self._means.ended:
            # Each lets the next one go, and there may be thousands: not all of them in one stack.
            asyncio.get_running_loop().call_soon(self._forgo, lane, copy)
        else:
            lane.send(copy, self._take)

    def _forgo(self, lane: Lane, copy: Copy) -> None:
        """The rollout was rolled back while the copy waited: nobody wants it any more."""
        tee = copy.exchange.tee
        assert tee is not None
        lane.forgo(copy)
        if tee.ticket is not None:
            self._means.turnstile.leave(tee.ticket)
        self._let_go(tee)

    def _send_twin(self, exchange: Exchange, tee: Tee, side: Side) -> None:
        """Ask the baseline a second time. Nobody misses one that can't be sent."""
        assert exchange.decision is not None
        lane = self._lanes[exchange.decision.entry.route.name, False]
        twin = lane.admit(exchange, side, is_write=False)
        if isinstance(twin, Copy):
            tee.hold()
            self._means.allowance.copies += 1
            lane.send(twin, self._take_twin)

    def retire(self, successor: Copies | None) -> None:
        """Begin no new copies; lanes that ``successor`` shares live on."""
        kept = successor._lanes.values() if successor is not None else ()  # noqa: SLF001 - one of our own
        for lane in self._lanes.values():
            if all(lane is not other for other in kept):
                lane.pool.retire()

    # What comes of it.

    def _take(self, copy: Copy) -> None:
        exchange, tee = copy.exchange, copy.exchange.tee
        assert tee is not None
        if tee.ticket is not None:
            self._means.turnstile.leave(tee.ticket)
        if exchange.entry is not None and copy.reply is not None and copy.reply.status < _FIRST_FAILURE:
            assert self._means.journaling is not None
            self._means.journaling.note_taken(exchange)
        outcome = _judge(copy, exchange, tee)
        if outcome is None and not self._means.pairs.offer(_pair(copy, exchange, tee, is_twin=False)):
            outcome = _skipped(COMPARER_BUSY)
        if outcome is not None:
            self._count(exchange, outcome)
            if copy.failure is not None and copy.failure not in _LACKS:
                self._note_lack(exchange, tee, outcome)
        self._let_go(tee)

    def _take_twin(self, copy: Copy) -> None:
        exchange, tee = copy.exchange, copy.exchange.tee
        assert tee is not None
        if _judge(copy, exchange, tee) is None:
            self._means.pairs.offer(_pair(copy, exchange, tee, is_twin=True))
        self._let_go(tee)

    def _let_go(self, tee: Tee) -> None:
        self._means.allowance.copies -= 1
        tee.release()

    def _note_lack(self, exchange: Exchange, tee: Tee, outcome: _Outcome) -> None:
        """A write that one arm answered is lacking at the other: people must hear of it."""
        decision = exchange.decision
        assert decision is not None
        route = decision.entry.route.name
        if tee.status and exchange.request.method in self._plans[route].writes:
            lacking, key = self._means.counters.lacking_writes, (route, outcome[1])
            lacking[key] = lacking.get(key, 0) + 1

    def _count(self, exchange: Exchange, outcome: _Outcome) -> None:
        decision = exchange.decision
        assert decision is not None
        self._means.counters.count_copy(decision.entry.route.name, exchange.template or "", *outcome)


def may_copy(table: Table) -> bool:
    """Whether anything is to be copied under ``table``."""
    return bool(_plan(table))


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


def _skipped(reason: str) -> _Outcome:
    return "skipped", reason


def _key_of(exchange: Exchange) -> bytes:
    """What orders a request's copy: its key; without one, the address it came from."""
    assert exchange.decision is not None
    return exchange.decision.key or exchange.client.peer.address.encode("latin-1")


def _judge(copy: Copy, exchange: Exchange, tee: Tee) -> _Outcome | None:
    """What came of a copy without two answers to compare; None where there are both."""
    if exchange.is_client_gone:
        return _skipped("client_gone")
    if not tee.is_answered:
        return _find_fault(exchange)
    lack = tee.lack or copy.failure
    if lack in _LACKS:
        return _skipped(lack)
    return ("error", lack) if lack is not None else None


def _find_fault(exchange: Exchange) -> _Outcome:
    """What came of a request that has no whole answer of a backend's."""
    if exchange.error is not None and exchange.error.source == "client":
        return _skipped("client_gone")
    return "error", kind_of(exchange) or "reset"


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
        is_forced=decision.reason == "override",
    )
