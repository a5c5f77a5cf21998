"""How long to wait before a dead child is started again.

The first restart is immediate: a worker that was killed should be missed as shortly as possible. One that dies again
and again without having lived for a while waits twice as long each time, so that a fault that kills at start does not
eat the machine. Having lived for `STEADY_SECONDS` wipes the slate clean.
"""

from __future__ import annotations

FIRST_SECONDS = 0.25
"""The first wait after the immediate restart; a second unlucky kill is still mended well within a second."""

LONGEST_SECONDS = 15.0
"""Once what was wrong is mended from outside, the gateway is whole again within this."""

STEADY_SECONDS = 10.0
"""Faults at start show themselves within a second or two; who lives that long did not die of one."""


class Backoff:
    """The waits of one child."""

    def __init__(self) -> None:
        self._next_seconds = 0.0

    def wait_seconds(self, lived_seconds: float) -> float:
        """How long to wait after a life of ``lived_seconds``."""
        if lived_seconds >= STEADY_SECONDS:
            self._next_seconds = 0.0
        wait = self._next_seconds
        self._next_seconds = min(max(wait * 2, FIRST_SECONDS), LONGEST_SECONDS)
        return wait
