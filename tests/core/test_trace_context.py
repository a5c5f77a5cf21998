"""Who is traced is decided once, by the caller or by the trace's ID, and told to the backend."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fields import Fields
from gateway.core.heads import parse_request
from gateway.core.trace_context import Trace, Traces, parse_traceparent, trace_id_of

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
RECORDED = b"00-" + TRACE + b"-" + SPAN + b"-01"
UNRECORDED = RECORDED[:-1] + b"0"
OWN_ID = b"f" * 16 + b"7" + b"f" * 15


def fields(*lines: bytes) -> Fields:
    """A request's, with these besides Host."""
    return parse_request(b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""))).fields


def traces(share: float = 50.0) -> Traces:
    """With IDs that count."""
    numbers = count(1)
    return Traces(share, lambda: b"%032x" % next(numbers))


def test_a_trace_that_is_recorded_goes_on_below_our_span() -> None:
    """Its ID and its flag stay; the backend's parent is our client span."""
    trace = traces(0).begin(fields(b"traceparent: " + RECORDED), OWN_ID)

    assert isinstance(trace, Trace)
    assert (trace.trace_id, trace.parent_id, trace.is_sampled) == (TRACE, SPAN, True)
    assert trace.line == b"traceparent: 00-" + TRACE + b"-" + trace.sent_id + b"-01\r\n"
    assert trace.removed == {b"traceparent"}
    assert len({trace.span_id, trace.sent_id, SPAN}) == 3


def test_a_trace_that_is_not_recorded_passes_untouched() -> None:
    """We add no span, so the caller's stays the parent."""
    asked = fields(b"traceparent: " + UNRECORDED)

    assert traces(100).begin(asked, OWN_ID) == b""
    assert trace_id_of(b"", asked) == TRACE


def test_a_trace_that_begins_here_has_the_requests_id() -> None:
    """So logs and traces are found by either."""
    recorded = traces(100).begin(fields(), OWN_ID)
    line = traces(0).begin(fields(), OWN_ID)

    assert isinstance(recorded, Trace)
    assert (recorded.trace_id, recorded.parent_id, recorded.removed) == (OWN_ID, None, frozenset())
    assert isinstance(line, bytes)
    assert parse_traceparent(line[len(b"traceparent: ") : -2]) == (OWN_ID, line[49:65], False)
    assert trace_id_of(line, fields()) == trace_id_of(recorded, fields()) == OWN_ID


def test_an_id_that_the_client_chose_is_no_trace_id() -> None:
    """Else who asks could choose to be traced."""
    trace = traces(100).begin(fields(b"X-Request-ID: " + OWN_ID), OWN_ID)

    assert isinstance(trace, Trace)
    assert trace.trace_id == b"%032x" % 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-" + TRACE + b"-" + SPAN,
        RECORDED + b"-more",
        b"ff-" + TRACE + b"-" + SPAN + b"-01",
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        RECORDED.upper(),
        b"00-" + TRACE[:-1] + b"g-" + SPAN + b"-01",
    ],
)
def test_what_is_not_valid_does_not_pass(value: bytes) -> None:
    """A trace begins anew, without the state that belonged to the other (W3C Trace Context, section 3.2.2.3)."""
    asked = fields(b"traceparent: " + value, b"tracestate: a=1")
    trace = traces(0).begin(asked, OWN_ID)

    assert parse_traceparent(value) is None
    assert isinstance(trace, Trace)
    assert not trace.is_sampled
    assert trace.removed == {b"traceparent", b"tracestate"}
    assert trace_id_of(b"", asked) is None


def test_a_later_version_may_say_more() -> None:
    """What it says first means the same (section 4)."""
    assert parse_traceparent(b"01-" + TRACE + b"-" + SPAN + b"-03-more") == (TRACE, SPAN, 3)


def test_what_was_said_of_the_ids_randomness_is_said_on() -> None:
    """Later samplers rely on it (section 3.2.2.5.2); flags that nobody knows are not passed on."""
    trace = traces(0).begin(fields(b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-ff"), OWN_ID)

    assert isinstance(trace, Trace)
    assert trace.line.endswith(b"-03\r\n")


def test_a_trace_begun_anew_has_the_requests_id_too() -> None:
    """What the client sent in place of a trace makes no difference, unless it is an ID of its own choice."""
    anew = traces(100).begin(fields(b"traceparent: nonsense"), OWN_ID)
    chosen = traces(100).begin(fields(b"traceparent: nonsense", b"X-Request-ID: " + OWN_ID), OWN_ID)

    assert isinstance(anew, Trace)
    assert isinstance(chosen, Trace)
    assert anew.trace_id == OWN_ID != chosen.trace_id


@given(st.integers(0, 2**64 - 1), st.floats(0, 100))
def test_an_id_within_the_share_is_recorded(number: int, share: float) -> None:
    """The low half of the ID, as a place from 0 to 100 %."""
    own_id = b"a" * 16 + b"%016x" % number
    is_recorded = isinstance(traces(share).begin(fields(), own_id), Trace)

    assert is_recorded == (number < int(share / 100 * 2**64))


def test_a_larger_share_records_what_a_smaller_one_did() -> None:
    """About as many as it says."""
    ids = [b"%032x" % (0x9E3779B97F4A7C15 * number % 2**64) for number in range(1, 5001)]
    recorded = [{own for own in ids if isinstance(traces(share).begin(fields(), own), Trace)} for share in (1, 10, 50)]

    assert recorded[0] <= recorded[1] <= recorded[2]
    assert [round(len(each) / 50) for each in recorded] == [1, 10, 50]
