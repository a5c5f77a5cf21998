"""Reading and judging the head of an HTTP/1.1 message.

A head is never taken apart into a dictionary: a proxy looks at a handful of fields and passes the rest as bytes. llhttp
judges the syntax (through httptools, without callbacks, so that it only frames); one regular expression then finds the
fields that a proxy must act on, and where they stand. Everything else is looked up when somebody asks for it.

llhttp is strict about most of what makes a message ambiguous: obs-fold, bare CR or LF, NUL, white space before a colon,
Content-Length beside Transfer-Encoding or repeated. What it lets through by itself is refused here: a missing, empty or
repeated Host, HTTP/0.9 and 2.0, more than one space in the request line, a Transfer-Encoding other than exactly
``chunked`` or on HTTP/1.0, a fragment in the target, an authority that differs from Host, CONNECT.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import httptools

from gateway.errors import BadRequest, HeadTooLarge, MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

END: Final = b"\r\n\r\n"

# The shortest field line is "a:" and CRLF: a head with fewer bytes can't hold more fields than that allows.
_SHORTEST_FIELD_BYTES: Final = 4

# Fields that a proxy acts on: framing and hop-by-hop (RFC 9110, section 7.6.1), and our own. The literal CR LF in front
# lets the engine skip from line to line. Names are matched in the lower-cased head.
_REQUEST_FIELDS: Final = re.compile(
    rb"\r\n(host|connection|keep-alive|te|transfer-encoding|content-length|upgrade|expect|http2-settings"
    rb"|x-request-id|x-forwarded-(?:for|proto|host)|x-crossfade-[^:]*"
    rb"|proxy-(?:connection|authenticate|authorization)):[ \t]*([^\r]*)"
)
_RESPONSE_FIELDS: Final = re.compile(
    rb"\r\n(connection|keep-alive|te|transfer-encoding|content-length|upgrade"
    rb"|x-request-id|x-crossfade-(?:route|arm|reason)|proxy-connection):[ \t]*([^\r]*)"
)

# RFC 3986, section 3.2.2: reg-name, IPv4 and bracketed IPv6, with an optional port. No userinfo, no lists.
_HOST: Final = re.compile(rb"(?:\[[0-9a-fA-F:.%\w]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"(?:http|https)://([^/?#@]+)([/?].*)?", re.IGNORECASE | re.DOTALL)

# Sane: what may be logged and sent on without escaping, and is no longer than a UUID with a prefix.
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")

# Never removed because Connection names them: a client could otherwise strip what routing and framing rest on.
_KEPT_FIELDS: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie", b"close"}
)

_COMMON_OPTIONS: Final = frozenset({b"", b"keep-alive", b"upgrade"})
_PASSED_ON: Final = frozenset({b"content-length", b"expect"})
_SLASH: Final = ord("/")
_ZERO: Final = ord("0")
_NO_CONTENT: Final = 204


class _NoEvents:
    """httptools wants an object to call back; without methods it only frames."""

    __slots__ = ()


_NO_EVENTS: Final = _NoEvents()

Span = tuple[int, int]
"""From and to, as offsets into the head."""


class RequestHead:
    """The head of one request, as received.

    ``method``, ``target``, ``path`` (raw, before ``?``, always beginning with ``/``) and ``query`` (after it) are bytes
    of the request line; ``fields_at`` is where the first field's CR LF begins. ``cuts`` are the spans of fields that are
    not passed on, in order. ``content_length`` is None without such a field.

    What most requests don't have is a class attribute, so that it costs nothing until a request has it.
    """

    is_http11 = True
    keep_alive = True
    authority = b""
    content_length: int | None = None
    chunked = False
    expects_continue = False
    upgrade = b""
    request_id = b""
    arm_override = b""
    override_token = b""
    forwarded: dict[bytes, bytes] | None = None
    cuts: Sequence[Span] = ()

    def __init__(self, head: bytes, method: bytes, target: bytes, fields_at: int) -> None:
        self.head = head
        self.lowered = head.lower()
        self.method = method
        self.target = target
        self.path, _, self.query = target.partition(b"?")
        self.fields_at = fields_at

    @property
    def host(self) -> bytes:
        """The authority's host: lower-case, without port; empty for HTTP/1.0 without Host."""
        return host_of(self.authority)

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""
        return self.chunked or bool(self.content_length)

    def header(self, name: bytes) -> bytes | None:
        """The first value of the field ``name`` (lower-case), outer white space off; None when absent."""
        at = self.lowered.find(b"\r\n" + name + b":", self.fields_at)
        if at < 0:
            return None
        start = at + len(name) + 3
        return self.head[start : self.head.index(b"\r\n", start)].strip(b" \t")

    def headers(self, name: bytes) -> list[bytes]:
        """Every value of the field ``name`` (lower-case), in order, outer white space off."""
        values = []
        pattern = b"\r\n" + name + b":"
        at = self.lowered.find(pattern, self.fields_at)
        while at >= 0:
            start = at + len(pattern)
            end = self.head.index(b"\r\n", start)
            values.append(self.head[start:end].strip(b" \t"))
            at = self.lowered.find(pattern, end)
        return values


class ResponseHead:
    """The head of one response, as received; ``cuts`` as in `RequestHead`."""

    is_http11 = True
    keep_alive = True
    content_length: int | None = None
    chunked = False
    upgrade = b""
    cuts: Sequence[Span] = ()

    def __init__(self, head: bytes, status: int, fields_at: int) -> None:
        self.head = head
        self.status = status
        self.fields_at = fields_at

    def has_body(self, method: bytes) -> bool:
        """Whether body bytes follow, in answer to ``method`` (RFC 9112, section 6.3)."""
        if method == b"HEAD" or self.status < 200 or self.status in {204, 304}:
            return False
        return self.content_length != 0


def host_of(authority: bytes) -> bytes:
    """The host of ``host:port``, lower-case; brackets of an IPv6 address stay."""
    host = authority.lower()
    if host.endswith(b"]"):
        return host
    name, colon, _port = host.rpartition(b":")
    return name if colon else host


def parse_request(head: bytes, *, count_limit: int = 100) -> RequestHead:
    """Read and judge a request's head: the request line to the empty line, its CR LF CR LF included.

    Raises `BadRequest` for what is malformed or ambiguous (RFC 9112, sections 3.2, 5 and 6) and `HeadTooLarge` for
    more than ``count_limit`` fields.
    """
    fields_at = head.find(b"\r\n")
    parts = head[:fields_at].split(b" ")
    if len(parts) != 3 or (parts[2] != b"HTTP/1.1" and parts[2] != b"HTTP/1.0"):
        raise BadRequest("the request line is not METHOD TARGET HTTP/1.1")
    _judge.judge(head)
    if len(head) > count_limit * _SHORTEST_FIELD_BYTES and head.count(b"\r\n") - 2 > count_limit:
        raise HeadTooLarge(f"more than {count_limit} header fields")
    target = parts[1]
    request = RequestHead(head, parts[0], target, fields_at)
    if parts[2] == b"HTTP/1.0":
        request.is_http11 = request.keep_alive = False
    _read_request_fields(request)
    if target[0] != _SLASH or b"#" in target:
        _read_unusual_target(request)
    return request


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


def _read_request_fields(request: RequestHead) -> None:
    connection = b""
    hosts = 0
    for field in _REQUEST_FIELDS.finditer(request.lowered, request.fields_at):
        name = field[1]
        start, end = field.span(2)
        if name == b"host":
            hosts += 1
            request.authority = request.head[start:end].rstrip(b" \t")
        elif name == b"connection":
            connection = connection + b"," + field[2] if connection else field[2]
            request.cuts = (*request.cuts, (field.start(), end))
        else:
            if name not in _PASSED_ON:
                request.cuts = (*request.cuts, (field.start(), end))
            _read_request_field(request, name, request.head[start:end].rstrip(b" \t"))
    if hosts != 1 or request.authority not in _known_hosts:
        _judge_host(request, hosts)
    if connection == b"keep-alive":
        request.keep_alive = True
    elif connection:
        _read_connection(request, connection)
    if request.upgrade:
        _judge_upgrade(request, connection)


def _read_request_field(request: RequestHead, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        request.content_length = int(value)  # llhttp has checked that it is digits, and the only one
    elif name == b"transfer-encoding":
        if request.chunked or value.lower() != b"chunked" or not request.is_http11:
            raise BadRequest("Transfer-Encoding must be exactly chunked, once, on HTTP/1.1")
        request.chunked = True
    elif name == b"expect":
        if value.lower() != b"100-continue":
            raise BadRequest("Expect must be 100-continue")
        request.expects_continue = True
    elif name == b"upgrade":
        request.upgrade = request.upgrade + b", " + value if request.upgrade else value
    elif name == b"x-request-id":
        if not request.request_id and _REQUEST_ID.fullmatch(value):
            request.request_id = value
    elif name == b"x-crossfade-arm":
        request.arm_override = value.lower()
    elif name == b"x-crossfade-token":
        request.override_token = value
    elif name.startswith(b"x-forwarded-"):
        _read_forwarded(request, name, value)


def _read_forwarded(request: RequestHead, name: bytes, value: bytes) -> None:
    """Keep what a trusted proxy may have said. X-Forwarded-For is a list that may stand in several fields."""
    if request.forwarded is None:
        request.forwarded = {}
    if name == b"x-forwarded-for" and name in request.forwarded:
        value = request.forwarded[name] + b", " + value
    elif name in request.forwarded:
        return
    request.forwarded[name] = value


# Authorities that were found valid: a gateway sees the same few all day. Bounded, since clients choose them.
_known_hosts: set[bytes] = set()
_KNOWN_HOSTS_BOUND: Final = 4096


def _judge_host(request: RequestHead, hosts: int) -> None:
    """RFC 9112, section 3.2: exactly one, and valid; HTTP/1.0 may do without."""
    if hosts > 1:
        raise BadRequest("more than one Host")
    if not hosts:
        if request.is_http11:
            raise BadRequest("no Host")
        return
    if not _HOST.fullmatch(request.authority):
        raise BadRequest("Host is empty or not a valid authority")
    if len(_known_hosts) < _KNOWN_HOSTS_BOUND:
        _known_hosts.add(request.authority)


def _read_connection(request: RequestHead, connection: bytes) -> None:
    """Apply the options of Connection and mark the fields that it names as not to be passed on."""
    options = {option.strip(b" \t") for option in connection.split(b",")}
    if b"close" in options:
        request.keep_alive = False
    elif b"keep-alive" in options:
        request.keep_alive = True
    named = options - _KEPT_FIELDS - _COMMON_OPTIONS
    if named:
        request.cuts = cut_named(request.lowered, request.cuts, named, request.fields_at)


def _judge_upgrade(request: RequestHead, connection: bytes) -> None:
    """Upgrade counts only when Connection names it (RFC 9110, section 7.8), and without a body.

    To HTTP/2 it is never passed on: that would open a tunnel around the gateway.
    """
    options = {option.strip(b" \t") for option in connection.split(b",")}
    if b"upgrade" not in options or request.has_body or not request.is_http11 or _is_h2c(request.upgrade):
        request.upgrade = b""


def _is_h2c(upgrade: bytes) -> bool:
    """Whether an Upgrade asks for HTTP/2 in clear text: passing that on would open a tunnel around the gateway."""
    return any(token.strip(b" \t").startswith(b"h2") for token in upgrade.lower().split(b","))


def cut_named(lowered: bytes, cuts: Sequence[Span], names: set[bytes], start: int) -> Sequence[Span]:
    """``cuts`` and the spans of all fields called ``names``, in order."""
    found = set(cuts)
    for name in names:
        pattern = b"\r\n" + name + b":"
        at = lowered.find(pattern, start)
        while at >= 0:
            end = lowered.index(b"\r\n", at + 2)
            found.add((at, end))
            at = lowered.find(pattern, end)
    return sorted(found)


def _read_unusual_target(request: RequestHead) -> None:
    """Accept the absolute form and ``OPTIONS *`` (RFC 9112, section 3.2); refuse all else that is not a path."""
    if b"#" in request.target:
        raise BadRequest("a fragment in the target")
    if request.target == b"*" and request.method == b"OPTIONS":
        request.path = b"/"
        return
    absolute = _ABSOLUTE.fullmatch(request.target)
    if absolute is None or request.method == b"CONNECT":
        raise BadRequest("the target must be a path")
    if request.authority.lower() != absolute[1].lower():
        raise BadRequest("the target's authority differs from Host")
    rest = absolute[2] or b"/"
    request.target = rest if rest.startswith(b"/") else b"/" + rest
    request.path, _, request.query = request.target.partition(b"?")


def parse_response(head: bytes) -> ResponseHead:
    """Read and judge a response's head. Raises `MalformedMessage`."""
    if head[:8] not in {b"HTTP/1.1", b"HTTP/1.0"}:
        raise MalformedMessage("not HTTP/1.1")
    try:
        httptools.HttpResponseParser(_NO_EVENTS).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # 101: what follows is not HTTP
    except httptools.HttpParserError as error:
        raise MalformedMessage(str(error)) from error
    status = int(head[9:12])
    if not 100 <= status <= 599:
        raise MalformedMessage(f"status {status}")
    response = ResponseHead(head, status, head.find(b"\r\n"))
    if head[7] == _ZERO:
        response.is_http11 = response.keep_alive = False
    _read_response_fields(response)
    return response


def _read_response_fields(response: ResponseHead) -> None:
    lowered = response.head.lower()
    connection = b""
    for field in _RESPONSE_FIELDS.finditer(lowered, response.fields_at):
        name = field[1]
        if name == b"content-length":
            response.content_length = int(field[2])
            if response.status != _NO_CONTENT:  # which must not have one (RFC 9110, section 8.6)
                continue
        response.cuts = (*response.cuts, (field.start(), field.end()))
        if name == b"connection":
            connection = connection + b"," + field[2] if connection else field[2]
        elif name == b"transfer-encoding":
            if response.chunked or field[2].rstrip(b" \t") != b"chunked":
                raise MalformedMessage("a Transfer-Encoding other than chunked")
            response.chunked = True
        elif name == b"upgrade":
            start, end = field.span(2)
            response.upgrade = response.head[start:end].rstrip(b" \t")
    if response.chunked and response.content_length is not None:
        raise MalformedMessage("both Content-Length and Transfer-Encoding")
    if connection == b"keep-alive":
        response.keep_alive = True
    elif connection:
        _read_response_connection(response, connection, lowered)


def _read_response_connection(response: ResponseHead, connection: bytes, lowered: bytes) -> None:
    options = {option.strip(b" \t") for option in connection.split(b",")}
    if b"close" in options:
        response.keep_alive = False
    elif b"keep-alive" in options:
        response.keep_alive = True
    named = options - _KEPT_FIELDS - _COMMON_OPTIONS
    if named:
        response.cuts = cut_named(lowered, response.cuts, named, response.fields_at)
