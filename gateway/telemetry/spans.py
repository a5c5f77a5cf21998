"""Spans of the requests that workers traced, made with OpenTelemetry's SDK and exported by OTLP over HTTP.

Each request becomes two spans, by the semantic conventions for HTTP: one of kind server for the request that came, and
below it one of kind client for the request that was sent on. Their IDs were chosen when the request was sent on, since
the backend has the client span's as its parent. Exporting happens on a thread of the SDK's; a collector that is slow or
away costs spans, which are counted, and nothing else.

To be imported when tracing is on, and only then: the SDK takes a third of a second and 15 MiB.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from gateway import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.util.types import AttributeValue

    from gateway.core.trace_context import TracedRequest

QUEUE_SPANS: Final = 4096
"""So many may wait for the collector; what comes on top is lost, and counted."""

GATHER_SECONDS: Final = 1.0
"""How long a span waits for others: a person who has just sent a request looks for its trace."""

EXPORT_SECONDS: Final = 5.0
"""How long one attempt to export may take."""

SILENCE_SECONDS: Final = 60.0
"""After a word about lost spans; a collector that is away must not fill the log."""

METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""Those that the conventions know; any other is ``_OTHER``."""

_SPANS_OF_A_REQUEST: Final = 2
_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500

log = structlog.get_logger()


class Spans:
    """Exports to ``endpoint``, an OTLP/HTTP address for traces."""

    def __init__(self, endpoint: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it would repeat, we say once
        self.endpoint = endpoint
        self._ids = _GivenIds()
        self._exporter = _CountingExporter(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS))
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": "crossfade", "service.version": __version__}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        processor = BatchSpanProcessor(self._exporter, QUEUE_SPANS, schedule_delay_millis=GATHER_SECONDS * 1000)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("crossfade", __version__)
        self._made = 0
        self._refused = 0

    @property
    def dropped(self) -> int:
        """Spans that were lost: there was no room for them, or the collector did not take them."""
        return self._refused + self._exporter.failed

    def record(self, request: TracedRequest) -> None:
        """Make the spans of a request that is over. Never blocks."""
        if self._made - self._exporter.done > QUEUE_SPANS - _SPANS_OF_A_REQUEST:
            self._refused += _SPANS_OF_A_REQUEST
            return
        name = _method_of(request)
        self._ids.give(request.trace_id, request.span_id)
        server = self._tracer.start_span(
            f"{name} {request.template}",
            _parent_of(request),
            SpanKind.SERVER,
            _server_attributes(request),
            start_time=_nanoseconds(request.started_at),
        )
        if request.sent_at:
            self._record_client(request, server, name)
        if request.status >= _FIRST_SERVER_ERROR:
            server.set_status(Status(StatusCode.ERROR))
        server.end(_nanoseconds(request.ended_at))
        self._made += _SPANS_OF_A_REQUEST if request.sent_at else 1

    def _record_client(self, request: TracedRequest, server: Span, name: str) -> None:
        self._ids.give(request.trace_id, request.sent_id)
        client = self._tracer.start_span(
            name,
            set_span_in_context(server, Context()),
            SpanKind.CLIENT,
            _client_attributes(request),
            start_time=_nanoseconds(request.sent_at),
        )
        if request.error or request.status >= _FIRST_CLIENT_ERROR:
            client.set_status(Status(StatusCode.ERROR))
        client.end(_nanoseconds(request.header_at or request.ended_at))

    def close(self) -> None:
        """Export what waits, and end. Blocks for as long as the collector takes: for a thread, not for a loop."""
        self._provider.shutdown()


class _GivenIds(IdGenerator):
    """Gives the IDs that a request has had since it was sent on."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def give(self, trace_id: str, span_id: str) -> None:
        """What the next span is to have."""
        self._trace_id, self._span_id = int(trace_id, 16), int(span_id, 16)

    def generate_trace_id(self) -> int:
        """Called by the SDK."""
        return self._trace_id

    def generate_span_id(self) -> int:
        """Called by the SDK."""
        return self._span_id


class _CountingExporter(SpanExporter):
    """Counts what became of the spans, and says at most once a minute that some were lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.done = 0
        """Exported or lost."""
        self.failed = 0
        self._exporter = exporter
        self._silent_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK, on its thread."""
        try:
            result = self._exporter.export(spans)
        finally:
            self.done += len(spans)
        if result is not SpanExportResult.SUCCESS:
            self.failed += len(spans)
            self._complain()
        return result

    def _complain(self) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + SILENCE_SECONDS
            log.warning("spans_lost", reason="the collector does not take them", so_far=self.failed)

    def shutdown(self) -> None:
        """Called by the SDK."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Called by the SDK."""
        return self._exporter.force_flush(timeout_millis)


def _parent_of(request: TracedRequest) -> Context:
    """The caller's span, or none."""
    if request.parent_id is None:
        return Context()
    parent = SpanContext(
        int(request.trace_id, 16),
        int(request.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _server_attributes(request: TracedRequest) -> dict[str, AttributeValue]:
    host, port = _split_authority(request.host, request.scheme)
    attributes = _common_attributes(request) | {
        "http.route": request.template,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "client.address": request.client,
        "network.protocol.version": "1.1" if request.is_http11 else "1.0",
        "crossfade.route": request.route,
        "crossfade.arm": request.arm,
        "crossfade.reason": request.reason,
        "crossfade.request_id": request.request_id,
    }
    if host:
        attributes |= {"server.address": host, "server.port": port}
    return attributes


def _client_attributes(request: TracedRequest) -> dict[str, AttributeValue]:
    attributes = _common_attributes(request) | {
        "url.full": request.endpoint + request.path,
        "network.protocol.version": "1.1",
        "crossfade.backend": request.backend,
    }
    host, port = _split_authority(urlsplit(request.endpoint).netloc, urlsplit(request.endpoint).scheme)
    if host:
        attributes |= {"server.address": host, "server.port": port}
    return attributes


def _common_attributes(request: TracedRequest) -> dict[str, AttributeValue]:
    method = _method_of(request)
    attributes: dict[str, AttributeValue] = {"http.request.method": "_OTHER" if method == "HTTP" else method}
    if method == "HTTP":
        attributes["http.request.method_original"] = request.method
    attributes["http.response.status_code"] = request.status
    if request.error or request.status >= _FIRST_SERVER_ERROR:
        attributes["error.type"] = request.error or str(request.status)
    return attributes


def _method_of(request: TracedRequest) -> str:
    """As spans are named: the method, or ``HTTP`` for one that the conventions do not know."""
    return request.method if request.method in METHODS else "HTTP"


def _split_authority(authority: str, scheme: str) -> tuple[str, int]:
    """Host and port; the scheme's port where none is said, nothing for what is none."""
    try:
        parts = urlsplit(f"//{authority}")
        port = parts.port
    except ValueError:
        return "", 0
    return parts.hostname or "", port or (443 if scheme == "https" else 80)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
