"""Which trace a request belongs to, and whether it is recorded (W3C Trace Context, level 2).

The question is answered from a few bytes before anything else is done about tracing: requests that are not recorded,
all but a few, must pay next to nothing.

- A valid ``traceparent`` continues its trace, and its flag decides: so a trace is recorded whole or not at all.
- Without one a trace begins here. It is recorded when its ID falls within the share. IDs are random, and nothing of the
  user's key is in them: who is traced is independent of which arm they take.

A request that is recorded is sent on with our client span as its parent. One that is not is sent on as it came, or,
when the trace began here, with a parent that nobody records, so that the backend decides alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.fields import Fields

TRACEPARENT: Final = b"traceparent"

_NOTHING: Final[frozenset[bytes]] = frozenset()
_CONTINUED: Final = frozenset({TRACEPARENT})
_RESTARTED: Final = frozenset({TRACEPARENT, b"tracestate"})
"""What is removed when a trace can't be continued: the state belongs to the parent (section 3.3)."""

# Version 00 has nothing behind the flags; later ones may (section 4). Zeroes and version ff are invalid.
_FORM: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.DOTALL
)
_FIRST_VERSION: Final = b"00"
_PLAIN_BYTES: Final = 55
_SAMPLED: Final = 1
_RANDOM: Final = 2
"""What is said of a trace's ID must be said on (section 3.2.2.5.2)."""

_SPAN_DIGITS: Final = 16
_SCALE: Final = 1 << 64

# Where the trace ID is in a line of ours.
_TRACE_ID: Final = slice(16, 48)


class Trace:
    """How a request that is recorded is traced, or one whose own ``traceparent`` must not pass. IDs are hexadecimal."""

    __slots__ = ("_flags", "is_sampled", "line", "parent_id", "removed", "sent_id", "span_id", "trace_id")

    def __init__(
        self, trace_id: bytes, parent_id: bytes | None, ids: bytes, removed: frozenset[bytes], flags: int
    ) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        """The caller's span; None when the trace begins here."""
        self.span_id = ids[:_SPAN_DIGITS]
        """Of the span for the request that came."""
        self.sent_id = ids[_SPAN_DIGITS:]
        """Of the span for the request that is sent on."""
        self.removed = removed
        """The fields that the request must not pass with, lower-case."""
        self._flags = flags
        self.is_sampled = bool(flags & _SAMPLED)
        self.line = b"traceparent: 00-%b-%b-%02x\r\n" % (trace_id, self.sent_id, flags)
        """What it is sent on with instead."""

    @property
    def line_of_child(self) -> bytes:
        """What a copy of it is sent with: of the same trace, below the request that came, beside the one sent on."""
        return b"traceparent: 00-%b-%b-%02x\r\n" % (self.trace_id, self.span_id, self._flags)


class Traces:
    """Decides about each request. ``share`` is the percentage of the traces beginning here that are recorded.

    ``new_id`` gives 32 random hexadecimal digits.
    """

    __slots__ = ("_edge", "_new_id", "_tails")

    def __init__(self, share: float, new_id: Callable[[], bytes]) -> None:
        self._edge = b"%016x" % int(share / 100 * _SCALE) if share < 100 else b"g"  # noqa: PLR2004 - "g" is above all
        self._new_id = new_id
        self._tails: list[bytes] = []

    def begin(self, fields: Fields, request_id: bytes) -> Trace | bytes:
        """The trace of a request that is recorded; for any other the field to send on, empty for none.

        A request ID that the gateway made becomes the trace's ID: so logs are found by either.
        """
        came = fields.first(TRACEPARENT)
        if came is not None:
            return self._continue(came, fields, request_id)
        trace_id = self._new_id() if fields.request_id else request_id
        if trace_id[_SPAN_DIGITS:] < self._edge:
            return Trace(trace_id, None, self._new_id(), _NOTHING, _SAMPLED)
        if not self._tails:
            ids = self._new_id()
            self._tails = [b"-%b-00\r\n" % ids[:_SPAN_DIGITS], b"-%b-00\r\n" % ids[_SPAN_DIGITS:]]
        return b"traceparent: 00-" + trace_id + self._tails.pop()

    def _continue(self, came: bytes, fields: Fields, request_id: bytes) -> Trace | bytes:
        found = parse_traceparent(came)
        if found is None:
            trace_id = self._new_id() if fields.request_id else request_id
            flags = _SAMPLED if trace_id[_SPAN_DIGITS:] < self._edge else 0
            return Trace(trace_id, None, self._new_id(), _RESTARTED, flags)
        trace_id, parent_id, flags = found
        if not flags & _SAMPLED:
            return b""
        return Trace(trace_id, parent_id, self._new_id(), _CONTINUED, flags & (_SAMPLED | _RANDOM))


class TracedRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A recorded request that is over, as spans are made of it. Times are seconds since the epoch, 0 for never."""

    trace_id: str
    parent_id: str | None
    span_id: str
    sent_id: str
    started_at: float
    sent_at: float
    """When its last byte was sent to the backend."""
    header_at: float
    ended_at: float
    request_id: str
    method: str
    path: str
    """As it came, without the query: that may hold what must not be kept."""
    template: str
    route: str
    arm: str
    reason: str
    backend: str
    asked: str
    """The URL that was asked last, without its query; empty for none."""
    status: int
    error: str
    """How it failed; empty when it did not."""
    client: str
    """Address of the peer."""
    host: str
    scheme: str
    is_http11: bool


def parse_traceparent(value: bytes) -> tuple[bytes, bytes, int] | None:
    """Trace ID, parent's span ID, and flags; None for what is not valid (section 3.2)."""
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    version, trace_id, parent_id, flags = match.groups()
    if version == _FIRST_VERSION and len(value) != _PLAIN_BYTES:
        return None
    return trace_id, parent_id, int(flags, 16)


def trace_id_of(trace: Trace | bytes, fields: Fields) -> bytes | None:
    """The ID of the trace that a request is part of, whoever began it; None for none."""
    if isinstance(trace, Trace):
        return trace.trace_id
    if trace:
        return trace[_TRACE_ID]
    came = fields.first(TRACEPARENT)
    found = parse_traceparent(came) if came is not None else None
    return found[0] if found is not None else None
