"""`telemetry`: which requests are traced, and where their spans go."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from gateway.settings.fields import Kind, Percent, Section, text
from gateway.settings.quantities import show

TRACES_PATH = "/v1/traces"
"""Of an OTLP/HTTP receiver, by OpenTelemetry's convention."""


def _check_endpoint(url: str) -> str:
    if url and not _is_endpoint(url):
        raise ValueError(f"{show(url)} is not an OTLP/HTTP endpoint; write http://HOST:4318 or https://HOST/PATH")
    return url


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or parts.username)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and has_port and is_plain


Endpoint = Annotated[
    str, text(_check_endpoint), Kind("URL", {"anyOf": [{"const": ""}, {"type": "string", "pattern": "^https?://"}]})
]


class Telemetry(Section):
    """What is told to OpenTelemetry."""

    otlp: Endpoint = ""
    """An OTLP/HTTP endpoint turns tracing on: `http://collector:4318`. Without a path, `/v1/traces` is added."""
    sample: Percent = 1.0
    """The share of the traces beginning here that are recorded. A caller's `traceparent` decides for itself."""

    @property
    def traces_endpoint(self) -> str:
        """`otlp` with its path; empty for no tracing."""
        return self.otlp.rstrip("/") + TRACES_PATH if self.otlp and urlsplit(self.otlp).path in {"", "/"} else self.otlp
