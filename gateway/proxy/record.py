"""The access log's line: one JSON object a request, with the key's bucket but never the key."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange

_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct):
    """Durations are milliseconds; ``header_ms`` runs from the request's last byte sent to the response's header."""

    time: str
    request_id: str
    route: str | None
    path: str | None
    target: str
    method: str
    status: int
    arm: str | None
    reason: str | None
    bucket: float | None
    backend: str | None
    duration_ms: float
    header_ms: float | None
    bytes: int
    error: str | None


def access_line(exchange: Exchange, template: str | None) -> bytes:
    """What is written about ``exchange`` once it is over."""
    request = exchange.request
    decision = exchange.decision
    return _encode(
        _Line(
            time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            request_id=exchange.request_id.decode("latin-1"),
            route=decision.entry.route.name if decision is not None else None,
            path=template,
            target=request.path.decode("latin-1"),
            method=request.method.decode("latin-1"),
            status=exchange.status,
            arm=decision.arm if decision is not None else None,
            reason=decision.reason if decision is not None else None,
            bucket=round(decision.bucket, 4) if decision is not None and decision.bucket is not None else None,
            backend=decision.side.backend if decision is not None else None,
            duration_ms=_milliseconds(exchange.started_at, monotonic()),
            header_ms=_milliseconds(exchange.sent_at, exchange.header_at) if exchange.header_at else None,
            bytes=exchange.bytes_sent,
            error=_kind(exchange),
        )
    )


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)


def _kind(exchange: Exchange) -> str | None:
    if exchange.error is None:
        return "client_gone" if exchange.status == 0 else None
    return exchange.error.kind or exchange.error.title
