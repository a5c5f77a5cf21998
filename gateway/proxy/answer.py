"""What the gateway adds to an answer beside its ID: only some answers need any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.core.framing import Reader
    from gateway.proxy.exchange import Exchange


def optional_fields(exchange: Exchange) -> bytes:
    """What ``server.expose`` and ``on_missing_key: cookie`` add; the arm is that which answers."""
    decision = exchange.decision
    if decision is None:
        return b""
    fields = b""
    if exchange.generation.is_exposing:
        fields = b"%bX-Crossfade-Reason: %b\r\n" % (exchange.side.header_lines, decision.reason.encode())
    if decision.issued_key is not None:
        fields += b"Set-Cookie: crossfade_key=%b; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax%b\r\n" % (
            decision.issued_key,
            b"; Secure" if exchange.client.peer.is_tls else b"",
        )
    return fields


def frame_unbounded(exchange: Exchange, reader: Reader | None) -> bytes:
    """The field for a body whose length is not known: chunked for HTTP/1.1, ended by closing for HTTP/1.0."""
    if reader is None and exchange.request.method != b"HEAD":
        return b""  # a 204 or 304 that speaks of a body which it can't have
    if exchange.request.fields.is_http11:
        exchange.frames_chunks = reader is not None
        return b"Transfer-Encoding: chunked\r\n"
    exchange.keep_alive = reader is None
    return b""
