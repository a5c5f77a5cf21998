"""Reading and judging the head of a response, with the same means as `gateway.core.heads`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import httptools

from gateway.core.fields import cuts_and_named
from gateway.errors import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.fields import Span

# Framing and hop-by-hop fields, and those that the gateway writes itself; see `gateway.core.fields`.
_ACTED_ON: Final = re.compile(
    rb"\r\n(connection|keep-alive|te|transfer-encoding|content-length|upgrade"
    rb"|x-request-id|x-crossfade-(?:route|arm|reason)|proxy-connection):[ \t]*([^\r]*)"
)
_KEPT: Final = frozenset({b"content-length", b"transfer-encoding", b"close", b"", b"keep-alive", b"upgrade"})
_VERSIONS: Final = frozenset({b"HTTP/1.1 ", b"HTTP/1.0 "})
_ZERO: Final = ord("0")
_NO_CONTENT: Final = 204
_FIRST_STATUS: Final = 100
_LAST_STATUS: Final = 599


class _NoEvents:
    """httptools wants an object to call back; without methods it only frames."""

    __slots__ = ()


_NO_EVENTS: Final = _NoEvents()


class ResponseHead:
    """The head of one response: its ``line``, and ``raw``, which begins with the CR LF behind it.

    ``cuts`` are the spans of ``raw`` that are not passed on.
    """

    is_http11 = True
    keep_alive = True
    content_length: int | None = None
    chunked = False
    upgrade = b""
    cuts: Sequence[Span] = ()

    def __init__(self, status: int, line: bytes, raw: bytes) -> None:
        self.status = status
        self.line = line
        self.raw = raw

    def has_body(self, method: bytes) -> bool:
        """Whether body bytes follow, in answer to ``method`` (RFC 9112, section 6.3)."""
        if method == b"HEAD" or self.status < 200 or self.status in {204, 304}:
            return False
        return self.content_length != 0


def parse_response(head: bytes) -> ResponseHead:
    """Read and judge a response's head. Raises `MalformedMessage`."""
    if head[:9] not in _VERSIONS:
        raise MalformedMessage("not HTTP/1.1")
    try:
        httptools.HttpResponseParser(_NO_EVENTS).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # 101: what follows is not HTTP
    except httptools.HttpParserError as error:
        raise MalformedMessage(str(error)) from error
    status = int(head[9:12])
    if not _FIRST_STATUS <= status <= _LAST_STATUS:
        raise MalformedMessage(f"status {status}")
    line_end = head.find(b"\r\n")
    response = ResponseHead(status, head[:line_end], head[line_end:])
    if head[7] == _ZERO:
        response.is_http11 = response.keep_alive = False
        response.line = b"HTTP/1.1" + response.line[8:]
    _read_fields(response, response.raw.lower())
    return response


def _read_fields(response: ResponseHead, lowered: bytes) -> None:
    connection = b""
    for field in _ACTED_ON.finditer(lowered):
        name = field[1]
        if name == b"content-length":
            response.content_length = int(field[2])
            if response.status != _NO_CONTENT:  # which must not have one (RFC 9110, section 8.6)
                continue
        response.cuts = (*response.cuts, field.span())
        if name == b"connection":
            connection = connection + b"," + field[2] if connection else field[2]
        elif name == b"transfer-encoding":
            if response.chunked or field[2].rstrip(b" \t") != b"chunked":
                raise MalformedMessage("a Transfer-Encoding other than chunked")
            response.chunked = True
        elif name == b"upgrade":
            start, end = field.span(2)
            response.upgrade = response.raw[start:end].rstrip(b" \t")
    if response.chunked and response.content_length is not None:
        raise MalformedMessage("both Content-Length and Transfer-Encoding")
    if connection == b"keep-alive":
        response.keep_alive = True
    elif connection:
        _read_connection(response, connection, lowered)


def _read_connection(response: ResponseHead, connection: bytes, lowered: bytes) -> None:
    options = {option.strip(b" \t") for option in connection.split(b",")}
    if b"close" in options:
        response.keep_alive = False
    elif b"keep-alive" in options:
        response.keep_alive = True
    named = options - _KEPT
    if named:
        response.cuts = cuts_and_named(lowered, response.cuts, named)
