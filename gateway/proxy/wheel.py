"""One coarse timer for all time-outs of a worker.

A timer per request would cost more than the request. Here a time-out is an attribute: whoever waits sets ``deadline``,
and the wheel looks at it when the slot comes up in which it was last due. A deadline that moved into the future in the
meantime, as an idle connection's does with every request, costs nothing but that look.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

# Time-outs may be late by this much. The shortest that anybody configures is some hundred milliseconds.
TICK_SECONDS: Final = 0.05

# A look that comes this much after the deadline is early enough; a deadline's own slot ends up to two ticks after it.
_SLACK_SECONDS: Final = 2 * TICK_SECONDS

NEVER: Final = float("inf")


class Timed:
    """Something with a deadline.

    After `arm`, `on_deadline` is called once the time has passed without another `arm`.
    """

    __slots__ = ("check_at", "deadline", "wheel")

    def __init__(self, wheel: TimerWheel) -> None:
        self.wheel = wheel
        self.deadline = NEVER
        self.check_at = NEVER
        """When the wheel will look at ``deadline`` next."""

    def arm(self, seconds: float) -> None:
        """Expire ``seconds`` from now, instead of when it was due before."""
        self.deadline = deadline = self.wheel.now + seconds
        if deadline < self.check_at - _SLACK_SECONDS:
            self.wheel.add(self, deadline)

    def disarm(self) -> None:
        """Never expire."""
        self.deadline = NEVER

    def leave(self) -> None:
        """Never expire, and be held by the wheel no longer: thousands of lost connections a second would pile up."""
        self.deadline = NEVER
        self.wheel.remove(self)

    @abstractmethod
    def on_deadline(self) -> None:
        """The time has passed. The deadline is off by now."""


class TimerWheel:
    """Slots of `TICK_SECONDS`, each with what is to be looked at then; nothing is in two of them.

    ``now`` is the time of the last tick.
    """

    __slots__ = ("_handle", "_loop", "_slots", "_turned", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, dict[Timed, None]] = {}
        self.now = loop.time()
        self._turned = int(self.now / TICK_SECONDS)
        self._handle = loop.call_later(TICK_SECONDS, self._tick)

    def add(self, timed: Timed, deadline: float) -> None:
        """Look at ``timed`` when ``deadline`` has passed."""
        self.remove(timed)
        slot = max(int(deadline / TICK_SECONDS), self._turned) + 1
        timed.check_at = slot * TICK_SECONDS
        self._slots.setdefault(slot, {})[timed] = None

    def remove(self, timed: Timed) -> None:
        """Look at ``timed`` no more."""
        if timed.check_at != NEVER:
            waiting = self._slots.get(round(timed.check_at / TICK_SECONDS))
            if waiting is not None:
                waiting.pop(timed, None)
            timed.check_at = NEVER

    def stop(self) -> None:
        """Expire nothing any more."""
        self._handle.cancel()

    def _tick(self) -> None:
        self._handle = self._loop.call_later(TICK_SECONDS, self._tick)
        self.turn(self._loop.time())

    def turn(self, now: float) -> None:
        """Expire what is due at ``now``."""
        self.now = now
        target = int(now / TICK_SECONDS)
        while self._turned < target:
            self._turned += 1
            for timed in self._slots.pop(self._turned, ()):
                self._look_at(timed, self._turned * TICK_SECONDS)

    def _look_at(self, timed: Timed, check_at: float) -> None:
        if timed.check_at != check_at:
            return  # it was moved while others of its slot were looked at
        timed.check_at = NEVER
        if timed.deadline <= self.now:
            timed.deadline = NEVER
            timed.on_deadline()
        elif timed.deadline != NEVER:
            self.add(timed, timed.deadline)
