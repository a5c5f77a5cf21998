"""Reading and judging the head of a request.

llhttp judges the syntax (through httptools, without callbacks for fields, so that it only frames);
`gateway.core.fields` then finds what a proxy must act on.

llhttp is strict about most of what makes a message ambiguous: obs-fold, bare CR or LF, NUL, white space before a colon,
Content-Length beside Transfer-Encoding or repeated. What it lets through by itself is refused here: a missing, empty or
repeated Host, HTTP/0.9 and 2.0, more than one space in the request line, a Transfer-Encoding other than exactly
``chunked`` or on HTTP/1.0, a fragment in the target, an authority that differs from Host, CONNECT.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from gateway.core.fields import Fields, read_fields
from gateway.errors import BadRequest, HeadTooLarge

END: Final = b"\r\n\r\n"

# The shortest field line is "a:" and CR LF: a head with fewer bytes can't hold more fields than that allows.
_SHORTEST_FIELD_BYTES: Final = 4

# A request line that needs no judge: a usual method, a path and a query of RFC 3986's characters, HTTP/1.1.
_PLAIN_LINE: Final = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS) "
    rb"((/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)(?:\?([A-Za-z0-9._~!$&'()*+,;=:@%/?-]*))?) HTTP/1\.1"
)
# What no head has, wherever it ends; a CR that came last may still be followed by its LF.
_STRAY: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\0")
_ABSOLUTE: Final = re.compile(rb"(?:http|https)://([^/?#@]+)([/?].*)?", re.IGNORECASE | re.DOTALL)
_SLASH: Final = ord("/")
_LINE_PARTS: Final = 3


class RequestHead:
    """The head of one request, as received.

    ``method``, ``target``, ``path`` (raw, before ``?``, always beginning with ``/``) and ``query`` (after it) are bytes
    of the request line; the rest is in ``fields``.
    """

    __slots__ = ("fields", "header", "method", "path", "query", "target")

    def __init__(self, method: bytes, target: bytes, path: bytes, query: bytes, fields: Fields) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.fields = fields
        self.header = fields.first
        """``header(name)``: see `Fields.first`."""

    @property
    def host(self) -> bytes:
        """The authority's host: lower-case, without port; empty for HTTP/1.0 without Host."""
        return self.fields.host


def repeat_request(received: bytes, known: Fields) -> RequestHead | None:
    """The request that ``received`` is, if it is one head and nothing more, and like one before; else None.

    ``known`` are the fields of that one: what both share is not judged again. ``received`` ends with CR LF CR LF; that
    there is none before would show as a line that is not in ``known``.
    """
    line = _PLAIN_LINE.match(received)
    if line is None:
        return None
    raw = received[line.end() :]
    fields = known if raw == known.raw else known.derive(raw)
    if fields is None:
        return None
    method, target, path, query = line.groups(b"")
    return RequestHead(method, target, path, query, fields)


def judge_beginning(received: bytes, bound_bytes: int, *, judged: int = 0) -> None:
    """Judge what has come of a head before its end has, ``judged`` bytes of which were found good before.

    Lines that end in a bare LF would otherwise be waited for until the time is over: their head never ends. Raises
    `BadRequest` for a bare CR or LF (RFC 9112, section 2.2) or a NUL, and `HeadTooLarge` beyond ``bound_bytes``.
    """
    if len(received) > bound_bytes:
        raise HeadTooLarge(f"the request's head is over {bound_bytes} bytes")
    if _STRAY.search(received, judged):
        raise BadRequest("the request's head is malformed: a bare CR, a bare LF or a NUL")


def parse_request(head: bytes, *, count_limit: int = 100) -> RequestHead:
    """Read and judge a request's head: the request line to the empty line, its CR LF CR LF included.

    Raises `BadRequest` for what is malformed or ambiguous (RFC 9112, sections 3.2, 5 and 6) and `HeadTooLarge` for
    more than ``count_limit`` fields.
    """
    line_end = head.find(b"\r\n")
    parts = head[:line_end].split(b" ")
    # llhttp skips line ends before a method: they would be sent on with it.
    if len(parts) != _LINE_PARTS or parts[2] not in {b"HTTP/1.1", b"HTTP/1.0"} or not parts[0][:1].isalpha():
        raise BadRequest("the request line is not METHOD TARGET HTTP/1.1")
    _judge.judge(head)
    if len(head) > count_limit * _SHORTEST_FIELD_BYTES and head.count(b"\r\n") - 2 > count_limit:
        raise HeadTooLarge(f"more than {count_limit} header fields")
    method, target, version = parts
    fields = read_fields(head[line_end:], is_http11=version == b"HTTP/1.1")
    path = None
    if target[0] != _SLASH or b"#" in target or method == b"CONNECT":
        target, path = _read_unusual_target(method, target, fields.authority)
    before, _, query = target.partition(b"?")
    return RequestHead(method, target, path or before, query, fields)


def _read_unusual_target(method: bytes, target: bytes, authority: bytes) -> tuple[bytes, bytes | None]:
    """The target to pass on, and the path to match if that is another.

    Accepts the absolute form and ``OPTIONS *`` (RFC 9112, section 3.2); refuses all else that is not a path.
    """
    if b"#" in target:
        raise BadRequest("a fragment in the target")
    if method == b"CONNECT":
        raise BadRequest("CONNECT asks for a tunnel, which this is not the place for")
    if target == b"*" and method == b"OPTIONS":
        return target, b"/"
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise BadRequest("the target must be a path")
    if authority.lower() != absolute[1].lower():
        raise BadRequest("the target's authority differs from Host")
    rest: bytes = absolute[2] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest, None


class _Judge:
    """llhttp, asked whether a head is HTTP.

    One parser serves request after request, since making one costs as much as parsing. It is replaced when it is not at
    the beginning of a message afterwards: a body was announced that it will never see, or the connection was to close.
    """

    __slots__ = ("_is_ready", "_parser")

    def __init__(self) -> None:
        self._is_ready = False
        self._parser = httptools.HttpRequestParser(self)

    def on_message_complete(self) -> None:
        """Called by httptools: the head announces no body. Only here does the parser still know about Connection."""
        self._is_ready = self._parser.should_keep_alive()

    def judge(self, head: bytes) -> None:
        """Raises `BadRequest`."""
        self._is_ready = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._is_ready = False
        except httptools.HttpParserError as error:
            self._parser = httptools.HttpRequestParser(self)
            raise BadRequest(f"the request's head is malformed: {error}") from error
        if not self._is_ready:
            self._parser = httptools.HttpRequestParser(self)


_judge = _Judge()
