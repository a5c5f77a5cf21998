"""The access log's line: one JSON object about a request that is over, with the key's bucket but never the key.

A line is put together from bytes, not from a dictionary: with ``access_log: all`` every request pays for it. What it
shares with the other requests of its path and arm is encoded once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.core.figures import CLIENT_GONE
from gateway.core.heads import END
from gateway.core.trace_context import trace_id_of
from gateway.core.types import Arm

if TYPE_CHECKING:
    from gateway.errors import ProxyError
    from gateway.proxy.exchange import Exchange

# Durations are milliseconds: of the whole request, and from its last byte sent to the response's header.
_LINE: Final = (
    b'{"time":"%b","request_id":"%b","trace_id":%b,%b,"target":%b,"status":%d,"bucket":%b,'
    b'"duration_ms":%.3f,"header_ms":%b,"bytes":%d,"error":%b}'
)
_NULL: Final = b"null"

# What may stand between quotes in JSON as it is.
_PLAIN: Final = re.compile(rb"[ !#-\[\]-~]*")

# Printable, so that nothing in it could be another line; the query is not wanted. No two parts can take the same byte:
# whatever a client sends is looked at once.
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,32}) (/[!->@-~]*)(?:\?[!-~]*)? HTTP/1\.[01]\r\n")

# Between the words of a class's name.
_WORD_ENDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_LONGEST_TARGET: Final = 2048
"""Of a path; the queue of lines would otherwise be as long as clients like."""

_MOST_SHARED: Final = 4096

_FIRST_SERVER_ERROR: Final = 500
_CANDIDATE: Final = Arm.CANDIDATE

_encode = msgspec.json.Encoder().encode


class _Shared(msgspec.Struct):
    """What requests of the same path and arm have in common. None where no route served the request."""

    route: str | None
    path: str | None
    method: str
    arm: str | None
    reason: str | None
    backend: str | None
    endpoint: str | None


_shared: dict[tuple[object, ...], bytes] = {}


def access_line(exchange: Exchange) -> bytes:
    """What is written about ``exchange`` once it is over."""
    request = exchange.request
    decision = exchange.decision
    trace_id = trace_id_of(exchange.trace, request.fields)
    kind = kind_of(exchange)
    if kind is None and exchange.status >= _FIRST_SERVER_ERROR:
        kind = "5xx"
    line = _LINE % (
        _clock.now(),
        exchange.request_id,
        b'"%b"' % trace_id if trace_id is not None else _NULL,
        _share(exchange),
        _quote(request.path[:_LONGEST_TARGET]),
        exchange.status or CLIENT_GONE,
        b"%.4f" % decision.bucket if decision is not None and decision.bucket is not None else _NULL,
        (exchange.settled_at - exchange.started_at) * 1000,
        b"%.3f" % ((exchange.header_at - exchange.sent_at) * 1000) if exchange.header_at else _NULL,
        exchange.bytes_sent,
        b'"%b"' % kind.encode() if kind is not None else _NULL,
    )
    return line if exchange.failed is None else line[:-1] + b',"failover":"%b"}' % exchange.failed.reason.encode()


def refusal_line(error: ProxyError, request_id: bytes, head: bytes, answer: bytes) -> bytes:
    """What is written about bytes that were answered, but never became a request."""
    method, target = _read_request_line(head)
    shared = b'"route":null,"path":null,"method":%b,"arm":null,"reason":null,"backend":null,"endpoint":null' % method
    name = b'"%b"' % _name(error).encode()
    body_bytes = len(answer) - answer.index(END) - len(END)
    return _LINE % (_clock.now(), request_id, _NULL, shared, target, error.status, _NULL, 0, _NULL, body_bytes, name)


def _read_request_line(head: bytes) -> tuple[bytes, bytes]:
    """Method and path in JSON, where the head begins with a plain request line; nothing is guessed from another."""
    found = _REQUEST_LINE.match(head)
    return (_quote(found[1]), _quote(found[2][:_LONGEST_TARGET])) if found else (_NULL, _NULL)


def _share(exchange: Exchange) -> bytes:
    decision, method = exchange.decision, exchange.request.method
    endpoint = exchange.endpoint
    url = endpoint.endpoint.url if endpoint is not None else None
    if decision is None:
        return _encode_shared(_Shared(None, None, method.decode("latin-1"), None, None, None, url))
    arm, backend = decision.side.arm, exchange.side.backend
    route, path, reason = decision.entry.route.name, exchange.template, decision.reason
    key = (route, path, method, arm is _CANDIDATE, reason, backend, url)
    shared = _shared.get(key)
    if shared is None:
        shared = _encode_shared(_Shared(route, path, method.decode("latin-1"), arm, reason, backend, url))
        if len(_shared) >= _MOST_SHARED:
            _shared.clear()
        _shared[key] = shared
    return shared


def _encode_shared(shared: _Shared) -> bytes:
    return _encode(shared)[1:-1]


def _quote(text: bytes) -> bytes:
    return b'"%b"' % text if _PLAIN.fullmatch(text) else _encode(text.decode("latin-1"))


class _Clock:
    """The time as RFC 3339 has it; what stays the same for a second is put together once."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._prefix = b""

    def now(self) -> bytes:
        """UTC, to the millisecond."""
        now = time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return b"%b.%03dZ" % (self._prefix, (now - second) * 1000)


_clock = _Clock()


def kind_of(exchange: Exchange) -> str | None:
    """How a request failed, in a word; None when it did not."""
    if exchange.error is None:
        return "client_gone" if exchange.is_client_gone else None
    return _name(exchange.error)


def _name(error: ProxyError) -> str:
    """The kind that metrics count, or the title as one word: ``no_route`` is for a machine to find."""
    return error.kind or _WORD_ENDS.sub("_", type(error).__name__).lower()
