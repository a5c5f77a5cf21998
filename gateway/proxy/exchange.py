"""The life of one request, as named phases.

    read head → match → decide → acquire → send → receive head → relay → settle

``read head`` is the client connection's; everything after it is here, each phase a method. Whatever happens, an
exchange ends in `settle`, once. The request's answer is decided by what has reached the client: until a byte of a
response has been written, a failure becomes a problem document; after that, the connection is broken off, so that a
truncated answer can't be taken for a whole one.
"""

from __future__ import annotations

from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING, Final

from gateway.core.framing import CloseReader, encode_chunk, encode_last_chunk
from gateway.core.heads import END
from gateway.core.trace_context import Trace
from gateway.errors import BackendError, NoRoute, ProxyError
from gateway.proxy.identity import new_request_id
from gateway.proxy.problem import problem_response
from gateway.proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from gateway.core.decision import Decision, Side
    from gateway.core.framing import Reader
    from gateway.core.heads import RequestHead
    from gateway.core.responses import ResponseHead
    from gateway.proxy.backend import BackendConnection
    from gateway.proxy.client import ClientConnection
    from gateway.proxy.generation import Generation
    from gateway.proxy.pool import EndpointState, Pool

# RFC 9110, section 9.2.2. Sending one of these twice means the same as once.
_IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})

# Below this, joining head and body costs less than a second write.
_JOIN_BYTES: Final = 16 * 1024


class Phase(Enum):
    """How far an exchange is."""

    DECIDING = auto()
    ACQUIRING = auto()  # waits for a connection
    AWAITING = auto()  # the request is being sent, or its answer awaited
    RELAYING = auto()  # the answer's head has gone to the client
    TUNNEL = auto()
    SETTLED = auto()


# A name of the module is found several times as fast as a member of an enumeration.
_ACQUIRING, _AWAITING, _RELAYING, _TUNNEL, _SETTLED = list(Phase)[1:]


class Exchange:
    """One request and its answer. ``client`` and ``generation`` stay the same to its end, whatever is reloaded.

    What differs from its default only now and then is a class attribute: an exchange is made for every request.
    Times are seconds of the monotonic clock, 0 for what has not happened.
    """

    phase = Phase.DECIDING
    connection: BackendConnection | None = None
    decision: Decision | None = None
    error: ProxyError | None = None
    status = 0
    is_client_gone = False
    """Whether the client left before it had its answer as a whole."""
    bytes_sent = 0
    """Of the response's body."""
    endpoint: EndpointState | None = None
    """The one that the request was sent to; the last, when it was sent again."""
    trace: Trace | bytes = b""
    """How it is traced; see `Traces.begin`."""
    template: str | None = None
    """Of the request's path; None for what no route serves."""
    sent_at = 0.0
    header_at = 0.0
    settled_at = 0.0
    _pool: Pool | None = None
    _has_sent_body = False
    _is_resent = False
    _frames_chunks = False

    def __init__(self, client: ClientConnection, generation: Generation, request: RequestHead) -> None:
        fields = request.fields
        self.client = client
        self.generation = generation
        self.request = request
        self.request_id = fields.request_id or new_request_id()
        self.keep_alive = fields.keep_alive
        self.is_request_sent = not (fields.chunked or fields.content_length)
        self.started_at = monotonic()

    @property
    def is_waiting(self) -> bool:
        """Whether a connection is still wanted."""
        return self.phase is _ACQUIRING

    @property
    def is_upgrade(self) -> bool:
        """Whether the client asked to switch protocols."""
        return bool(self.request.fields.upgrade)

    # match, decide

    def begin(self) -> None:
        """Choose where the request goes, and go there."""
        peer = self.client.peer.address
        generation = self.generation
        request = self.request
        override = generation.overrides.read(request, peer) if request.fields.arm_override else None
        try:
            decision = generation.decider.decide(request, peer, override=override, down=generation.down)
        except ProxyError as error:
            self.fail(error)
            return
        self.decision = decision
        if generation.traces is not None:
            self.trace = generation.traces.begin(request.fields, self.request_id)
        self._pool = pool = generation.pools[decision.side.backend]
        connection = pool.acquire(self)
        if connection is None:
            self._await_connection()
        else:
            self.on_connection(connection)

    # acquire

    def _await_connection(self) -> None:
        self.phase = _ACQUIRING
        if not self.is_request_sent:
            self.client.pause_body()

    def on_no_connection(self, error: ProxyError) -> None:
        """No endpoint could be reached, or no connection came free in time."""
        self.fail(error)

    # send

    def on_connection(self, connection: BackendConnection) -> None:
        """Send the request's head on ``connection``; the body follows as the client sends it."""
        decision = self.decision
        assert decision is not None
        self.phase = _AWAITING
        self.connection = connection
        self.endpoint = connection.endpoint
        request = self.request
        side = decision.side
        target = request.target
        fields = request.fields
        passed = fields.passed_on() if side.rewrite_fields is None else side.rewrite_fields.apply(fields)
        line = self.trace
        if isinstance(line, Trace):
            passed, line = self._pass_on_traced(line, side), line.line
        added = self.client.peer.added_fields(self.generation, fields)
        if side.rewrite_path is not None:
            target = side.rewrite_path(request.path) + (b"?" + request.query if b"?" in target else b"")
        if not fields.authority:
            added += b"Host: %b\r\n" % connection.endpoint.endpoint.authority.encode("latin-1")
        method = request.method
        added += side.header_lines
        head = (method, b" ", target, b" HTTP/1.1", passed, added, line, b"X-Request-ID: ", self.request_id, END)
        connection.send(self, method, b"".join(head))
        self.sent_at = monotonic()
        if not self.is_request_sent:
            self.client.resume_body()

    def _pass_on_traced(self, trace: Trace, side: Side) -> bytes:
        """The fields that are passed on, without what the trace replaces."""
        fields = self.request.fields
        if side.rewrite_fields is None:
            return fields.passed_on_without(trace.removed)
        return side.rewrite_fields.apply(fields, trace.removed)

    def on_request_body(self, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        """Send on a part of the request's body."""
        connection = self.connection
        if is_done:
            self.is_request_sent = True
        if connection is None or self.phase is _SETTLED:
            return
        self._has_sent_body = True
        if self.request.fields.chunked:
            payload = encode_chunk(payload) + (encode_last_chunk(trailers) if is_done else b"")
        connection.write(payload)
        if is_done and self.phase is _AWAITING:
            self.sent_at = monotonic()
            connection.expect_response()
        else:
            connection.note_progress()

    # receive head

    def on_informational(self, response: ResponseHead) -> None:
        """Pass on an interim response (RFC 9110, section 15.2); HTTP/1.0 does not know them."""
        if self.request.fields.is_http11:
            self.client.write(response.passed_on + b"\r\n")

    def on_response(self, response: ResponseHead, reader: Reader | None, payload: bytes, *, is_done: bool) -> None:
        """Answer the client with the backend's head, and what has come of the body (`on_body` brings the rest)."""
        client = self.client
        generation = self.generation
        decision = self.decision
        assert decision is not None
        self.header_at = monotonic()
        self.phase = _RELAYING
        self.status = response.status
        ours = b""
        if response.chunked or isinstance(reader, CloseReader):
            ours = self._frame_unbounded(reader)
        if generation.is_exposing or decision.issued_key is not None:
            ours += self._optional_fields(decision)
        if not self.keep_alive or not self.is_request_sent or client.is_ending:
            self.keep_alive = False
            ours += b"Connection: close\r\n"
        elif not self.request.fields.is_http11:
            ours += b"Connection: keep-alive\r\n"
        head = (response.passed_on, b"X-Request-ID: ", self.request_id, b"\r\n", ours, b"\r\n")
        if len(payload) > _JOIN_BYTES or self._frames_chunks:
            client.write(b"".join(head))
            self.on_body(payload, is_done=is_done, trailers=reader.trailers if reader is not None else b"")
            return
        self.bytes_sent = len(payload)
        client.write(b"".join((*head, payload)))
        if is_done:
            self._finish()

    def _frame_unbounded(self, reader: Reader | None) -> bytes:
        """A body whose length is not known: chunked for HTTP/1.1, ended by closing for HTTP/1.0."""
        if reader is None and self.request.method != b"HEAD":
            return b""  # a 204 or 304 that speaks of a body which it can't have
        if self.request.fields.is_http11:
            self._frames_chunks = reader is not None
            return b"Transfer-Encoding: chunked\r\n"
        self.keep_alive = reader is None
        return b""

    def _optional_fields(self, decision: Decision) -> bytes:
        """What ``server.expose`` and ``on_missing_key: cookie`` add to a response."""
        fields = b""
        if self.generation.is_exposing:
            fields = b"%bX-Crossfade-Reason: %b\r\n" % (decision.side.header_lines, decision.reason.encode())
        if decision.issued_key is not None:
            fields += b"Set-Cookie: crossfade_key=%b; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax%b\r\n" % (
                decision.issued_key,
                b"; Secure" if self.client.peer.is_tls else b"",
            )
        return fields

    # relay

    def on_body(self, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        """Pass on a part of the response's body."""
        self.bytes_sent += len(payload)
        if self._frames_chunks:
            payload = encode_chunk(payload) + (encode_last_chunk(trailers) if is_done else b"")
        if payload:
            self.client.write(payload)
        if is_done:
            self._finish()

    def on_switched(self, response: ResponseHead, rest: bytes) -> None:
        """The backend has switched protocols: from here on, bytes pass both ways as they come."""
        connection = self.connection
        client = self.client
        assert connection is not None
        assert self._pool is not None
        assert self.decision is not None
        self.phase = _TUNNEL
        self.status = response.status
        self.header_at = monotonic()
        ours = b"Connection: Upgrade\r\nUpgrade: %b\r\nX-Request-ID: %b\r\n" % (response.upgrade, self.request_id)
        client.write(b"".join((response.passed_on, ours, self._optional_fields(self.decision), b"\r\n")))
        silence_seconds = self._pool.backend.timeouts.tunnel
        tunnel = Tunnel(client.wheel, client.transport, connection.transport, silence_seconds, self._on_tunnel_over)
        connection.exchange = None
        connection.tunnel = tunnel
        connection.disarm()
        client.open_tunnel(tunnel)
        if rest:
            tunnel.from_backend(rest)

    def _on_tunnel_over(self) -> None:
        connection = self.connection
        assert connection is not None
        if connection.tunnel is not None:
            self.bytes_sent = connection.tunnel.bytes_down
        self.connection = None
        connection.endpoint.in_flight -= 1
        self._settle()

    # settle

    def _finish(self) -> None:
        """The answer is out as a whole."""
        connection = self.connection
        assert connection is not None
        assert self._pool is not None
        self.connection = None
        self._settle()
        if not self.is_request_sent:
            connection.is_reusable = False
        self._pool.release(connection)
        self.client.finish(self.keep_alive)

    def _settle(self) -> None:
        self.phase = _SETTLED
        self.settled_at = monotonic()
        self.generation.settle(self)

    # What goes wrong.

    def on_backend_failed(self, error: ProxyError) -> None:
        """The connection is gone. The request may be worth another, if nothing can have come of it."""
        connection = self.connection
        assert connection is not None
        assert self._pool is not None
        self.connection = None
        connection.endpoint.in_flight -= 1
        if self._may_resend(connection, error):
            self._is_resent = True
            self._await_connection()
            self._pool.open_for(self, connection.endpoint)
            return
        self._pool.note_failure(connection.endpoint)
        self.fail(error)

    def _may_resend(self, connection: BackendConnection, error: ProxyError) -> bool:
        """A pooled connection that the backend closed as we took it: safe to send again on a fresh one.

        Only while no byte of the response has come, once, and when repeating does no harm (RFC 9112, section 9.3.1).
        """
        return (
            isinstance(error, BackendError)
            and error.kind == "reset"
            and self.phase is _AWAITING
            and connection.served > 0
            and not connection.has_received
            and not self._is_resent
            and not self._has_sent_body
            and self.request.method in _IDEMPOTENT
        )

    def fail(self, error: ProxyError) -> None:
        """End with an answer of the gateway's own, or by breaking off when one has begun."""
        if self.phase is _SETTLED:
            return
        self.error = error
        if self.phase is _TUNNEL:
            self.client.abort()  # it ends the tunnel, whose end settles
            return
        has_begun = self.phase is _RELAYING
        self._drop_connection()
        if has_begun:
            self._settle()
            self.client.abort()
            return
        self.status = error.status
        ends_connection = error.source == "client" and not isinstance(error, NoRoute)
        keep_alive = self.keep_alive and self.is_request_sent and not ends_connection and not self.client.is_ending
        ours = self._optional_fields(self.decision) if self.decision is not None else b""
        if keep_alive and not self.request.fields.is_http11:
            ours += b"Connection: keep-alive\r\n"
        answer = problem_response(error, self.request_id, method=self.request.method, ours=ours, keep_alive=keep_alive)
        self.bytes_sent = len(answer) - answer.index(END) - len(END)
        self.client.write(answer)
        self._settle()
        self.client.finish(keep_alive)

    def on_client_lost(self) -> None:
        """The client is gone: nobody waits for an answer."""
        if self.phase is _SETTLED:
            return
        self.is_client_gone = True
        self._drop_connection()
        self._settle()

    def _drop_connection(self) -> None:
        if self.phase is _ACQUIRING and self._pool is not None:
            self._pool.leave(self)
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.endpoint.in_flight -= 1
            connection.abort()
