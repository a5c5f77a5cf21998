"""Traces go on through the gateway, with the real exporter and a real receiver of OTLP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from tests.e2e.collector import Collector, collect
from tests.e2e.conftest import Start
from tests.e2e.scripted import Scripted, scripted

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A receiver of OTLP."""
    with collect() as made:
        yield made


@pytest.fixture
def backend() -> Iterator[Scripted]:
    """One that remembers what it was asked."""
    with scripted() as made:
        yield made


def configure(backend: Scripted, otlp: str, sample: str = "100%") -> str:
    """Everything to the backend, and traced."""
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, access_log: all}}
admin: {{listen: 127.0.0.1:0}}
telemetry: {{otlp: "{otlp}", sample: {sample}}}
backends: {{legacy: {backend.url}}}
routes: [{{name: orders, match: /**, backend: legacy, paths: [/orders/{{id}}]}}]
"""


def sent_on(backend: Scripted) -> str:
    """The traceparent of the last request that the backend got; empty without one."""
    lines = backend.asked[-1].decode().split("\r\n")
    found = [line.partition(": ")[2] for line in lines if line.lower().startswith("traceparent:")]
    assert len(found) <= 1
    return found[0] if found else ""


def test_a_request_becomes_a_server_and_a_client_span(
    start_gateway: Start, backend: Scripted, collector: Collector
) -> None:
    """The caller's span above the first, the backend's below the second, all of one trace."""
    gateway = start_gateway(configure(backend, collector.url, "0%"))
    gateway.get("/orders/81?secret=1", {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"})

    spans = {each.span.kind: each for each in collector.wait_for(2)}
    server, client = spans[2], spans[3]
    assert server.ids == (TRACE, server.span.span_id.hex(), SPAN)
    assert client.ids == (TRACE, client.span.span_id.hex(), server.span.span_id.hex())
    assert sent_on(backend) == f"00-{TRACE}-{client.span.span_id.hex()}-01"
    assert b"tracestate: a=1" in backend.asked[-1]
    assert server.span.start_time_unix_nano <= client.span.start_time_unix_nano
    assert client.span.end_time_unix_nano <= server.span.end_time_unix_nano
    assert (server.span.name, client.span.name) == ("GET /orders/{id}", "GET")
    assert server.resource["service.name"] == "crossfade"
    assert (
        server.attributes
        | {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": "/orders/{id}",
            "url.path": "/orders/81",
            "crossfade.route": "orders",
            "crossfade.arm": "baseline",
            "crossfade.reason": "no_rollout",
        }
        == server.attributes
    )
    assert client.attributes["crossfade.backend"] == "legacy"
    assert client.attributes["server.port"] == int(backend.url.rpartition(":")[2])
    assert "secret" not in str(server.span) + str(client.span)


def test_the_log_the_backend_and_the_metrics_name_the_same_trace(
    start_gateway: Start, backend: Scripted, collector: Collector
) -> None:
    """So a person goes from a slow bucket to the trace, and from there to the line."""
    gateway = start_gateway(configure(backend, collector.url))
    gateway.get("/orders/81")
    trace_id, _, _ = collector.wait_for(2)[0].ids

    gateway.wait_until(lambda: gateway.stdout.read_text().endswith("\n"))
    line = json.loads(gateway.stdout.read_text().splitlines()[-1])
    assert line["trace_id"] == line["request_id"] == trace_id == sent_on(backend)[3:35]
    gateway.wait_until(lambda: f'trace_id="{trace_id}"' in openmetrics(gateway.admin_port))


def test_what_is_not_sampled_is_told_to_the_backend_and_costs_no_span(
    start_gateway: Start, backend: Scripted, collector: Collector
) -> None:
    """A trace that begins here has a parent that nobody records; one that came unsampled passes as it is."""
    gateway = start_gateway(configure(backend, collector.url, "0%"))
    gateway.get("/a")
    began = sent_on(backend)
    gateway.get("/b", {"traceparent": f"00-{TRACE}-{SPAN}-00"})
    passed = sent_on(backend)
    gateway.get("/c", {"traceparent": f"00-{TRACE}-{SPAN}-01"})
    collector.wait_for(2)

    assert began.startswith("00-")
    assert began.endswith("-00")
    assert passed == f"00-{TRACE}-{SPAN}-00"
    assert {each.attributes.get("url.path", "/c") for each in collector.spans} == {"/c"}


def test_without_tracing_a_traceparent_passes_as_it_came(start_gateway: Start, backend: Scripted) -> None:
    """Even one that is not valid: it is none of our business."""
    gateway = start_gateway(configure(backend, ""))
    for came in (f"00-{TRACE}-{SPAN}-01", "nonsense"):
        gateway.get("/a", {"traceparent": came})
        assert sent_on(backend) == came
    gateway.get("/a")
    assert sent_on(backend) == ""


def test_a_failure_is_marked_in_its_spans(start_gateway: Start, backend: Scripted, collector: Collector) -> None:
    """With the kind of error that the metrics count."""
    gateway = start_gateway(configure(backend, collector.url))
    assert gateway.get("/garbage")[0] == 502

    spans = {each.span.kind: each for each in collector.wait_for(2)}
    assert [spans[kind].span.status.code for kind in (2, 3)] == [2, 2]
    assert spans[3].attributes["error.type"] == "protocol"
    assert spans[2].attributes["http.response.status_code"] == 502
    assert "http.response.status_code" not in spans[3].attributes


def test_a_collector_that_is_away_costs_spans_and_nothing_else(start_gateway: Start, backend: Scripted) -> None:
    """They are counted; requests go on, and so do spans once a reload names one that is there."""
    gateway = start_gateway(configure(backend, "http://127.0.0.1:9"))
    for _ in range(20):
        assert gateway.get("/a")[0] == 200
    with collect() as collector:
        gateway.edit(configure(backend, collector.url))
        gateway.wait_until(lambda: [gateway.get("/b"), collector.spans][1])

        assert any(each.attributes.get("url.path") == "/b" for each in collector.wait_for(2))


def openmetrics(port: int) -> str:
    """What Prometheus reads."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()
