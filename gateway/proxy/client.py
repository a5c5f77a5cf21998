"""One client's connection: reads request heads and bodies, writes answers, one exchange after the other.

Pipelined requests wait their turn in the buffer; when that grows beyond a head's bound, reading pauses. Reading also
pauses while the backend is slow to take a body, or is not there yet. A connection that must end before the client has
finished sending ends slowly (RFC 9112, section 9.6): an immediate close would reset it and take the answer with it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from gateway.core.framing import ChunkReader, LengthReader, request_reader
from gateway.core.heads import END, RequestHead, judge_beginning, parse_request, repeat_request
from gateway.errors import BadRequest, BodyTooLarge, HeadTooLarge, MalformedMessage, ProxyError, RequestTimeout
from gateway.proxy.backlog import Backlog
from gateway.proxy.exchange import Exchange
from gateway.proxy.identity import new_request_id
from gateway.proxy.peer import Peer
from gateway.proxy.problem import problem_response
from gateway.proxy.wheel import NEVER, Timed

if TYPE_CHECKING:
    from gateway.core.fields import Fields
    from gateway.proxy.generation import Generation
    from gateway.proxy.plane import DataPlane
    from gateway.proxy.tunnel import Tunnel


# Larger fields are not remembered: 10,000 idle clients must not hold on to what they once sent.
_KNOWN_BOUND_BYTES: Final = 4 * 1024

# How long a client may take to notice the end of a connection, while what it still sends is thrown away.
_LINGER_SECONDS: Final = 2.0


class ClientConnection(Timed, asyncio.Protocol):
    """See the module. ``is_ending``: no request will be read after the one under way."""

    __slots__ = (
        "_backlog",
        "_body_bytes",
        "_buffer",
        "_is_half_closed",
        "_is_lingering",
        "_is_open",
        "_is_reading_paused",
        "_is_write_paused",
        "_known",
        "_reader",
        "_searched",
        "_tunnel",
        "exchange",
        "is_ending",
        "peer",
        "plane",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, plane: DataPlane, *, is_tls: bool) -> None:
        super().__init__(plane.wheel)
        self.plane = plane
        self.peer = Peer("", is_tls=is_tls)
        self.exchange: Exchange | None = None
        self.is_ending = False
        self._buffer = b""
        self._searched = 0
        self._reader: LengthReader | ChunkReader | None = None
        self._body_bytes = 0
        self._tunnel: Tunnel | None = None
        self._is_lingering = False
        self._is_half_closed = False
        self._is_open = True
        self._is_reading_paused = False
        self._is_write_paused = False
        self._backlog = Backlog()
        self._known: Fields | None = None

    # What the transport reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        name = transport.get_extra_info("peername")
        if name:
            self.peer = Peer(name[0], is_tls=self.peer.is_tls)
        self.plane.admit(self)
        self.arm(self.plane.generation.timeouts.idle)

    def data_received(self, received: bytes) -> None:
        """Called by the loop."""
        if self.exchange is None:
            if self._is_lingering:
                return
            known = self._known
            generation = self.plane.generation
            if (
                known is not None
                and not self._buffer
                and received.endswith(END)
                and len(received) <= generation.limits.header_bytes
                and (request := repeat_request(received, known)) is not None
            ):
                self._begin(generation, request)
            else:
                self._read_head(generation, received)
        elif self._tunnel is not None:
            self._tunnel.from_client(received)
        elif self._reader is not None:
            self._read_body(received)
        else:
            self._hold(received)

    def eof_received(self) -> bool:
        """Called by the loop: the client will send no more. True keeps our own direction open."""
        self._is_half_closed = True
        if self._tunnel is not None:
            self._tunnel.end_of_client()
            return True
        # Half-closed behind whole requests, it still waits for the answers; TLS can't be half-closed.
        has_asked = self._reader is None if self.exchange is not None else END in self._buffer
        return has_asked and not self.peer.is_tls

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by the loop."""
        self.leave()
        self.is_ending = True
        self._is_open = False
        self.plane.dismiss(self)
        if self._tunnel is not None:
            self._tunnel.close()
        elif self.exchange is not None:
            exchange, self.exchange = self.exchange, None
            exchange.on_client_lost()

    # Reading.

    def _read_head(self, generation: Generation, received: bytes) -> None:
        if self._buffer:
            received = self._buffer + received
            self._buffer = b""
        if received.startswith(b"\r\n"):
            received = received[2:]  # some clients end a body with one CR LF too many (RFC 9112, section 2.2)
            self._searched = 0
        end = received.find(END, self._searched)
        if end < 0:
            self._wait_for_head(generation, received)
            return
        self._searched = 0
        end += len(END)
        limits = generation.limits
        try:
            if end > limits.header_bytes:
                raise HeadTooLarge(f"the request's head is over {limits.header_bytes} bytes")
            head = received[:end]
            request = repeat_request(head, self._known) if self._known is not None else None
            request = request or parse_request(head, count_limit=limits.header_count)
        except ProxyError as error:
            self._refuse(error, received[:end], received[end:])
            return
        self._buffer = received[end:]
        self._begin(generation, request)

    def _begin(self, generation: Generation, request: RequestHead) -> None:
        self.deadline = NEVER
        fields = request.fields
        self._known = fields if fields.is_http11 and len(fields.raw) <= _KNOWN_BOUND_BYTES else None
        self.exchange = exchange = Exchange(self, generation, request)
        generation.in_flight += 1
        if fields.content_length is None and not fields.chunked:
            exchange.begin()
            return
        self._reader = request_reader(fields)
        self._body_bytes = 0
        self.arm(generation.timeouts.idle)  # the body may never come
        bound = generation.limits.body
        if bound and fields.content_length is not None and fields.content_length > bound:
            exchange.fail(BodyTooLarge(f"the request's body is over {bound} bytes"))
            return
        exchange.begin()

    def _wait_for_head(self, generation: Generation, received: bytes) -> None:
        """Keep the part of a head that has come, for as long as ``timeouts.header`` allows."""
        if self._is_half_closed:
            self._end()
            return
        try:
            judge_beginning(received, generation.limits.header_bytes, judged=self._searched)
        except ProxyError as error:
            self._refuse(error, received, b"")
            return
        if received and not self._searched:
            self.arm(generation.timeouts.header)
        self._buffer = received
        self._searched = max(len(received) - 3, 0)

    def _hold(self, received: bytes) -> None:
        """Keep pipelined bytes until their turn comes."""
        self._buffer += received
        if len(self._buffer) > self.plane.generation.limits.header_bytes:
            self._pause_reading()

    def _read_body(self, received: bytes) -> None:
        exchange = self.exchange
        reader = self._reader
        assert exchange is not None
        assert reader is not None
        if exchange.is_waiting:
            self._buffer += received
            return
        try:
            payload = reader.feed(received)
        except MalformedMessage as error:
            exchange.fail(BadRequest(str(error)))
            return
        self._body_bytes += len(payload)
        bound = exchange.generation.limits.body
        if bound and self._body_bytes > bound:
            exchange.fail(BodyTooLarge(f"the request's body is over {bound} bytes"))
        elif reader.is_done:
            self._reader = None
            self._buffer = reader.rest
            self.disarm()
            exchange.on_request_body(payload, is_done=True, trailers=reader.trailers)
        else:
            self.arm(exchange.generation.timeouts.idle)
            if payload:
                exchange.on_request_body(payload, is_done=False)

    def _refuse(self, error: ProxyError, head: bytes, rest: bytes) -> None:
        """Answer what could not be made a request, and end. ``rest`` came behind what there is of the head."""
        self._buffer = rest
        request_id = new_request_id()
        answer = problem_response(error, request_id, method=b"GET", ours=b"", keep_alive=False)
        self.plane.generation.note_refusal(error, request_id, head, answer)
        self.write(answer)
        self._linger()

    # Back-pressure.

    def pause_body(self) -> None:
        """The backend is slow to take the body, or not there yet: read no more."""
        if self._reader is not None:
            self._pause_reading()

    def resume_body(self) -> None:
        """The backend takes more."""
        if self._reader is not None:
            self._resume_reading()  # before what is held, which may be too much again
            if self._buffer:
                held, self._buffer = self._buffer, b""
                self._read_body(held)

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and not self.transport.is_closing():
            self._is_reading_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and not self.transport.is_closing():
            self._is_reading_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """Called by the loop: the client is slow to read."""
        self._is_write_paused = True
        self._backlog.note(self.transport)
        if self._tunnel is not None:
            self._tunnel.pause_backend()
            return
        self.arm(self.plane.generation.timeouts.idle)
        if self.exchange is not None and self.exchange.connection is not None:
            self.exchange.connection.pause()

    def resume_writing(self) -> None:
        """Called by the loop: the client reads again."""
        self._is_write_paused = False
        if self._tunnel is not None:
            self._tunnel.resume_backend()
            return
        if self.exchange is None:
            self._go_on()
            return
        if self._reader is None:
            self.disarm()
        if self.exchange.connection is not None:
            self.exchange.connection.resume()

    # Writing, and the end.

    def write(self, answer: bytes) -> None:
        """Send a part of the answer."""
        if self._is_open:
            self.transport.write(answer)

    def open_tunnel(self, tunnel: Tunnel) -> None:
        """From now on, bytes pass through ``tunnel``."""
        self._tunnel = tunnel
        self.disarm()
        if self._buffer:
            held, self._buffer = self._buffer, b""
            tunnel.from_client(held)
        self._resume_reading()

    def finish(self, keep_alive: bool) -> None:
        """The answer is written: on to the next request, or end."""
        self.exchange = None
        if not keep_alive:
            self._end()
            return
        self.arm(self.plane.generation.timeouts.idle)
        if self._is_write_paused:
            self._pause_reading()  # who does not take its answers is asked for no more requests
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._is_lingering or self.transport.is_closing():
            return
        self._resume_reading()
        if self._buffer:
            self.plane.loop.call_soon(self._read_next)
        elif self._is_half_closed:
            self._end()

    def _read_next(self) -> None:
        """Take up a pipelined request: in a new call, so that a thousand of them don't nest."""
        if self.exchange is None and not self._is_lingering and not self.transport.is_closing():
            held, self._buffer = self._buffer, b""
            self._read_head(self.plane.generation, held)

    def _end(self) -> None:
        """Close: at once when the client has sent all it was to send, else slowly."""
        self.is_ending = True
        if self._reader is not None or self._buffer:
            self._linger()
        else:
            self._close()

    def _close(self) -> None:
        """Close once what was written has gone out."""
        self._is_open = False
        self._backlog.note(self.transport)
        self.arm(self.plane.generation.timeouts.idle)
        self.transport.close()

    def _linger(self) -> None:
        """Say that nothing more will come, and read on for a moment without looking."""
        self.is_ending = self._is_lingering = True
        self._reader = None
        self._buffer = b""
        if not self._is_open or not self.transport.can_write_eof():
            self._close()
            return
        self._is_open = False
        self.transport.write_eof()
        self._resume_reading()
        self.arm(_LINGER_SECONDS)

    def abort(self) -> None:
        """Break off, so that nobody takes what was sent for the whole."""
        exchange, self.exchange = self.exchange, None
        self.is_ending = True
        self._is_open = False
        self.transport.abort()
        if self._tunnel is not None:
            self._tunnel.close()
        elif exchange is not None:
            exchange.on_client_lost()

    def drain(self) -> None:
        """Read no further request: end now when idle, else with the answer under way."""
        self.is_ending = True
        if self.exchange is None and not self._buffer and not self._is_lingering:
            self._close()

    def on_deadline(self) -> None:
        """The client has taken too long."""
        if self._is_lingering:
            self.transport.abort()
        elif self._is_write_paused or self.transport.is_closing():
            if self._backlog.has_moved(self.transport):
                self.arm(self.plane.generation.timeouts.idle)
            else:
                self.transport.abort()
        elif self.exchange is not None:
            self._judge_body(self.exchange)
        elif self._buffer:
            self._refuse(RequestTimeout("the request's head did not arrive in time"), self._buffer, b"")
        else:
            self._close()

    def _judge_body(self, exchange: Exchange) -> None:
        if self._is_reading_paused:
            self.arm(exchange.generation.timeouts.idle)  # it is the backend that we wait for
        elif self._reader is not None:
            exchange.fail(RequestTimeout("the request's body did not arrive in time"))
