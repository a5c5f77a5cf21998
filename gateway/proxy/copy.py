"""One copy: a request that nobody waits for, sent to the arm that did not answer it.

It goes through pools and connections as an exchange does (`gateway.proxy.asker`), but ends in a `Reply` or in the word
for what went wrong. It is sent again only where a pooled connection turns out to be closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.shadowing import Reply
from gateway.core.trace_context import Trace
from gateway.proxy.sending import compose_head
from gateway.proxy.tee import TOO_LARGE, CountedBody
from gateway.proxy.wheel import Timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.decision import Side
    from gateway.core.framing import Reader
    from gateway.core.responses import ResponseHead
    from gateway.errors import ProxyError
    from gateway.proxy.backend import BackendConnection
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.pool import Pool

TIMEOUT: Final = "timeout"

_SHADOW: Final = b"X-Crossfade-Shadow: 1\r\n"


class Still:
    """Where a copy's body comes from: it is there as a whole, and memory for it is spent."""

    def pause_body(self) -> None:
        """Nothing more comes."""

    def resume_body(self) -> None:
        """Nothing more comes."""


_STILL: Final = Still()


class Copy(Timed):
    """The copy of ``exchange`` to ``side``. ``on_over`` is called once, with `reply` or `failure` set by then."""

    is_request_sent = True
    is_upgrade = False
    client = _STILL

    __slots__ = (
        "_body",
        "_bound_bytes",
        "_connection",
        "_head",
        "_is_resent",
        "_on_over",
        "_pool",
        "_status",
        "exchange",
        "failure",
        "is_waiting",
        "is_write",
        "reply",
        "side",
        "started_at",
    )

    def __init__(self, exchange: Exchange, side: Side, pool: Pool, bound_bytes: int, *, is_write: bool) -> None:
        super().__init__(pool.wheel)
        assert exchange.tee is not None
        self.exchange = exchange
        self.side = side
        self.is_write = is_write
        self.is_waiting = False
        self.reply: Reply | None = None
        self.failure: str | None = None
        """One of `ERROR_KINDS`, or why its answer could not be kept."""
        self.started_at = 0.0
        self._pool = pool
        self._connection: BackendConnection | None = None
        self._is_resent = False
        self._status = 0
        self._head = b""
        self._bound_bytes = bound_bytes
        self._body = CountedBody(bound_bytes, exchange.tee.allowance)
        self._on_over: Callable[[Copy], None]

    def begin(self, seconds: float, on_over: Callable[[Copy], None]) -> None:
        """Send it; all of it may take so long."""
        self._on_over = on_over
        self.started_at = self.wheel.now
        self.arm(seconds)
        self.is_waiting = True
        connection = self._pool.acquire(self)
        if connection is not None:
            self.on_connection(connection)

    # As an asker.

    def on_connection(self, connection: BackendConnection) -> None:
        """Send all of it."""
        self.is_waiting = False
        self._connection = connection
        exchange = self.exchange
        connection.send(self, exchange.request.method, self._compose(connection))
        fields = exchange.request.fields
        if fields.has_body:
            assert exchange.tee is not None
            connection.write(exchange.tee.request.encode(is_chunked=fields.chunked, is_done=True))

    def _compose(self, connection: BackendConnection) -> bytes:
        exchange, trace = self.exchange, self.exchange.trace
        removed, line = frozenset[bytes](), trace
        if isinstance(trace, Trace):
            removed, line = trace.removed, trace.line_of_child
        assert isinstance(line, bytes)
        ours = _SHADOW + self._idempotency_key() + line
        return compose_head(exchange, self.side, connection.endpoint.endpoint, ours, removed)

    def _idempotency_key(self) -> bytes:
        """So that whoever gets a write twice can tell; the request's own passes with its fields."""
        if not self.is_write or self.exchange.request.header(b"idempotency-key") is not None:
            return b""
        return b"Idempotency-Key: %b\r\n" % self.exchange.request_id

    def on_no_connection(self, error: ProxyError) -> None:
        """Nobody there."""
        self._fail(error.kind or "connect")

    def on_informational(self, response: ResponseHead) -> None:
        """Nobody wants to know."""

    def on_response(self, response: ResponseHead, reader: Reader | None, payload: bytes, *, is_done: bool) -> None:  # noqa: ARG002
        """The answer begins. One that says that it is longer than the bound is not read at all."""
        self._status, self._head = response.status, response.head
        if not is_done and (response.whole_length or 0) > self._bound_bytes:
            self._fail(TOO_LARGE)
        else:
            self.on_body(payload, is_done=is_done)

    def on_body(self, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        """More of it; what is longer than the bound is not read to its end."""
        self._body.add(payload, trailers)
        if not self._body.is_whole:
            self._fail(self._body.lack)
        elif is_done:
            connection, self._connection = self._connection, None
            assert connection is not None
            self._pool.release(connection)
            self.reply = Reply(self._status, self._head, self._body.content)
            self._end()

    def on_switched(self, response: ResponseHead, rest: bytes) -> None:  # noqa: ARG002
        """Never: it asks for no upgrade, and the connection knows that."""
        self._fail("protocol")

    def on_backend_failed(self, error: ProxyError) -> None:
        """The connection is gone."""
        connection, self._connection = self._connection, None
        assert connection is not None
        connection.endpoint.in_flight -= 1
        has_begun = connection.has_received or self._status
        if error.kind == "reset" and not self._is_resent and connection.served and not has_begun:
            # The backend closed it as we took it. Writes have an Idempotency-Key, so all may go twice.
            self._is_resent = self.is_waiting = True
            self._pool.open_for(self, connection.endpoint)
            return
        self._pool.note_failure(connection.endpoint)
        self._fail(error.kind or "reset")

    def on_deadline(self) -> None:
        """It has taken too long as a whole."""
        self._fail(TIMEOUT)

    def _fail(self, failure: str) -> None:
        self.failure = failure
        if self.is_waiting:
            self._pool.leave(self)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.endpoint.in_flight -= 1
            connection.abort()
        self._end()

    def _end(self) -> None:
        self.is_waiting = False
        self.leave()
        self._body.drop()
        self._on_over(self)
