"""The access log's line: one JSON object a request, with the key's bucket but never the key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from gateway.core.figures import CLIENT_GONE

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
    line = _Line(
        _now(),
        exchange.request_id.decode("latin-1"),
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)


def _kind(exchange: Exchange) -> str | None:
    if exchange.error is None:
        return "client_gone" if exchange.status == 0 else None
    return _name(exchange.error)


def _name(error: ProxyError) -> str:
    """The kind that metrics count, or the title as one word: ``no_route`` is for a machine to find."""
    return error.kind or _WORD_ENDS.sub("_", type(error).__name__).lower()
