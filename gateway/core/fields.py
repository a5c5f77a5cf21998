"""The header fields of a request: lines that pass as they came, and the few that a proxy acts on.

A client that keeps its connection mostly sends the same fields with every request: all of them, or all but the values
of a few. So `Fields` are immutable once read, serve every request that carries the same bytes, and are derived for one
that differs only in values that nothing depends on: then only those values are judged.
"""

from __future__ import annotations

import re
from itertools import compress, count
from operator import ne
from typing import TYPE_CHECKING, Final

from gateway.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

# Never passed on: hop-by-hop (RFC 9110, section 7.6.1), and what the gateway writes itself.
_CUT: Final = frozenset(
    b"connection keep-alive te transfer-encoding upgrade http2-settings x-request-id x-forwarded-for x-forwarded-proto"
    b" x-forwarded-host proxy-connection proxy-authenticate proxy-authorization".split()
)
_ACTED_ON: Final = _CUT | {b"host", b"content-length", b"expect"}
_OURS: Final = b"x-crossfade-"

# RFC 9110, section 5.5: what llhttp lets pass as a value.
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

# RFC 3986, section 3.2.2: reg-name, IPv4 and bracketed IPv6, with an optional port. No userinfo, no lists.
_HOST: Final = re.compile(rb"(?:\[[0-9a-fA-F:.%\w]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{0,5})?")

# Sane: what may be logged and sent on without escaping, and is no longer than a UUID with a prefix.
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")

# Never removed because Connection names them: a client could otherwise strip what routing and framing rest on.
_KEPT: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie", b"close"})
_COMMON_OPTIONS: Final = frozenset({b"", b"keep-alive", b"upgrade"})

_UNKNOWN: Final = b"\r\n"  # no field's value


class Fields:
    """The fields of one request.

    ``raw`` are their bytes from the CR LF that ends the request line to the end of the empty line, ``names`` the names
    of their ``lines``, lower-case. ``cuts`` are the indexes of the lines that are not passed on, ``acted_on`` of those
    that mean something here. ``content_length`` is None without such a field.
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
    _host: bytes | None = None
    _lines: list[bytes] | None = None
    _passed_on: bytes | None = None
    _gap: Gap | None = None
    _varied = -1

    def __init__(self, raw: bytes, *, is_http11: bool) -> None:
        self.raw = raw
        self.is_http11 = is_http11
        self.keep_alive = is_http11
        self.names = [line[: line.find(b":")].lower() for line in self.lines]
        self.cuts: frozenset[int] = frozenset()
        self.acted_on: frozenset[int] = frozenset()
        self._found: dict[bytes, bytes | None] = {}

    @property
    def lines(self) -> list[bytes]:
        """The lines of all fields, without their ends."""
        lines = self._lines
        if lines is None:
            lines = self._lines = self.raw[2:-4].split(b"\r\n") if len(self.raw) > len(b"\r\n\r\n") else []
        return lines

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
            value = self.value(self.names.index(name)) if name in self.names else None
            self._found[name] = value
        return value

    def all(self, name: bytes) -> list[bytes]:
        """Every value of the field ``name`` (lower-case), in order, outer white space off."""
        return [self.value(at) for at, other in enumerate(self.names) if other == name]

    def value(self, at: int) -> bytes:
        """The value in line ``at``, outer white space off."""
        return self.lines[at][len(self.names[at]) + 1 :].strip(b" \t")

    def passed_on(self) -> bytes:
        """The fields that are passed on, each line with its CR LF in front."""
        passed_on = self._passed_on
        if passed_on is None:
            passed_on = self._passed_on = _join(self.lines, self.cuts)
        return passed_on

    def passed_on_without(self, names: AbstractSet[bytes]) -> bytes:
        """The same, and without all fields called ``names`` (lower-case)."""
        return _join(self.lines, self.cuts | {at for at, name in enumerate(self.names) if name in names})

    def derive(self, raw: bytes) -> Fields | None:
        """The fields that ``raw`` are, if they differ from these only in values that nothing depends on; else None.

        Names and syntax of the other lines have been judged; so has the order of all.
        """
        gap = self._gap
        if gap is not None and raw.startswith(gap.before) and raw.endswith(gap.after):
            value = raw[len(gap.before) : len(raw) - len(gap.after)]
            if len(raw) >= len(gap.before) + len(gap.after) and _VALUE.fullmatch(value):
                return self._fill(gap, raw, value)
        return self._derive_by_lines(raw)

    def _fill(self, gap: Gap, raw: bytes, value: bytes) -> Fields:
        derived = self._copy(raw)
        if gap.name in derived._found:  # noqa: SLF001  one of our own
            derived._found[gap.name] = value.strip(b" \t")  # noqa: SLF001
        derived._passed_on = gap.passed_before + value + gap.passed_after  # noqa: SLF001
        return derived

    def _derive_by_lines(self, raw: bytes) -> Fields | None:
        lines = raw[2:-4].split(b"\r\n")
        if len(lines) != len(self.lines) or not raw.startswith(b"\r\n"):
            return None
        changed = list(compress(count(), map(ne, self.lines, lines)))
        for at in changed:
            line, start = lines[at], len(self.names[at]) + 1
            if at in self.acted_on or line[:start] != self.lines[at][:start] or not _VALUE.fullmatch(line, start):
                return None
        derived = self._copy(raw)
        derived._lines = lines  # noqa: SLF001
        derived._gap = None  # noqa: SLF001  another line has changed: what stands around the gap is another
        for at in changed:
            derived._found.pop(self.names[at], None)  # noqa: SLF001
        if len(changed) == 1:
            derived._learn_gap(changed[0], seen_before=changed[0] == self._varied)  # noqa: SLF001
        return derived

    def _copy(self, raw: bytes) -> Fields:
        derived = Fields.__new__(Fields)
        derived.__dict__.update(self.__dict__)
        derived.raw = raw
        derived._lines = derived._passed_on = None  # noqa: SLF001
        derived._found = self._found.copy()  # noqa: SLF001
        return derived

    def _learn_gap(self, at: int, *, seen_before: bool) -> None:
        """Where one line alone varies twice in a row, as a user's ID does, it is taken for a gap to be filled."""
        self._varied = at
        name = self.names[at]
        if seen_before and at not in self.cuts and self.names.count(name) == 1:
            self._gap = Gap(self.lines, self.cuts, at, len(name) + 1)


class Gap:
    """Everything about fields that vary in one value but that value: what stands before and behind it."""

    __slots__ = ("after", "before", "name", "passed_after", "passed_before")

    def __init__(self, lines: list[bytes], cuts: frozenset[int], at: int, value_at: int) -> None:
        label = lines[at][:value_at]
        self.name = label[:-1].lower()
        self.before = b"\r\n".join((b"", *lines[:at], label))
        self.after = b"\r\n".join((b"", *lines[at + 1 :], b"", b""))
        kept = [line for index, line in enumerate(lines) if index not in cuts and index < at]
        self.passed_before = b"\r\n".join((b"", *kept, label))
        kept = [line for index, line in enumerate(lines) if index not in cuts and index > at]
        self.passed_after = b"\r\n".join((b"", *kept))


def _join(lines: list[bytes], cuts: frozenset[int]) -> bytes:
    if not cuts:
        return b"\r\n" + b"\r\n".join(lines) if lines else b""
    kept = lines.copy()
    for at in sorted(cuts, reverse=True):
        del kept[at]
    return b"\r\n" + b"\r\n".join(kept) if kept else b""


def host_of(authority: bytes) -> bytes:
    """The host of ``host:port``, lower-case; brackets of an IPv6 address stay."""
    host = authority.lower()
    if host.endswith(b"]"):
        return host
    name, colon, _port = host.rpartition(b":")
    return name if colon else host


def read_fields(raw: bytes, *, is_http11: bool) -> Fields:
    """Read fields whose syntax has been judged. Raises `BadRequest` for what is ambiguous between them."""
    fields = Fields(raw, is_http11=is_http11)
    names = fields.names
    fields.acted_on = frozenset([at for at, name in enumerate(names) if name in _ACTED_ON or name.startswith(_OURS)])
    fields.cuts = frozenset([at for at in fields.acted_on if names[at] in _CUT or names[at].startswith(_OURS)])
    for at in sorted(fields.acted_on):
        read = _READERS.get(names[at])
        if read is not None:
            read(fields, fields.value(at))
    _judge_host(fields, names.count(b"host"))
    if b"connection" in names:
        _read_connection(fields, b",".join(fields.all(b"connection")).lower())
    elif fields.upgrade:
        fields.upgrade = b""
    return fields


def _read_host(fields: Fields, value: bytes) -> None:
    fields.authority = value


def _read_length(fields: Fields, value: bytes) -> None:
    fields.content_length = int(value)  # llhttp has checked that it is digits, and the only one


def _read_coding(fields: Fields, value: bytes) -> None:
    if fields.chunked or value.lower() != b"chunked" or not fields.is_http11:
        raise BadRequest("Transfer-Encoding must be exactly chunked, once, on HTTP/1.1")
    fields.chunked = True


def _read_expect(fields: Fields, value: bytes) -> None:
    if value.lower() != b"100-continue":
        raise BadRequest("Expect must be 100-continue")
    fields.expects_continue = True


def _read_upgrade(fields: Fields, value: bytes) -> None:
    fields.upgrade = fields.upgrade + b", " + value if fields.upgrade else value


def _read_request_id(fields: Fields, value: bytes) -> None:
    if not fields.request_id and _REQUEST_ID.fullmatch(value):
        fields.request_id = value


def _read_override(fields: Fields, value: bytes) -> None:
    fields.arm_override = value.lower()


def _read_token(fields: Fields, value: bytes) -> None:
    fields.override_token = value


def _forwarded_reader(name: bytes) -> Callable[[Fields, bytes], None]:
    def read_forwarded(fields: Fields, value: bytes) -> None:
        """Keep what a trusted proxy may have said. X-Forwarded-For is a list that may stand in several fields."""
        said = fields.forwarded = fields.forwarded or {}
        if name == b"x-forwarded-for" and name in said:
            said[name] += b", " + value
        else:
            said.setdefault(name, value)

    return read_forwarded


_READERS: Final[dict[bytes, Callable[[Fields, bytes], None]]] = {
    b"host": _read_host,
    b"content-length": _read_length,
    b"transfer-encoding": _read_coding,
    b"expect": _read_expect,
    b"upgrade": _read_upgrade,
    b"x-request-id": _read_request_id,
    b"x-crossfade-arm": _read_override,
    b"x-crossfade-token": _read_token,
    b"x-forwarded-for": _forwarded_reader(b"x-forwarded-for"),
    b"x-forwarded-proto": _forwarded_reader(b"x-forwarded-proto"),
    b"x-forwarded-host": _forwarded_reader(b"x-forwarded-host"),
}


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
        fields.cuts |= _indexes_of(named, fields.names)
    if b"upgrade" not in options or fields.has_body or not fields.is_http11 or _is_h2c(fields.upgrade):
        fields.upgrade = b""  # Upgrade counts only when Connection names it (RFC 9110, section 7.8)


def _indexes_of(wanted: set[bytes], names: Iterable[bytes]) -> set[int]:
    return {at for at, name in enumerate(names) if name in wanted}


def _is_h2c(upgrade: bytes) -> bool:
    """Whether an Upgrade asks for HTTP/2 in clear text: passing that on would open a tunnel around the gateway."""
    return any(token.strip(b" \t").startswith(b"h2") for token in upgrade.lower().split(b","))
