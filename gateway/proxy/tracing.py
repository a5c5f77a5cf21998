"""The requests that were traced, until they are taken away.

Spans are made of them in the controller: OpenTelemetry's SDK takes about 0.1 ms for a request, which a worker's loop,
and the users behind it, must not wait for.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING, Final

from gateway.core.figures import CLIENT_GONE, Exemplar, duration_bucket
from gateway.core.trace_context import Trace, TracedRequest
from gateway.proxy.record import kind_of

if TYPE_CHECKING:
    from gateway.core.decision import Side
    from gateway.proxy.counting import Counters
    from gateway.proxy.exchange import Exchange

# Between two reports. At 1 % that is 400,000 requests a second.
_MOST_HELD: Final = 1000

_MOST_HELD_BYTES: Final = 4 * 1024 * 1024
"""Of what clients choose, so far below what a link carries in one message."""

_LONGEST_URL: Final = 2048
"""As in the access log: spans wait in queues, which would otherwise be as large as clients like."""

_LONGEST_HOST: Final = 255
"""RFC 1035, section 2.3.4, and more than any address."""


class TracedRequests:
    """A bounded list. ``dropped`` counts those that it had no room for."""

    def __init__(self) -> None:
        self.dropped = 0
        self._held: list[TracedRequest] = []
        self._held_bytes = 0

    def note(self, exchange: Exchange, counters: Counters) -> None:
        """Hold on to a request that is over, if it is one of those to be recorded."""
        trace = exchange.trace
        if not isinstance(trace, Trace) or not trace.is_sampled:
            return
        seconds = exchange.settled_at - exchange.started_at
        traced = traced_request(exchange, trace)
        counters.exemplify(exchange, duration_bucket(seconds), Exemplar(traced.trace_id, seconds, traced.ended_at))
        size_bytes = len(traced.path) + len(traced.asked) + len(traced.host)
        if len(self._held) < _MOST_HELD and self._held_bytes + size_bytes <= _MOST_HELD_BYTES:
            self._held.append(traced)
            self._held_bytes += size_bytes
        else:
            self.dropped += 1

    def take(self) -> tuple[TracedRequest, ...]:
        """Those since the last call."""
        taken, self._held, self._held_bytes = tuple(self._held), [], 0
        return taken


def traced_request(exchange: Exchange, trace: Trace) -> TracedRequest:
    """What spans are made of; the request must have had a route."""
    request = exchange.request
    decision = exchange.decision
    peer = exchange.client.peer
    assert decision is not None
    epoch = time() - monotonic()
    return TracedRequest(
        trace_id=trace.trace_id.decode(),
        parent_id=trace.parent_id.decode() if trace.parent_id is not None else None,
        span_id=trace.span_id.decode(),
        sent_id=trace.sent_id.decode(),
        started_at=exchange.started_at + epoch,
        sent_at=exchange.sent_at + epoch if exchange.sent_at else 0.0,
        header_at=exchange.header_at + epoch if exchange.header_at else 0.0,
        ended_at=exchange.settled_at + epoch,
        request_id=exchange.request_id.decode("latin-1"),
        method=request.method.decode("latin-1"),
        path=request.path[:_LONGEST_URL].decode("latin-1"),
        template=exchange.template or "",
        route=decision.entry.route.name,
        arm=str(decision.arm),
        reason=decision.reason,
        backend=exchange.side.backend,
        asked=_asked_url(exchange, exchange.side),
        status=exchange.status or CLIENT_GONE,
        error=kind_of(exchange) or "",
        client=peer.address,
        host=request.fields.authority[:_LONGEST_HOST].decode("latin-1"),
        scheme="https" if peer.is_tls else "http",
        is_http11=request.fields.is_http11,
    )


def _asked_url(exchange: Exchange, side: Side) -> str:
    """As the backend knows it: rewritten, where the route says so; cut, where it is long."""
    if exchange.endpoint is None:
        return ""
    path = exchange.request.path
    if side.rewrite_path is not None:
        path = side.rewrite_path(path)
    return exchange.endpoint.endpoint.url + path[:_LONGEST_URL].decode("latin-1")
