"""Time-outs expire once, when they are due, however often they were moved."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.wheel import TICK_SECONDS, Timed, TimerWheel


class Expiring(Timed):
    """Remembers when it expired."""

    def __init__(self, wheel: TimerWheel) -> None:
        super().__init__(wheel)
        self.expired_at: list[float] = []

    def on_deadline(self) -> None:
        self.expired_at.append(self.wheel.now)


def run(scenario: list[tuple[float, float | None]]) -> tuple[list[float], list[float]]:
    """Each step is (seconds to wait, seconds to arm then, or None to disarm): the deadlines due, and the expiries."""

    async def play() -> tuple[list[float], list[float]]:
        wheel = TimerWheel(asyncio.get_running_loop())
        wheel.stop()
        timed = Expiring(wheel)
        due: float | None = None
        wanted: list[float] = []
        for wait, seconds in [*scenario, (1000.0, None)]:
            end = wheel.now + wait
            while wheel.now < end:
                wheel.turn(min(end, wheel.now + TICK_SECONDS))
            if due is not None and due + 4 * TICK_SECONDS < end:
                wanted.append(due)
                due = None
            if len(timed.expired_at) > len(wanted):
                wanted.append(due or 0)
                due = None
            if seconds is None:
                timed.disarm()
                due = None
            else:
                timed.arm(seconds)
                due = timed.deadline
        return wanted, timed.expired_at

    return asyncio.run(play())


@given(st.lists(st.tuples(st.floats(0, 5), st.none() | st.floats(0.1, 5)), max_size=8))
def test_a_deadline_expires_once_and_not_early(scenario: list[tuple[float, float | None]]) -> None:
    """Not before its time, not more than a few ticks after it, and not when it was moved or taken off."""
    wanted, expired = run(scenario)

    assert len(wanted) == len(expired)
    for due, at in zip(wanted, expired, strict=True):
        assert due <= at <= due + 4 * TICK_SECONDS


async def test_a_deadline_that_moves_with_every_request_is_queued_once() -> None:
    """A busy connection must not fill the wheel with entries."""
    wheel = TimerWheel(asyncio.get_running_loop())
    wheel.stop()
    timed = Expiring(wheel)

    for _ in range(1000):
        timed.arm(75)
        timed.disarm()
        timed.arm(75)

    assert sum(len(slot) for slot in wheel._slots.values()) == 1


async def test_who_leaves_is_held_no_longer() -> None:
    """Whatever it was armed for before, in whatever order."""
    wheel = TimerWheel(asyncio.get_running_loop())
    wheel.stop()
    timed = Expiring(wheel)

    for seconds in (75, 2, 300, 1):
        timed.arm(seconds)
    timed.leave()
    wheel.turn(wheel.now + 1000)

    assert not any(wheel._slots.values())
    assert timed.expired_at == []
