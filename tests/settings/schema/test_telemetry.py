"""An endpoint is where traces go; what is none is refused with what would be right."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.telemetry import Telemetry


@pytest.mark.parametrize(
    ("otlp", "endpoint"),
    [
        ("", ""),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://host/otlp/traces", "https://host/otlp/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_an_endpoint_without_a_path_gets_the_usual_one(otlp: str, endpoint: str) -> None:
    """As OpenTelemetry's own variables have it."""
    assert Telemetry.model_validate({"otlp": otlp}).traces_endpoint == endpoint


@pytest.mark.parametrize(
    "otlp",
    ["collector:4318", "grpc://collector:4317", "http://", "http://a:0", "http://a:99999", "http://a/?b", "http://u@a"],
)
def test_what_is_no_endpoint_is_refused(otlp: str) -> None:
    """Before the first span is lost."""
    with pytest.raises(ValidationError, match="is not an OTLP/HTTP endpoint; write http://HOST:4318"):
        Telemetry.model_validate({"otlp": otlp})


def test_one_in_a_hundred_is_sampled_when_nothing_is_said() -> None:
    """A share that costs little."""
    assert Telemetry().sample == 1.0
