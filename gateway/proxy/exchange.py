"""The life of one request, as named phases.

    read head → match → decide → acquire → send → receive head → relay → settle

``read head`` is the client connection's; everything after it is here, each phase a method. A failover goes back to
``acquire``, with the other arm (`gateway.proxy.failover`). Whatever happens, an exchange ends in ``settle``, once. The
request's answer is decided by what has reached the client: until a byte of a response has been written, a failure
becomes a problem document; after that, the connection is broken off, so that a truncated answer can't be taken for a
whole one.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from gateway.core.framing import CloseReader, encode_chunk, encode_last_chunk
from gateway.core.heads import END
from gateway.core.trace_context import Trace
from gateway.errors import NoRoute, ProxyError
from gateway.proxy.answer import frame_unbounded, optional_fields
from gateway.proxy.failover import Failed, fails_over, is_refused, keep_body, may_resend
from gateway.proxy.identity import new_request_id
from gateway.proxy.journaling import begin_collecting, collect
from gateway.proxy.kept import KeptBody
from gateway.proxy.phase import ACQUIRING, AWAITING, COLLECTING, DECIDING, RELAYING, SETTLED, TUNNEL
from gateway.proxy.problem import problem_response
from gateway.proxy.sending import NOTHING, compose_head
from gateway.proxy.tunnel import connect

if TYPE_CHECKING:
    from gateway.core.decision import Decision, Side
    from gateway.core.framing import Reader
    from gateway.core.heads import RequestHead
    from gateway.core.responses import ResponseHead
    from gateway.core.shadowing import Journal
    from gateway.journal.records import Entry
    from gateway.proxy.backend import BackendConnection
    from gateway.proxy.client import ClientConnection
    from gateway.proxy.generation import Generation
    from gateway.proxy.journaling import Held
    from gateway.proxy.pool import EndpointState, Pool
    from gateway.proxy.tee import Tee

# Below this, joining head and body costs less than a second write.
_JOIN_BYTES: Final = 16 * 1024

_FIRST_SERVER_ERROR: Final = 500


class Exchange:
    """One request and its answer. ``client`` and ``generation`` stay the same to its end, whatever is reloaded.

    What differs from its default only now and then is a class attribute: an exchange is made for every request.
    Times are seconds of the monotonic clock, 0 for what has not happened.
    """

    phase = DECIDING
    connection: BackendConnection | None = None
    decision: Decision | None = None
    side: Side
    """Who is asked: the decision's side, or after a failover the baseline's. There with the decision."""
    failed: Failed | None = None
    """How the candidate failed; None unless the baseline answers in its place."""
    kept: KeptBody | None = None
    """What has been sent of the request's body; None when it could not be sent again."""
    tee: Tee | None = None
    """What passes through; None unless it is to be copied."""
    journal: Journal | None = None
    """How it is kept when the candidate answers; None unless it is a write that is."""
    entry: Entry | None = None
    """What the journal has of it."""
    held: Held | None = None
    """The answer, while it waits for the journal."""
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
    pool: Pool | None = None
    """Of the arm that it was sent to last."""
    has_sent_body = False
    """Whether a part of the request's body was sent to anybody."""
    is_resent = False
    """Whether it was sent to this arm before, on a connection that was closed."""
    frames_chunks = False
    """Whether the response's body is chunked by us."""

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
        return self.phase is ACQUIRING

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
        if generation.troubled and not generation.breakers.admits(self):
            decision.keep_away("breaker")
        if generation.journaling is not None:
            self.journal = generation.journaling.begin(self)
        if generation.traces is not None:
            self.trace = generation.traces.begin(request.fields, self.request_id)
        if self.journal is not None and request.fields.chunked:
            begin_collecting(self)
        else:
            self.depart()

    def depart(self) -> None:
        """Go to the arm that was chosen, with what has come of the body."""
        decision, generation = self.decision, self.generation
        assert decision is not None
        self.side = side = decision.side
        if generation.copies is not None:
            self.tee = generation.copies.begin(self)
        if not self.is_request_sent and self.kept is None:
            self.kept = KeptBody(self.journal.body_bytes) if self.journal else keep_body(decision, self.request)
        self.pool = pool = generation.pools[side.backend]
        connection = pool.acquire(self)
        if connection is None:
            self.await_connection()
        else:
            self.on_connection(connection)

    # acquire

    def await_connection(self) -> None:
        """Wait until the pool has one; the client sends no body meanwhile."""
        self.phase = ACQUIRING
        if not self.is_request_sent:
            self.client.pause_body()

    def on_no_connection(self, error: ProxyError) -> None:
        """No endpoint could be reached, or no connection came free in time."""
        if not fails_over(self, error):
            self.fail(error)

    # send

    def on_connection(self, connection: BackendConnection) -> None:
        """Send the request's head on ``connection``; the body follows as the client sends it."""
        self.phase = AWAITING
        self.connection = connection
        self.endpoint = connection.endpoint
        trace = self.trace
        if isinstance(trace, Trace):
            head = compose_head(self, self.side, connection.endpoint.endpoint, trace.line, trace.removed)
        else:
            head = compose_head(self, self.side, connection.endpoint.endpoint, trace, NOTHING)
        connection.send(self, self.request.method, head)
        if self.has_sent_body:
            self._send_kept(connection)
        self.sent_at = monotonic()
        if not self.is_request_sent:
            self.client.resume_body()

    def _send_kept(self, connection: BackendConnection) -> None:
        """Send what another arm has got of the request's body before."""
        assert self.kept is not None
        connection.write(self.kept.encode(is_chunked=self.request.fields.chunked, is_done=self.is_request_sent))
        assert self.decision is not None
        if self.side is self.decision.entry.baseline:
            self.kept = None  # nobody comes after it: what follows need not be kept

    def on_request_body(self, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        """Send on a part of the request's body."""
        if self.phase is COLLECTING:
            collect(self, payload, is_done=is_done, trailers=trailers)
            return
        connection = self.connection
        if is_done:
            self.is_request_sent = True
        if self.tee is not None:
            self.tee.request.add(payload, trailers)
        if connection is None or self.phase is SETTLED:
            return
        self.has_sent_body = True
        if self.kept is not None:
            self.kept.add(payload, trailers)
        if self.request.fields.chunked:
            payload = encode_chunk(payload) + (encode_last_chunk(trailers) if is_done else b"")
        connection.write(payload)
        if is_done and self.phase is AWAITING:
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
        self.header_at = self.header_at or monotonic()  # one that was held has come before
        status = response.status
        if ((status >= _FIRST_SERVER_ERROR or generation.troubled) and is_refused(self, status, is_done=is_done)) or (
            self.journal is not None and self._is_held(response, reader, payload, is_done=is_done)
        ):
            return
        self.phase = RELAYING
        self.status = status
        if self.tee is not None:
            self.tee.begin_answer(response)
        ours = b""
        if response.chunked or isinstance(reader, CloseReader):
            ours = frame_unbounded(self, reader)
        if generation.is_exposing or decision.issued_key is not None:
            ours += optional_fields(self)
        if not self.keep_alive or not self.is_request_sent or client.is_ending:
            self.keep_alive = False
            ours += b"Connection: close\r\n"
        elif not self.request.fields.is_http11:
            ours += b"Connection: keep-alive\r\n"
        head = (response.passed_on, b"X-Request-ID: ", self.request_id, b"\r\n", ours, b"\r\n")
        if len(payload) > _JOIN_BYTES or self.frames_chunks:
            client.write(b"".join(head))
            self.on_body(payload, is_done=is_done, trailers=reader.trailers if reader is not None else b"")
            return
        self.bytes_sent = len(payload)
        if self.tee is not None:
            self.tee.add(payload, is_done=is_done)
        client.write(b"".join((*head, payload)))
        if is_done:
            self._finish()

    def _is_held(self, response: ResponseHead, reader: Reader | None, payload: bytes, *, is_done: bool) -> bool:
        """Whether the answer waits for the journal, which calls `on_response` once more."""
        assert self.generation.journaling is not None
        return self.generation.journaling.hold(self, response, reader, payload, is_done=is_done)

    # relay

    def on_body(self, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        """Pass on a part of the response's body."""
        if self.held is not None:
            self.held.add(payload, is_done=is_done)
            return
        self.bytes_sent += len(payload)
        if self.tee is not None:
            self.tee.add(payload, is_done=is_done)
        if self.frames_chunks:
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
        assert self.pool is not None
        if self.generation.troubled:
            self.generation.breakers.note_beginning(self)
        self.phase = TUNNEL
        self.status = response.status
        self.header_at = monotonic()
        ours = b"Connection: Upgrade\r\nUpgrade: %b\r\nX-Request-ID: %b\r\n" % (response.upgrade, self.request_id)
        client.write(b"".join((response.passed_on, ours, optional_fields(self), b"\r\n")))
        connect(client, connection, self.pool.backend.timeouts.tunnel, self._on_tunnel_over, rest)

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
        connection, self.connection = self.connection, None
        self._settle()
        if connection is not None:  # it may have ended while its answer was held
            assert self.pool is not None
            connection.is_reusable = connection.is_reusable and self.is_request_sent
            self.pool.release(connection)
        self.client.finish(self.keep_alive)

    def _settle(self) -> None:
        self.phase = SETTLED
        self.settled_at = monotonic()
        self.generation.settle(self)

    # What goes wrong.

    def on_backend_failed(self, error: ProxyError) -> None:
        """The connection is gone. The request may be worth another, if nothing can have come of it."""
        connection = self.connection
        assert connection is not None
        assert self.pool is not None
        self.connection = None
        connection.endpoint.in_flight -= 1
        if self.held is not None and self.held.is_whole:
            return  # nothing more is wanted of it
        if may_resend(self, connection, error):
            self.is_resent = True
            self.await_connection()
            self.pool.open_for(self, connection.endpoint)
            return
        self.pool.note_failure(connection.endpoint)
        if not fails_over(self, error):
            self.fail(error)

    def fail(self, error: ProxyError) -> None:
        """End with an answer of the gateway's own, or by breaking off when one has begun."""
        if self.phase is SETTLED:
            return
        self.error = error
        if self.phase is TUNNEL:
            self.client.abort()  # it ends the tunnel, whose end settles
            return
        has_begun = self.phase is RELAYING
        self.drop_connection()
        if has_begun:
            self._settle()
            self.client.abort()
            return
        self.status = error.status
        ends_connection = error.source == "client" and not isinstance(error, NoRoute)
        keep_alive = self.keep_alive and self.is_request_sent and not ends_connection and not self.client.is_ending
        ours = optional_fields(self)
        if keep_alive and not self.request.fields.is_http11:
            ours += b"Connection: keep-alive\r\n"
        answer = problem_response(error, self.request_id, method=self.request.method, ours=ours, keep_alive=keep_alive)
        self.bytes_sent = len(answer) - answer.index(END) - len(END)
        self.client.write(answer)
        self._settle()
        self.client.finish(keep_alive)

    def on_client_lost(self) -> None:
        """The client is gone: nobody waits for an answer."""
        if self.phase is SETTLED:
            return
        self.is_client_gone = True
        self.drop_connection()
        self._settle()

    def drop_connection(self) -> None:
        """Want none any longer, and end the one there is."""
        if self.phase is ACQUIRING and self.pool is not None:
            self.pool.leave(self)
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.endpoint.in_flight -= 1
            connection.abort()
