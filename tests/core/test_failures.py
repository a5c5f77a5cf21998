"""Failed requests."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.failures import FailedRequest


@given(st.builds(FailedRequest, time=st.floats(allow_nan=False), status=st.integers(100, 599)))
def test_a_failed_request_survives_the_wire(request: FailedRequest) -> None:
    """What a worker notes is what the controller gets."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=FailedRequest) == request
