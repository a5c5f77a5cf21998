"""The gateway's own answers: problem documents (RFC 9457)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from gateway.errors import ProxyError

_encode: Final = msgspec.json.Encoder().encode


class _Problem(msgspec.Struct):
    type: str
    title: str
    status: int
    detail: str
    request_id: str


def problem_response(error: ProxyError, request_id: bytes, *, method: bytes, ours: bytes, keep_alive: bool) -> bytes:
    """The whole response to a request that ends with ``error``; ``ours`` are further fields, each ending in CR LF."""
    document = _encode(_Problem("about:blank", error.title, error.status, error.detail, request_id.decode("latin-1")))
    return b"".join(
        (
            b"HTTP/1.1 %d %b\r\n" % (error.status, error.title.encode()),
            b"Content-Type: application/problem+json\r\n",
            b"Content-Length: %d\r\n" % len(document),
            b"Cache-Control: no-store\r\n",
            b"X-Request-ID: %b\r\n" % request_id,
            ours,
            b"" if keep_alive else b"Connection: close\r\n",
            b"\r\n",
            b"" if method == b"HEAD" else document,
        )
    )
