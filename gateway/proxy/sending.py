"""The head of a request as it is sent on to a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.heads import END

if TYPE_CHECKING:
    from gateway.core.decision import Side
    from gateway.core.types import Endpoint
    from gateway.proxy.exchange import Exchange

NOTHING: Final[frozenset[bytes]] = frozenset()


def compose_head(exchange: Exchange, side: Side, endpoint: Endpoint, ours: bytes, removed: frozenset[bytes]) -> bytes:
    """The head as it came, less what is hop-by-hop and what is ``removed``, rewritten for ``side``, plus ``ours``."""
    request = exchange.request
    target = request.target
    fields = request.fields
    has_host = bool(fields.authority)
    added = exchange.client.peer.added_fields(exchange.generation, fields)
    if side.rewrite_fields is not None:
        passed = side.rewrite_fields.apply(fields, removed)
        added = side.rewrite_fields.prune(added)
        has_host = has_host or side.rewrite_fields.sets_host
    else:
        passed = fields.passed_on_without(removed) if removed else fields.passed_on()
    if side.rewrite_path is not None:
        target = side.rewrite_path(request.path) + (b"?" + request.query if b"?" in target else b"")
    if not has_host:
        added += b"Host: %b\r\n" % endpoint.authority.encode("latin-1")
    added += side.header_lines
    head = (
        request.method,
        b" ",
        target,
        b" HTTP/1.1",
        passed,
        added,
        ours,
        b"X-Request-ID: ",
        exchange.request_id,
        END,
    )
    return b"".join(head)
