"""Writes that the candidate alone answers: kept in the journal before the client hears of them.

Who is to have been told that a write is done must find it done after a rollback, too. So the answer of such a write is
held until the journal has it, some hundred microseconds later; what the journal can't have, the baseline gets instead:
a body that is too long, and everything while the journal is full (``when_full: baseline``). Nobody knows how long a
chunked body will be: it is collected up to the bound before anything is sent.

Only answers below 400 are kept: what the candidate refused or failed did not happen, as far as its client knows.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from mmh3 import hash64

from gateway.core.decision import held_by
from gateway.journal.records import Entry
from gateway.proxy.kept import KeptBody
from gateway.proxy.phase import COLLECTING, RELAYING, SETTLED
from gateway.proxy.sending import NOTHING, compose_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.framing import Reader
    from gateway.core.responses import ResponseHead
    from gateway.core.shadowing import Journal
    from gateway.core.types import Table
    from gateway.journal.writer import JournalWriter
    from gateway.proxy.exchange import Exchange

KEPT_FROM_CANDIDATE: Final = "journal"
"""The decision's reason where the baseline gets a write that the journal can't have."""

_FIRST_FAILURE: Final = 400

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_REPLAYED_ANEW: Final = re.compile(
    rb"(?i)(?<=\r\n)(?:content-length|transfer-encoding|trailer|te|expect|x-request-id|traceparent|tracestate"
    rb"|x-crossfade-[a-z]+):[^\r]*\r\n"
)
"""Fields that whoever replays the request writes itself."""


class Journaling:
    """One worker's journal, as exchanges use it. ``clock`` gives seconds since the epoch, the same in all processes."""

    def __init__(self, writer: JournalWriter, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._clock = clock

    def adopt(self, table: Table) -> None:
        """From now on writes are kept as ``table`` says."""
        self._writer.adopt({route.name: route.journal for route in table.routes if route.journal is not None})

    def begin(self, exchange: Exchange) -> Journal | None:
        """How a request is kept, if it is a write that the candidate is to answer.

        The decision changes where the journal can't have it.
        """
        decision = exchange.decision
        assert decision is not None
        entry, request = decision.entry, exchange.request
        policy = entry.route.journal
        if policy is None or decision.side is entry.baseline or request.method.decode("latin-1") not in policy.methods:
            return None
        if (request.fields.content_length or 0) > policy.body_bytes:
            _keep_away(exchange)
            return None
        if not self._writer.is_full(entry.route.name):
            return policy
        if policy.drops_when_full:
            self._writer.dropped += 1
        else:
            _keep_away(exchange)
        return None

    def hold(
        self, exchange: Exchange, response: ResponseHead, reader: Reader | None, payload: bytes, *, is_done: bool
    ) -> bool:
        """Keep the write that ``response`` answers, and hold the answer so long; False when it need not be held."""
        policy, exchange.journal = exchange.journal, None
        if response.status >= _FIRST_FAILURE or exchange.failed is not None:
            return False
        assert policy is not None
        entry = self._compose(exchange, response.status)
        if entry is None:
            self._writer.dropped += 1
            return False
        held = Held(exchange, response, reader, payload, is_whole=is_done)
        if not self._writer.write(entry, policy, held.let_go):
            return False
        assert exchange.connection is not None
        exchange.connection.pause()
        exchange.entry, exchange.held = entry, held
        exchange.phase, exchange.status = RELAYING, response.status  # it has happened: nobody else may answer now
        return True

    def note_taken(self, exchange: Exchange) -> None:
        """The baseline has had it by now."""
        assert exchange.decision is not None
        policy = exchange.decision.entry.route.journal
        if exchange.entry is not None and policy is not None:
            self._writer.note_taken(exchange.entry, policy, self._now_ns())

    def close(self) -> None:
        """Write what waits, and end."""
        self._writer.close()

    def _compose(self, exchange: Exchange, status: int) -> Entry | None:
        """The record of a write; None when its body was not kept: the answer came before it was there."""
        decision, kept = exchange.decision, exchange.kept
        assert decision is not None
        if not exchange.is_request_sent or (kept is not None and not kept.is_whole):
            return None
        side, request = decision.entry.baseline, exchange.request
        endpoint = exchange.generation.pools[side.backend].endpoints[0].endpoint
        line, _, lines = compose_head(exchange, side, endpoint, b"", NOTHING).partition(b"\r\n")
        return Entry(
            id=self._writer.next_id(),
            time_ns=self._now_ns(),
            route=decision.entry.route.name,
            rollout=decision.entry.route.rollout or "",
            key=hash64(decision.key, signed=False)[0] if decision.key else 0,
            request_id=exchange.request_id.decode("latin-1"),
            method=request.method.decode("latin-1"),
            target=line.split(b" ")[1],
            head=_REPLAYED_ANEW.sub(b"", b"\r\n" + lines.removesuffix(b"\r\n"))[2:],
            body=b"" if kept is None else kept.content,
            status=status,
        )

    def _now_ns(self) -> int:
        return int(self._clock() * 1e9)


class Held:
    """An answer that waits for the journal. Its connection reads no more, but over TLS it may end all the same."""

    __slots__ = ("_exchange", "_payload", "_reader", "_response", "is_whole")

    def __init__(
        self, exchange: Exchange, response: ResponseHead, reader: Reader | None, payload: bytes, *, is_whole: bool
    ) -> None:
        self.is_whole = is_whole
        """Whether all of it is here."""
        self._exchange = exchange
        self._response = response
        self._reader = reader
        self._payload = payload

    def add(self, payload: bytes, *, is_done: bool) -> None:
        """More of its body has come, or its end."""
        self._payload += payload
        self.is_whole = is_done

    def let_go(self, is_in: bool) -> None:
        """Let the client have it, whether the journal has the write or not: it has happened."""
        exchange, connection = self._exchange, self._exchange.connection
        exchange.held = None
        if not is_in:
            exchange.entry = None
        if exchange.phase is SETTLED:
            return
        if connection is not None:
            connection.resume()
        exchange.on_response(self._response, self._reader, self._payload, is_done=self.is_whole)


def _keep_away(exchange: Exchange, reason: str = KEPT_FROM_CANDIDATE) -> None:
    """Send it to the baseline. Should it have been the breaker's probe, another one may be."""
    assert exchange.decision is not None
    exchange.decision.keep_away(reason)
    exchange.generation.breakers.withdraw(exchange)


def _find_hold(exchange: Exchange) -> str | None:
    """Why the candidate answers nobody any more, if that came while the body did: nothing was sent to it yet."""
    decision, newest = exchange.decision, exchange.client.plane.generation
    assert decision is not None
    for rollout in newest.table.rollouts if newest is not exchange.generation else ():
        if rollout.name == decision.entry.route.rollout:
            held = rollout.held if decision.reason != "override" else None
            return held_by(rollout) or (held.value if held is not None else None)
    return None


# Bodies of unknown length.


def begin_collecting(exchange: Exchange) -> None:
    """Wait for the body before anything is sent. A client that waits for leave to send it gets that."""
    assert exchange.decision is not None
    exchange.phase, exchange.side = COLLECTING, exchange.decision.side
    exchange.kept = KeptBody(sys.maxsize)  # for all that comes before an arm is chosen
    if exchange.request.header(b"expect") is not None and exchange.request.fields.is_http11:
        exchange.client.write(_CONTINUE)
    exchange.client.resume_body()  # what has come with the head


def collect(exchange: Exchange, payload: bytes, *, is_done: bool, trailers: bytes) -> None:
    """Keep a part of the body; send the request when that was the last, or more than the journal takes."""
    kept, policy = exchange.kept, exchange.journal
    assert kept is not None
    assert policy is not None
    kept.add(payload, trailers)
    exchange.is_request_sent = is_done
    exchange.has_sent_body = True
    reason = KEPT_FROM_CANDIDATE if kept.kept_bytes > policy.body_bytes else None
    if is_done:
        reason = reason or _find_hold(exchange)
    if reason is not None:
        _keep_away(exchange, reason)
        exchange.journal = None
    elif not is_done:
        return
    content = kept.content
    exchange.depart()
    if exchange.tee is not None:
        exchange.tee.request.add(content, trailers)
