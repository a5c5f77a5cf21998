"""Spans of the requests that workers traced, made with OpenTelemetry's SDK and exported by OTLP over HTTP.

Each request becomes two spans, by the semantic conventions for HTTP: one of kind server for the request that came, and
below it one of kind client for the request that was sent on. They are over when they are made, and their IDs were
chosen when the request was sent on, since the backend has the client span's as its parent: so they are made as the
SDK's `ReadableSpan`, and handed to its processor, as a tracer would with a span that ends. Exporting happens on a
thread of the SDK's; a collector that is slow or away costs spans, which are counted, and nothing else.

To be imported when tracing is on, and only then: the SDK takes a third of a second and 15 MiB.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

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

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status(StatusCode.UNSET)
_FAILED: Final = Status(StatusCode.ERROR)

_SPANS_OF_A_REQUEST: Final = 2
_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500

log = structlog.get_logger()


class Spans:
    """Exports to ``endpoint``, an OTLP/HTTP address for traces."""

    def __init__(self, endpoint: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it would repeat, we say once
        self.endpoint = endpoint
        self._exporter = _CountingExporter(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS))
        self._processor = BatchSpanProcessor(self._exporter, QUEUE_SPANS, schedule_delay_millis=GATHER_SECONDS * 1000)
        self._resource = Resource.create({"service.name": "crossfade", "service.version": __version__})
        self._scope = InstrumentationScope("crossfade", __version__)
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
        server = SpanContext(int(request.trace_id, 16), int(request.span_id, 16), is_remote=False, trace_flags=_SAMPLED)
        self._end(_server_span(request, server, self._resource, self._scope))
        if request.sent_at:
            self._end(_client_span(request, server, self._resource, self._scope))

    def _end(self, span: ReadableSpan) -> None:
        self._made += 1
        self._processor.on_end(span)

    def close(self) -> None:
        """Export what waits, and end. Blocks for as long as the collector takes: for a thread, not for a loop."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]


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


def _server_span(
    request: TracedRequest, context: SpanContext, resource: Resource, scope: InstrumentationScope
) -> ReadableSpan:
    return ReadableSpan(
        name=f"{_method_of(request)} {request.template}",
        context=context,
        parent=_parent_of(request),
        resource=resource,
        attributes=_server_attributes(request),
        kind=SpanKind.SERVER,
        status=_FAILED if _has_failed(request) else _UNSET,
        start_time=_nanoseconds(request.started_at),
        end_time=_nanoseconds(request.ended_at),
        instrumentation_scope=scope,
    )


def _client_span(
    request: TracedRequest, parent: SpanContext, resource: Resource, scope: InstrumentationScope
) -> ReadableSpan:
    has_failed = request.error or request.status >= _FIRST_CLIENT_ERROR
    return ReadableSpan(
        name=_method_of(request),
        context=SpanContext(parent.trace_id, int(request.sent_id, 16), is_remote=False, trace_flags=_SAMPLED),
        parent=parent,
        resource=resource,
        attributes=_client_attributes(request),
        kind=SpanKind.CLIENT,
        status=_FAILED if has_failed else _UNSET,
        start_time=_nanoseconds(request.sent_at),
        end_time=_nanoseconds(request.header_at or request.ended_at),
        instrumentation_scope=scope,
    )


def _parent_of(request: TracedRequest) -> SpanContext | None:
    """The caller's span, or none."""
    if request.parent_id is None:
        return None
    return SpanContext(int(request.trace_id, 16), int(request.parent_id, 16), is_remote=True, trace_flags=_SAMPLED)


def _has_failed(request: TracedRequest) -> bool:
    """Whether it is our side's fault that the answer is an error, or was cut."""
    if request.status >= _FIRST_CLIENT_ERROR:
        return request.status >= _FIRST_SERVER_ERROR
    return request.error not in {"", "client_gone"}


def _server_attributes(request: TracedRequest) -> dict[str, AttributeValue]:
    return {
        **_common_attributes(request, _FIRST_SERVER_ERROR),
        **_address_of(f"{request.scheme}://{request.host}"),
        "http.response.status_code": request.status,
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


def _client_attributes(request: TracedRequest) -> dict[str, AttributeValue]:
    attributes = {
        **_common_attributes(request, _FIRST_CLIENT_ERROR),
        **_address_of(request.asked),
        "url.full": request.asked,
        "crossfade.backend": request.backend,
    }
    if request.header_at:  # else the status is our own, and not one that the backend answered
        attributes["http.response.status_code"] = request.status
    return attributes


def _common_attributes(request: TracedRequest, first_error: int) -> dict[str, AttributeValue]:
    """A status counts as an error from ``first_error`` on."""
    method = _method_of(request)
    attributes: dict[str, AttributeValue] = {"http.request.method": "_OTHER" if method == "HTTP" else method}
    if method == "HTTP":
        attributes["http.request.method_original"] = request.method
    if request.error or request.status >= first_error:
        attributes["error.type"] = request.error or str(request.status)
    return attributes


def _method_of(request: TracedRequest) -> str:
    """As spans are named: the method, or ``HTTP`` for one that the conventions do not know."""
    return request.method if request.method in METHODS else "HTTP"


def _address_of(url: str) -> dict[str, AttributeValue]:
    """Host and port; the scheme's port where none is said, nothing for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return {}
    if not parts.hostname:
        return {}
    return {"server.address": parts.hostname, "server.port": port or (443 if parts.scheme == "https" else 80)}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
