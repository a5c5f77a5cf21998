"""A traced request becomes two spans, as OpenTelemetry's conventions have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.trace_context import TracedRequest
from gateway.telemetry import spans as module
from gateway.telemetry.spans import Spans
from tests.e2e.collector import Collector, Received, collect


def traced_request(**changes: Any) -> TracedRequest:
    """A request that went well."""
    fields: dict[str, Any] = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "parent_id": "b7ad6b7169203331",
        "span_id": "1" * 16,
        "sent_id": "2" * 16,
        "started_at": 1_800_000_000.0,
        "sent_at": 1_800_000_000.25,
        "header_at": 1_800_000_000.5,
        "ended_at": 1_800_000_001.0,
        "request_id": "abc",
        "method": "GET",
        "path": "/orders/81",
        "template": "/orders/{id}",
        "route": "orders",
        "arm": "candidate",
        "reason": "split",
        "backend": "new",
        "asked": "https://new.internal/v2/orders/81",
        "status": 200,
        "error": "",
        "client": "192.0.2.7",
        "host": "shop.example:8080",
        "scheme": "http",
        "is_http11": True,
    }
    return TracedRequest(**fields | changes)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A receiver of OTLP."""
    with collect() as made:
        yield made


def export(collector: Collector, *requests: TracedRequest) -> list[Received]:
    """What the collector got."""
    spans = Spans(f"{collector.url}/v1/traces")
    for request in requests:
        spans.record(request)
    spans.close()
    return collector.spans


def by_kind(received: list[Received]) -> tuple[Received, Received]:
    """The server's and the client's."""
    kinds = {each.span.kind: each for each in received}
    return kinds[2], kinds[3]


def test_the_spans_have_the_ids_that_were_sent_on(collector: Collector) -> None:
    """And the times at which things happened, not that of the export."""
    server, client = by_kind(export(collector, traced_request()))

    assert server.ids == ("0af7651916cd43dd8448eb211c80319c", "1" * 16, "b7ad6b7169203331")
    assert client.ids == ("0af7651916cd43dd8448eb211c80319c", "2" * 16, "1" * 16)
    began = 1_800_000_000 * 10**9
    times = (server.span.start_time_unix_nano, client.span.start_time_unix_nano)
    ends = (client.span.end_time_unix_nano, server.span.end_time_unix_nano)
    expected = [began, began + 250_000_000, began + 500_000_000, began + 10**9]
    assert [*times, *ends] == pytest.approx(expected, abs=1000)  # a float of today's seconds is good to 0.3 µs


def test_a_trace_that_begins_here_has_no_parent(collector: Collector) -> None:
    """The server's span is its root."""
    server, client = by_kind(export(collector, traced_request(parent_id=None)))

    assert server.ids[2] == ""
    assert client.ids[2] == "1" * 16


def test_attributes_follow_the_conventions_for_http(collector: Collector) -> None:
    """So that any tool groups them by route and status; what is ours is under crossfade."""
    server, client = by_kind(export(collector, traced_request()))

    assert server.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/orders/{id}",
        "url.path": "/orders/81",
        "url.scheme": "http",
        "client.address": "192.0.2.7",
        "network.protocol.version": "1.1",
        "server.address": "shop.example",
        "server.port": 8080,
        "crossfade.route": "orders",
        "crossfade.arm": "candidate",
        "crossfade.reason": "split",
        "crossfade.request_id": "abc",
    }
    assert client.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": "https://new.internal/v2/orders/81",
        "server.address": "new.internal",
        "server.port": 443,
        "crossfade.backend": "new",
    }


@pytest.mark.parametrize(
    ("status", "error", "server_failed", "client_failed"),
    [
        (200, "", False, False),
        (404, "", False, True),
        (503, "", True, True),
        (502, "reset", True, True),
        (200, "reset", True, True),  # cut
        (200, "client_gone", False, True),
        (499, "client_gone", False, True),
    ],
)
def test_a_span_has_failed_when_its_own_side_says_so(
    collector: Collector, status: int, error: str, server_failed: bool, client_failed: bool
) -> None:
    """A 4xx is the client's fault, as the conventions see it."""
    server, client = by_kind(export(collector, traced_request(status=status, error=error)))

    assert (server.span.status.code == 2, client.span.status.code == 2) == (server_failed, client_failed)
    assert client.attributes.get("error.type") == (error or (str(status) if status >= 400 else None))
    assert server.attributes.get("error.type") == (error or (str(status) if status >= 500 else None))


def test_a_client_span_has_no_status_that_the_backend_did_not_answer(collector: Collector) -> None:
    """The 504 is the gateway's own."""
    server, client = by_kind(export(collector, traced_request(header_at=0.0, status=504, error="timeout")))

    assert server.attributes["http.response.status_code"] == 504
    assert "http.response.status_code" not in client.attributes
    assert client.attributes["error.type"] == "timeout"


@pytest.mark.parametrize("host", ["", "shop.example:x", "[::1"])
def test_a_host_that_is_none_is_left_out(collector: Collector, host: str) -> None:
    """It is the client's to invent, and must not cost the span."""
    server, _ = by_kind(export(collector, traced_request(host=host)))

    assert "server.address" not in server.attributes


def test_a_method_that_nobody_knows_makes_no_name_of_its_own(collector: Collector) -> None:
    """Names must not be for clients to invent."""
    server, _ = by_kind(export(collector, traced_request(method="PROPFIND")))

    assert server.span.name == "HTTP /orders/{id}"
    assert server.attributes["http.request.method"] == "_OTHER"
    assert server.attributes["http.request.method_original"] == "PROPFIND"


def test_a_request_that_was_not_sent_on_has_no_client_span(collector: Collector) -> None:
    """No connection could be had."""
    (server,) = export(collector, traced_request(sent_at=0.0, header_at=0.0, asked="", status=502, error="connect"))

    assert server.attributes["error.type"] == "connect"


def test_spans_that_the_collector_does_not_take_are_counted_and_said_once(collector: Collector) -> None:
    """Not a line for each."""
    collector.status = 400
    spans = Spans(f"{collector.url}/v1/traces")
    with capture_logs() as logs:
        for _ in range(3):
            spans.record(traced_request())
        spans.close()

    assert spans.dropped == 6
    assert [record["event"] for record in logs] == ["spans_lost"]


def test_spans_beyond_the_queue_are_counted(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded however slow the collector is."""
    monkeypatch.setattr(module, "QUEUE_SPANS", 512)
    collector.goes_on.clear()
    spans = Spans(f"{collector.url}/v1/traces")
    for _ in range(400):
        spans.record(traced_request())

    assert spans.dropped == 2 * 400 - 512
    collector.goes_on.set()
    spans.close()
    assert len(collector.spans) == 512
