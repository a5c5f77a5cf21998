"""Few requests are traced; those that are leave all that their spans need."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.trace_context import Trace, TracedRequest
from gateway.core.types import Arm, Match, Rewrite, Route, Table, Tracing
from gateway.runtime.link import Traced, pack
from tests.proxy.wiring import GET, OK, Wires, table

RECORDED = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ASKED = b"GET /a/7?q=1 HTTP/1.1\r\nHost: example.com:81\r\ntraceparent: " + RECORDED + b"\r\nX-A: b\r\n\r\n"


def traced(share: float = 100.0, **changes: object) -> Table:
    """A table with tracing on."""
    return msgspec.structs.replace(table(), tracing=Tracing("http://127.0.0.1:4318/v1/traces", share), **changes)


async def test_a_traced_request_leaves_what_its_spans_need() -> None:
    """Once it is over, and once."""
    wires = Wires(traced())
    connection, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(ASKED)
    assert wires.plane.traced.take() == ()
    connection.data_received(OK)

    (request,) = wires.plane.traced.take()
    assert wires.plane.traced.take() == ()
    assert isinstance(request, TracedRequest)
    assert (request.trace_id, request.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert upstream.written.count(b"traceparent: ") == 1
    assert f"traceparent: 00-{request.trace_id}-{request.sent_id}-01\r\n".encode() in upstream.written
    assert request.started_at <= request.sent_at <= request.header_at <= request.ended_at
    expected = {
        "method": "GET",
        "path": "/a/7",
        "template": "/a/{id}",
        "route": "all",
        "arm": "baseline",
        "reason": "no_rollout",
        "backend": "legacy",
        "status": 200,
        "error": "",
        "client": "127.0.0.1",
        "host": "example.com:81",
        "scheme": "http",
        "is_http11": True,
    }
    assert {name: getattr(request, name) for name in expected} == expected


async def test_a_traced_request_stands_for_its_bucket_of_durations() -> None:
    """As the exemplar of the figures that it was counted in."""
    wires = Wires(traced())
    connection, _ = wires.backend()
    client, _ = wires.client()
    client.data_received(ASKED)
    connection.data_received(OK)

    (counted,) = wires.plane.counters.take()

    (exemplar,) = counted.figures.exemplars.values()
    assert exemplar.trace_id == "0af7651916cd43dd8448eb211c80319c"
    (bucket,) = counted.figures.exemplars
    assert counted.figures.durations[bucket] == 1


async def test_a_request_that_is_not_sampled_leaves_nothing() -> None:
    """It is sent on with a parent that nobody records."""
    wires = Wires(traced(0))
    connection, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(GET)
    connection.data_received(OK)

    assert wires.plane.traced.take() == ()
    assert upstream.written.count(b"\r\ntraceparent: 00-") == 1


async def test_a_request_that_is_sent_again_has_one_trace() -> None:
    """The second try tells the backend the same parent."""
    wires = Wires(traced())
    connection, upstream = wires.backend(served=1)
    client, _ = wires.client()
    client.data_received(GET)
    exchange = client.exchange
    assert exchange is not None
    trace = exchange.trace
    assert isinstance(trace, Trace)

    again, second = wires.backend()
    connection.exchange = None
    exchange.on_connection(again)

    assert trace.line in upstream.written
    assert trace.line in second.written


@pytest.mark.parametrize("share", [0.0, 100.0])
async def test_a_rewrite_and_a_trace_take_out_what_each_must(share: float) -> None:
    """Neither undoes the other."""
    route = Route("all", Match(), "legacy", rewrites=(Rewrite(Arm.BASELINE, None, (("X-B", "c"),), ("X-A",)),))
    wires = Wires(traced(share, routes=(route,)))
    _, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(ASKED)

    assert RECORDED not in upstream.written
    assert b"X-A: b" not in upstream.written
    assert b"X-B: c" in upstream.written


async def test_a_span_names_the_url_that_the_backend_was_asked() -> None:
    """Rewritten, and without the query."""
    route = Route("all", Match(("/a/**",)), "legacy", rewrites=(Rewrite(Arm.BASELINE, "/v2/**"),))
    wires = Wires(traced(routes=(route,)))
    connection, _ = wires.backend()
    client, _ = wires.client()
    client.data_received(ASKED)
    connection.data_received(OK)

    (request,) = wires.plane.traced.take()
    assert request.asked == f"{connection.endpoint.endpoint.url}/v2/7"
    assert request.path == "/a/7"


async def test_more_than_can_be_held_is_counted_as_dropped() -> None:
    """A link that does not take them costs a bounded list."""
    wires = Wires(traced())
    connection, _ = wires.backend()
    client, _ = wires.client()
    for _ in range(1003):
        client.data_received(ASKED)
        connection.data_received(OK)

    assert wires.plane.traced.dropped == 3
    assert len(wires.plane.traced.take()) == 1000


async def test_what_clients_choose_is_cut_to_what_a_span_needs() -> None:
    """The longest path and host that a head may have cost no more than those of the access log."""
    wires = Wires(traced())
    connection, _ = wires.backend()
    client, _ = wires.client()
    client.data_received(ASKED.replace(b"/a/7", b"/" + b"a" * 20_000).replace(b"example.com", b"e" * 9_000))
    connection.data_received(OK)

    (request,) = wires.plane.traced.take()
    assert request.path == "/" + "a" * 2047
    assert request.asked == f"{connection.endpoint.endpoint.url}/{'a' * 2047}"
    assert request.host == "e" * 255


async def test_long_requests_are_held_up_to_a_bound_in_bytes() -> None:
    """So what a worker holds, and sends in one message, does not grow with what clients choose."""
    wires = Wires(traced())
    connection, _ = wires.backend()
    client, _ = wires.client()
    long = ASKED.replace(b"/a/7", b"/" + b"a" * 20_000).replace(b"example.com", b"e" * 255)
    for _ in range(1000):
        client.data_received(long)
        connection.data_received(OK)

    held = wires.plane.traced.take()
    assert len(held) + wires.plane.traced.dropped == 1000
    assert wires.plane.traced.dropped
    assert len(pack(Traced(held))) < 10 * 1024 * 1024
    client.data_received(long)
    connection.data_received(OK)
    assert len(wires.plane.traced.take()) == 1
