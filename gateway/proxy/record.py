"""What is told about a request that is over, with the key's bucket but never the key.

The access log gets one JSON object, and tracing, for the few that are traced, what spans are made of.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from time import monotonic, time
from typing import TYPE_CHECKING

import msgspec

from gateway.core.figures import CLIENT_GONE
from gateway.core.trace_context import Trace, TracedRequest, trace_id_of

if TYPE_CHECKING:
    from gateway.errors import ProxyError
    from gateway.proxy.exchange import Exchange

# Between the words of a class's name.
_WORD_ENDS = re.compile(r"(?<=[a-z])(?=[A-Z])")

_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct):
    """Durations are milliseconds: ``duration_ms`` of the whole request, ``header_ms`` from the request's last byte sent
    to the response's header. ``bytes`` are those of the answer's body. What is not known, or never was, is null.
    """

    time: str
    request_id: str
    trace_id: str | None = None
    route: str | None = None
    path: str | None = None
    target: str | None = None
    method: str | None = None
    status: int = 0
    arm: str | None = None
    reason: str | None = None
    bucket: float | None = None
    backend: str | None = None
    endpoint: str | None = None
    duration_ms: float | None = None
    header_ms: float | None = None
    bytes: int = 0
    error: str | None = None


def access_line(exchange: Exchange) -> bytes:
    """What is written about ``exchange`` once it is over."""
    request = exchange.request
    decision = exchange.decision
    trace_id = trace_id_of(exchange.trace, request.fields)
    line = _Line(
        _now(),
        exchange.request_id.decode("latin-1"),
        trace_id=trace_id.decode() if trace_id is not None else None,
        path=exchange.template,
        target=request.path.decode("latin-1"),
        method=request.method.decode("latin-1"),
        status=exchange.status or CLIENT_GONE,
        endpoint=exchange.endpoint.endpoint.url if exchange.endpoint is not None else None,
        duration_ms=_milliseconds(exchange.started_at, exchange.settled_at),
        header_ms=_milliseconds(exchange.sent_at, exchange.header_at) if exchange.header_at else None,
        bytes=exchange.bytes_sent,
        error=_kind(exchange),
    )
    if decision is not None:
        line.route = decision.entry.route.name
        line.arm = decision.arm
        line.reason = decision.reason
        line.bucket = round(decision.bucket, 4) if decision.bucket is not None else None
        line.backend = decision.side.backend
    return _encode(line)


def refusal_line(error: ProxyError, request_id: bytes) -> bytes:
    """What is written about bytes that were answered, but never became a request."""
    return _encode(_Line(_now(), request_id.decode("latin-1"), status=error.status, error=_name(error)))


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
        path=request.path.decode("latin-1"),
        template=exchange.template or "",
        route=decision.entry.route.name,
        arm=str(decision.arm),
        reason=decision.reason,
        backend=decision.side.backend,
        endpoint=exchange.endpoint.endpoint.url if exchange.endpoint is not None else "",
        status=exchange.status or CLIENT_GONE,
        error=_kind(exchange) or "",
        client=peer.address,
        host=request.fields.authority.decode("latin-1"),
        scheme="https" if peer.is_tls else "http",
        is_http11=request.fields.is_http11,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)


def _kind(exchange: Exchange) -> str | None:
    if exchange.error is None:
        return "client_gone" if exchange.is_client_gone else None
    return _name(exchange.error)


def _name(error: ProxyError) -> str:
    """The kind that metrics count, or the title as one word: ``no_route`` is for a machine to find."""
    return error.kind or _WORD_ENDS.sub("_", type(error).__name__).lower()
