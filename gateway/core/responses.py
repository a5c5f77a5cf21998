"""Reading and judging the head of a response, with the same means as `gateway.core.heads`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import httptools

from gateway.errors import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[int, int]
"""From and to, as offsets into the head."""

# Framing and hop-by-hop fields, and those that the gateway writes itself; see `gateway.core.fields`.
_ACTED_ON: Final = re.compile(
    rb"\r\n(connection|keep-alive|te|transfer-encoding|content-length|upgrade"
    rb"|x-request-id|x-crossfade-(?:route|arm|reason)|proxy-(?:connection|authenticate)):[ \t]*([^\r]*)"
)
_KEPT: Final = frozenset({b"content-length", b"transfer-encoding", b"close", b"", b"keep-alive", b"upgrade"})
# RFC 9112, section 4. llhttp lets control characters pass as a reason.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
# What no head has, wherever it ends; a CR that came last may still be followed by its LF.
_STRAY: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\0")
_VERSION: Final = b"HTTP/1."
_ZERO: Final = ord("0")
_NO_CONTENT: Final = 204
_FIRST_FINAL_STATUS: Final = 200
_BODILESS: Final = frozenset({204, 304})


class _NoEvents:
    """httptools wants an object to call back; without methods it only frames."""

    __slots__ = ()


_NO_EVENTS: Final = _NoEvents()


class ResponseHead:
    """The ``head`` of one response; ``passed_on`` is what the client gets of it, up to the last field's CR LF.

    Like a request's fields it is immutable once read, and serves all responses that begin with the same bytes.
    """

    keep_alive = True
    content_length: int | None = None
    chunked = False
    upgrade = b""
    whole_length: int | None = None
    """The length of its body, where the status allows one and a length is given."""
    passed_on = b""

    def __init__(self, status: int, head: bytes) -> None:
        self.status = status
        self.head = head

    def has_body(self, method: bytes) -> bool:
        """Whether body bytes follow, in answer to ``method`` (RFC 9112, section 6.3)."""
        if method == b"HEAD" or self.status < _FIRST_FINAL_STATUS or self.status in _BODILESS:
            return False
        return self.content_length != 0


def judge_beginning(received: bytes) -> None:
    """Judge what has come of a head before its end has. Raises `MalformedMessage` for what no end could mend.

    Who speaks something else, or ends lines with a bare LF, would otherwise be waited for until the time is over.
    """
    if not received.startswith(_VERSION[: len(received)]) or _STRAY.search(received):
        raise MalformedMessage("not the beginning of a head of HTTP/1.1")


def parse_response(head: bytes) -> ResponseHead:
    """Read and judge a response's head. Raises `MalformedMessage`."""
    if not _STATUS_LINE.match(head):
        raise MalformedMessage("not a status line of HTTP/1.1")
    try:
        httptools.HttpResponseParser(_NO_EVENTS).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # 101: what follows is not HTTP
    except httptools.HttpParserError as error:
        raise MalformedMessage(str(error)) from error
    response = ResponseHead(int(head[9:12]), head)
    response.keep_alive = head[7] != _ZERO
    cuts = _read_fields(response, head.lower())
    response.passed_on = b"HTTP/1.1" + _without(head, cuts)
    if response.has_body(b"GET"):
        response.whole_length = response.content_length
    return response


def _without(head: bytes, cuts: Sequence[Span]) -> bytes:
    """``head`` without its version, ``cuts``, and the empty line at its end."""
    pieces = []
    at = len(b"HTTP/1.1")
    for start, end in cuts:
        pieces.append(head[at:start])
        at = end
    pieces.append(head[at:-2])
    return b"".join(pieces)


def _spans_of(lowered: bytes, names: set[bytes]) -> list[Span]:
    """Where the fields called ``names`` stand, each from the CR LF before it to the one behind it."""
    spans = []
    for name in names:
        start = lowered.find(b"\r\n" + name + b":")
        while start >= 0:
            end = lowered.index(b"\r\n", start + 2)
            spans.append((start, end))
            start = lowered.find(b"\r\n" + name + b":", end)
    return spans


def _read_fields(response: ResponseHead, lowered: bytes) -> Sequence[Span]:
    """Read what the gateway acts on; the spans of ``head`` that are not passed on."""
    cuts: list[Span] = []
    connection = b""
    for field in _ACTED_ON.finditer(lowered):
        name = field[1]
        if name != b"content-length" or response.status == _NO_CONTENT:  # which must have none (RFC 9110, section 8.6)
            cuts.append(field.span())
        if name == b"connection":
            connection = connection + b"," + field[2] if connection else field[2]
        else:
            _read_field(response, name, field)
    if response.chunked and response.content_length is not None:
        raise MalformedMessage("both Content-Length and Transfer-Encoding")
    if response.chunked and response.head[7] == _ZERO:
        raise MalformedMessage("Transfer-Encoding on HTTP/1.0")  # RFC 9112, section 6.1: its framing is faulty
    named = _read_connection(response, connection) if connection else None
    return sorted({*cuts, *_spans_of(lowered, named)}) if named else cuts


def _read_field(response: ResponseHead, name: bytes, field: re.Match[bytes]) -> None:
    if name == b"content-length":
        response.content_length = int(field[2])
    elif name == b"transfer-encoding":
        if response.chunked or field[2].rstrip(b" \t") != b"chunked":
            raise MalformedMessage("a Transfer-Encoding other than chunked")
        response.chunked = True
    elif name == b"upgrade":
        start, end = field.span(2)
        response.upgrade = response.head[start:end].rstrip(b" \t")


def _read_connection(response: ResponseHead, connection: bytes) -> set[bytes]:
    """Apply the options of Connection; the names of the fields that it marks as not to be passed on."""
    options = {option.strip(b" \t") for option in connection.split(b",")}
    if b"close" in options:
        response.keep_alive = False
    elif b"keep-alive" in options:
        response.keep_alive = True
    return options - _KEPT
