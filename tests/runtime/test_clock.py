"""A clock that begins with the time of day, and does not follow it where it jumps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.clock import SteadyClock

EPOCH = st.floats(0, 4e9)
SECONDS = st.floats(0, 1e8)


@given(wall=EPOCH, before=SECONDS, passed=SECONDS)
def test_it_goes_as_the_monotonic_clock_goes(wall: float, before: float, passed: float) -> None:
    """Right at first, and later by as much as has passed."""
    moments = iter([before, before, before + passed])
    clock = SteadyClock.set_by(lambda: wall, lambda: next(moments))

    assert clock.now() == pytest.approx(wall, abs=1e-5)
    assert clock.now() == pytest.approx(wall + passed, abs=1e-5)
