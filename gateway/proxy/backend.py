"""One connection to a backend's endpoint: sends one request at a time and frames the response.

What it reads becomes calls on the exchange that it serves: `on_informational`, `on_response`, `on_body`, and
`on_backend_failed` for everything that goes wrong. It judges its endpoint by the endpoint's own lack of progress only:
waiting for a head (``response``), for more of a body or for room to write (``idle``). A client that is slow to read
stops the clock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from gateway.core.framing import CloseReader, Reader, response_reader
from gateway.core.heads import END
from gateway.core.responses import judge_beginning, parse_response
from gateway.errors import BackendError, BackendTimeout, MalformedMessage
from gateway.proxy.backlog import Backlog
from gateway.proxy.wheel import Timed

if TYPE_CHECKING:
    from gateway.core.responses import ResponseHead
    from gateway.proxy.asker import Asker
    from gateway.proxy.pool import EndpointState, Pool
    from gateway.proxy.tunnel import Tunnel

# Larger than any real response head; nginx's and Envoy's bounds are of the same order.
_HEAD_BOUND_BYTES: Final = 64 * 1024

# Larger heads are not remembered: idle connections must not hold on to them.
_KNOWN_BOUND_BYTES: Final = 4 * 1024

_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL_STATUS: Final = 200


class BackendConnection(Timed, asyncio.Protocol):
    """A pooled connection. ``served`` counts the requests that it has answered."""

    __slots__ = (
        "_backlog",
        "_buffer",
        "_is_reading_paused",
        "_known",
        "_method",
        "_reader",
        "endpoint",
        "exchange",
        "has_received",
        "is_counted",
        "is_open",
        "is_outdated",
        "is_reusable",
        "is_write_paused",
        "pool",
        "served",
        "transport",
        "tunnel",
    )

    transport: asyncio.Transport

    def __init__(self, pool: Pool, endpoint: EndpointState) -> None:
        super().__init__(pool.wheel)
        self.pool = pool
        self.endpoint = endpoint
        self.exchange: Asker | None = None
        self.tunnel: Tunnel | None = None
        self.is_open = False
        self.is_counted = False
        """Whether the pool knows of it: a connection that fails while it is opened never gets there."""
        self.is_reusable = False
        self.is_outdated = False
        """Whether the endpoint's name means another address by now."""
        self.is_write_paused = False
        """Whether the backend is slow to take what was sent."""
        self.has_received = False
        """Whether a byte of the present answer has come."""
        self.served = 0
        self._buffer = b""
        self._known: ResponseHead | None = None
        self._method = b""
        self._reader: Reader | None = None
        self._is_reading_paused = False
        self._backlog = Backlog()

    # What the exchange asks for.

    def send(self, exchange: Asker, method: bytes, head: bytes) -> None:
        """Serve ``exchange`` from here on; ``head`` asks for it."""
        self.exchange = exchange
        self._method = method
        self.is_reusable = False
        self.has_received = False
        timeouts = self.pool.backend.timeouts
        self.arm(timeouts.response if exchange.is_request_sent else timeouts.idle)
        if self.is_open:
            self.transport.write(head)

    def expect_response(self) -> None:
        """The request's body is sent as a whole: its answer is due."""
        self.arm(self.pool.backend.timeouts.response)

    def write(self, sent: bytes) -> None:
        """Send a part of the request."""
        if self.is_open:
            self.transport.write(sent)

    def note_progress(self) -> None:
        """A part of the request was sent: the backend has ``idle`` for its next sign of life."""
        self.arm(self.pool.backend.timeouts.idle)

    def pause(self) -> None:
        """The client is slow to read: read no more."""
        if self.is_open and not self._is_reading_paused:
            self._is_reading_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """The client reads again."""
        if self._is_reading_paused and self.is_open:
            self._is_reading_paused = False
            self.transport.resume_reading()
            self.note_progress()

    def abort(self) -> None:
        """Give up on this connection at once; the exchange hears nothing more."""
        self.exchange = None
        self.close()

    def close(self) -> None:
        """Drop the connection; nothing that is still unsent matters."""
        self.disarm()
        self.pool.withdraw(self)
        if self.is_open:
            self.is_open = False
            self.transport.abort()

    # What the transport reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.is_open = True

    def data_received(self, received: bytes) -> None:
        """Called by the loop."""
        exchange = self.exchange
        if exchange is None:
            if self.tunnel is None:
                self.close()  # nobody asked: whatever it is, it must not be taken for the next answer
            else:
                self.tunnel.from_backend(received)
        elif self._reader is None:
            self._read_head(exchange, received)
        else:
            self._read_body(exchange, self._reader, received)

    def _read_head(self, exchange: Asker, received: bytes) -> None:
        if self._buffer:
            received = self._buffer + received
            self._buffer = b""
        while received and self.exchange is exchange:
            response = self._known
            if response is None or not received.startswith(response.head):
                response = self._parse_head(received)
                if response is None:
                    return
            self.endpoint.failures = 0  # it has answered, whatever the status
            rest = received[len(response.head) :]
            if rest and response.whole_length == len(rest) and self._method != b"HEAD":
                self.is_reusable = response.keep_alive
                exchange.on_response(response, None, rest, is_done=True)
                return
            if response.status >= _FIRST_FINAL_STATUS:
                self._begin_body(exchange, response, rest)
                return
            received = self._read_informational(exchange, response, rest)

    def _parse_head(self, received: bytes) -> ResponseHead | None:
        """The head, remembered, since the same bytes mostly begin the next answer; None when it can't be had (yet)."""
        end = received.find(END)
        try:
            if end < 0:
                self._await_head(received)
                return None
            response = parse_response(received[: end + len(END)])
        except MalformedMessage:
            self._fail(BackendError("the backend's response is not valid HTTP/1.1", "protocol"))
            return None
        self._known = response if end <= _KNOWN_BOUND_BYTES else None
        return response

    def _await_head(self, received: bytes) -> None:
        """Keep the part of a head that has come. Raises `MalformedMessage`."""
        judge_beginning(received)
        self._buffer = received
        self.has_received = True
        if len(received) > _HEAD_BOUND_BYTES:
            self._fail(BackendError("the backend's response head is too large", "protocol"))

    def _begin_body(self, exchange: Asker, response: ResponseHead, rest: bytes) -> None:
        """The body is not there as a whole yet, or of unknown length, or there is none."""
        reader = response_reader(response, self._method)
        if reader is None:
            self.is_reusable = response.keep_alive and not rest
            exchange.on_response(response, None, b"", is_done=True)
            return
        self.is_reusable = response.keep_alive and not isinstance(reader, CloseReader)
        try:
            payload = reader.feed(rest)
        except MalformedMessage:
            self._fail(BackendError("the backend's response body is malformed", "protocol"))
            return
        if reader.is_done:
            self.is_reusable = self.is_reusable and not reader.rest
        else:
            self._reader = reader
            self.arm(self.pool.backend.timeouts.idle)
        exchange.on_response(response, reader, payload, is_done=reader.is_done)

    def _read_informational(self, exchange: Asker, response: ResponseHead, rest: bytes) -> bytes:
        """Pass it on; what is left to be read behind it."""
        if response.status == _SWITCHING_PROTOCOLS:
            if response.upgrade and exchange.is_upgrade:
                exchange.on_switched(response, rest)
            else:
                self._fail(BackendError("the backend switched protocols unasked", "protocol"))
            return b""
        self.has_received = True
        exchange.on_informational(response)
        return rest

    def _read_body(self, exchange: Asker, reader: Reader, received: bytes) -> None:
        try:
            payload = reader.feed(received)
        except MalformedMessage:
            self._fail(BackendError("the backend's response body is malformed", "protocol"))
            return
        if reader.is_done:
            self._reader = None
            self.is_reusable = self.is_reusable and not reader.rest
            exchange.on_body(payload, is_done=True, trailers=reader.trailers)
        else:
            self.arm(self.pool.backend.timeouts.idle)
            exchange.on_body(payload, is_done=False)

    def _fail(self, error: BackendError | BackendTimeout) -> None:
        """This connection is of no use any more; the exchange decides what that means for the request."""
        exchange = self.exchange
        self.abort()
        if exchange is not None:
            exchange.on_backend_failed(error)

    def eof_received(self) -> bool:
        """Called by the loop: the backend will send no more. True keeps our own direction open."""
        if self.tunnel is not None:
            self.tunnel.end_of_backend()
            return True
        if self.exchange is not None and isinstance(self._reader, CloseReader):
            self._reader.is_done = True
            self._reader = None
            self.exchange.on_body(b"", is_done=True)
        self.pool.withdraw(self)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self.is_open = False
        self.leave()
        if self.is_counted:
            self.pool.forget(self)
        if self.tunnel is not None:
            self.tunnel.close()
        elif self.exchange is not None:
            detail = "the backend closed the connection" if error is None else "the connection to the backend broke"
            self._fail(BackendError(detail, "reset"))

    def pause_writing(self) -> None:
        """Called by the loop: the backend is slow to take the request."""
        self.is_write_paused = True
        self._backlog.note(self.transport)
        if self.tunnel is not None:
            self.tunnel.pause_client()
        elif self.exchange is not None:
            self.exchange.client.pause_body()

    def resume_writing(self) -> None:
        """Called by the loop: it takes more."""
        self.is_write_paused = False
        if self.tunnel is not None:
            self.tunnel.resume_client()
        elif self.exchange is not None:
            self.note_progress()
            self.exchange.client.resume_body()

    def on_deadline(self) -> None:
        """Nothing has come for too long; whether that is the backend's fault depends on who waits for whom."""
        if self.exchange is None:
            self.close()  # idle in the pool
        elif self._is_reading_paused or not self._is_stalled():
            self.note_progress()
        else:
            waited_for = "answer in time" if self._reader is None else "finish its answer"
            self._fail(BackendTimeout(f"the backend did not {waited_for}"))

    def _is_stalled(self) -> bool:
        """Whether the backend is what we wait for: not while the client still owes parts of its request."""
        if self.is_write_paused:
            return not self._backlog.has_moved(self.transport)
        assert self.exchange is not None
        return self.exchange.is_request_sent or self._reader is not None
