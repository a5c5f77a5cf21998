"""The header fields of a request: found where they stand, judged once, never taken apart into a dictionary.

A proxy acts on a handful of fields and passes the rest as bytes. One regular expression finds those that matter; every
other is looked up when somebody asks for it. A client that keeps its connection mostly sends the same fields with every
request, to the byte, so `Fields` are immutable once read and serve all requests that carry the same bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[int, int]
"""From and to, as offsets into the bytes that they were found in."""

# Fields that a proxy acts on: framing and hop-by-hop (RFC 9110, section 7.6.1), and our own. The literal CR LF in front
# lets the engine skip from line to line. Names are matched in the lower-cased bytes.
_ACTED_ON: Final = re.compile(
    rb"\r\n(host|connection|keep-alive|te|transfer-encoding|content-length|upgrade|expect|http2-settings"
    rb"|x-request-id|x-forwarded-(?:for|proto|host)|x-crossfade-[^:]*"
    rb"|proxy-(?:connection|authenticate|authorization)):[ \t]*([^\r]*)"
)
_PASSED_ON: Final = frozenset({b"host", b"content-length", b"expect"})

# RFC 3986, section 3.2.2: reg-name, IPv4 and bracketed IPv6, with an optional port. No userinfo, no lists.
_HOST: Final = re.compile(rb"(?:\[[0-9a-fA-F:.%\w]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{0,5})?")

# Sane: what may be logged and sent on without escaping, and is no longer than a UUID with a prefix.
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")

# Never removed because Connection names them: a client could otherwise strip what routing and framing rest on.
_KEPT: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie", b"close"})
_COMMON_OPTIONS: Final = frozenset({b"", b"keep-alive", b"upgrade"})

_UNKNOWN: Final = b"\r\n"  # no field's value


class Fields:
    """The fields of one request, ``raw`` from the CR LF that ends the request line to the end of the empty line.

    ``cuts`` are the spans of fields that are not passed on, in order. ``content_length`` is None without such a field.
    What most requests don't have is a class attribute, so that it costs nothing until a request has it.
    """

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
    _host: bytes | None = None

    def __init__(self, raw: bytes, *, is_http11: bool) -> None:
        self.raw = raw
        self.lowered = raw.lower()
        self.is_http11 = is_http11
        self._found: dict[bytes, bytes | None] = {}

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow."""
        return self.chunked or bool(self.content_length)

    @property
    def host(self) -> bytes:
        """The authority's host: lower-case, without port; empty for HTTP/1.0 without Host."""
        host = self._host
        if host is None:
            host = self._host = host_of(self.authority)
        return host

    def first(self, name: bytes) -> bytes | None:
        """The first value of the field ``name`` (lower-case), outer white space off; None when absent."""
        value = self._found.get(name, _UNKNOWN)
        if value is _UNKNOWN:
            values = self.all(name)
            value = self._found[name] = values[0] if values else None
        return value

    def all(self, name: bytes) -> list[bytes]:
        """Every value of the field ``name`` (lower-case), in order, outer white space off."""
        return [self.raw[start + len(name) + 3 : end].strip(b" \t") for start, end in spans_of(self.lowered, name)]

    def passed_on(self) -> bytes:
        """The fields without ``cuts``: each with its CR LF in front, the last with one behind."""
        return without(self.raw, self.cuts)

    def passed_on_without(self, names: set[bytes]) -> bytes:
        """The same, and without all fields called ``names`` (lower-case)."""
        return without(self.raw, cuts_and_named(self.lowered, self.cuts, names))


def host_of(authority: bytes) -> bytes:
    """The host of ``host:port``, lower-case; brackets of an IPv6 address stay."""
    host = authority.lower()
    if host.endswith(b"]"):
        return host
    name, colon, _port = host.rpartition(b":")
    return name if colon else host


def spans_of(lowered: bytes, name: bytes) -> list[Span]:
    """Where the fields called ``name`` stand, each from the CR LF before it to the one behind it."""
    spans = []
    pattern = b"\r\n" + name + b":"
    start = lowered.find(pattern)
    while start >= 0:
        end = lowered.index(b"\r\n", start + 2)
        spans.append((start, end))
        start = lowered.find(pattern, end)
    return spans


def cuts_and_named(lowered: bytes, cuts: Sequence[Span], names: set[bytes]) -> Sequence[Span]:
    """``cuts`` and the spans of all fields called ``names``, in order."""
    return sorted({*cuts, *(span for name in names for span in spans_of(lowered, name))})


def without(raw: bytes, cuts: Sequence[Span]) -> bytes:
    """``raw`` without ``cuts`` and without the empty line at its end."""
    if not cuts:
        return raw[:-2]
    if len(cuts) == 1:
        start, end = cuts[0]
        return raw[:start] + raw[end:-2]
    pieces = []
    at = 0
    for start, end in cuts:
        pieces.append(raw[at:start])
        at = end
    pieces.append(raw[at:-2])
    return b"".join(pieces)


def read_fields(raw: bytes, *, is_http11: bool) -> Fields:
    """Read fields whose syntax has been judged. Raises `BadRequest` for what is ambiguous between them."""
    fields = Fields(raw, is_http11=is_http11)
    fields.keep_alive = is_http11
    connection = b""
    hosts = 0
    for field in _ACTED_ON.finditer(fields.lowered):
        name = field[1]
        start, end = field.span(2)
        if name not in _PASSED_ON:
            fields.cuts = (*fields.cuts, (field.start(), end))
        if name == b"host":
            hosts += 1
            fields.authority = raw[start:end].rstrip(b" \t")
        elif name == b"connection":
            connection = connection + b"," + field[2] if connection else field[2]
        else:
            _read_field(fields, name, raw[start:end].rstrip(b" \t"))
    _judge_host(fields, hosts)
    if connection:
        _read_connection(fields, connection)
    elif fields.upgrade:
        fields.upgrade = b""
    return fields


def _read_field(fields: Fields, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        fields.content_length = int(value)  # llhttp has checked that it is digits, and the only one
    elif name == b"transfer-encoding":
        if fields.chunked or value.lower() != b"chunked" or not fields.is_http11:
            raise BadRequest("Transfer-Encoding must be exactly chunked, once, on HTTP/1.1")
        fields.chunked = True
    elif name == b"expect":
        if value.lower() != b"100-continue":
            raise BadRequest("Expect must be 100-continue")
        fields.expects_continue = True
    elif name == b"upgrade":
        fields.upgrade = fields.upgrade + b", " + value if fields.upgrade else value
    elif name == b"x-request-id":
        if not fields.request_id and _REQUEST_ID.fullmatch(value):
            fields.request_id = value
    elif name == b"x-crossfade-arm":
        fields.arm_override = value.lower()
    elif name == b"x-crossfade-token":
        fields.override_token = value
    elif name.startswith(b"x-forwarded-"):
        _read_forwarded(fields, name, value)


def _read_forwarded(fields: Fields, name: bytes, value: bytes) -> None:
    """Keep what a trusted proxy may have said. X-Forwarded-For is a list that may stand in several fields."""
    if fields.forwarded is None:
        fields.forwarded = {}
    if name == b"x-forwarded-for" and name in fields.forwarded:
        fields.forwarded[name] += b", " + value
    else:
        fields.forwarded.setdefault(name, value)


def _judge_host(fields: Fields, hosts: int) -> None:
    """RFC 9112, section 3.2: exactly one, and valid; HTTP/1.0 may do without."""
    if hosts > 1:
        raise BadRequest("more than one Host")
    if hosts == 0 and fields.is_http11:
        raise BadRequest("no Host")
    if hosts == 1 and not _HOST.fullmatch(fields.authority):
        raise BadRequest("Host is empty or not a valid authority")


def _read_connection(fields: Fields, connection: bytes) -> None:
    """Apply the options of Connection and mark the fields that it names as not to be passed on."""
    options = {option.strip(b" \t") for option in connection.split(b",")}
    if b"close" in options:
        fields.keep_alive = False
    elif b"keep-alive" in options:
        fields.keep_alive = True
    named = options - _KEPT - _COMMON_OPTIONS
    if named:
        fields.cuts = cuts_and_named(fields.lowered, fields.cuts, named)
    if b"upgrade" not in options or fields.has_body or not fields.is_http11 or _is_h2c(fields.upgrade):
        fields.upgrade = b""  # Upgrade counts only when Connection names it (RFC 9110, section 7.8)


def _is_h2c(upgrade: bytes) -> bool:
    """Whether an Upgrade asks for HTTP/2 in clear text: passing that on would open a tunnel around the gateway."""
    return any(token.strip(b" \t").startswith(b"h2") for token in upgrade.lower().split(b","))
