"""The clock of the figures: it never goes back, whatever somebody does to the time of day.

A time of day that is set back would hide what was just counted until it has caught up, from the API and from whoever
looks back; one that is set forward would age it. So the gateway looks at it once, when it begins, and from then on adds
what passes on CLOCK_MONOTONIC, which all processes of a machine share. Such times of things differ from the time of day
by as much as that was set since.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SteadyClock:
    """See the module."""

    origin: float
    """What the time of day was when the monotonic clock stood at zero, in seconds since the epoch."""
    monotonic: Callable[[], float] = time.monotonic

    @classmethod
    def set_by(cls, wall: Callable[[], float], monotonic: Callable[[], float] = time.monotonic) -> SteadyClock:
        """One that agrees with ``wall`` now."""
        return cls(wall() - monotonic(), monotonic)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.origin + self.monotonic()
