from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.backends import Backend


@pytest.mark.parametrize(
    "written", ["http://a:1", ["http://a:1"], {"endpoints": "http://a:1"}, {"endpoints": ["http://a:1"]}]
)
def test_a_backend_has_four_forms(written: object) -> None:
    """A URL, a list of URLs, and the mapping with either: the same backend."""
    assert Backend.model_validate(written) == Backend.model_validate({"endpoints": ["http://a:1"]})


def test_health_is_off_until_written() -> None:
    """An empty mapping turns it on with all defaults; passive health is always on."""
    quiet, checked = Backend.model_validate("http://a"), Backend.model_validate({"endpoints": "http://a", "health": {}})

    assert quiet.health is None
    assert checked.health is not None
    assert (checked.health.path, checked.health.interval, checked.health.timeout) == ("/healthz", 5, 2)
    assert (quiet.eject.consecutive_failures, quiet.eject.rest) == (5, 30)


@pytest.mark.parametrize("path", ["healthz", "/a b", "/ä", "/a#b", "", "/a\r\nX: y"])
def test_a_health_path_is_a_request_target(path: str) -> None:
    """It is sent as it is written, so it must be fit to be sent."""
    with pytest.raises(ValidationError):
        Backend.model_validate({"endpoints": "http://a", "health": {"path": path}})


def test_the_same_endpoint_twice_is_refused() -> None:
    """Also when only a slash tells them apart."""
    with pytest.raises(ValidationError, match="twice"):
        Backend.model_validate(["http://a", "http://a/"])
