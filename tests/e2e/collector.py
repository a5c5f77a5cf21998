"""A real receiver of OTLP over HTTP: it decodes what it gets with OpenTelemetry's own schema."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_SECONDS = 45.0


@dataclass
class Received:
    """One span, as it came."""

    span: Span
    resource: dict[str, str]

    @property
    def attributes(self) -> dict[str, object]:
        """By name, as Python values."""
        return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in self.span.attributes}

    @property
    def ids(self) -> tuple[str, str, str]:
        """Trace, span and parent, in hexadecimal."""
        return self.span.trace_id.hex(), self.span.span_id.hex(), self.span.parent_span_id.hex()


@dataclass
class Collector:
    """What was received, and where to send it."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)
    status: int = 200
    """What it answers."""
    goes_on: threading.Event = field(default_factory=threading.Event)
    """Not set: it keeps everybody waiting."""

    def __post_init__(self) -> None:
        self.goes_on.set()

    def wait_for(self, number: int) -> list[Received]:
        """The spans, once there are so many."""
        self.wait_until(lambda: len(self.spans) >= number)
        return self.spans

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Return when it holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{len(self.spans)} spans came"
            time.sleep(0.02)

    def take(self, body: bytes) -> None:
        """Decode an export."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [Received(span, about) for scope in resource.scope_spans for span in scope.spans]


@contextmanager
def collect() -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.goes_on.wait(PATIENCE_SECONDS)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and collector.status == 200:
                collector.take(body)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()
