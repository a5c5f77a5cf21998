"""About how many users a rollout had in the last hour."""

from __future__ import annotations

from gateway.control.crowds import SLICE_SECONDS, WINDOW_SECONDS, Crowds


class Clock:
    """Seconds, as the test has it."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def test_users_of_all_workers_are_told_apart_from_each_other() -> None:
    """The same one at two workers is one."""
    crowds = Crowds(Clock())
    crowds.take({"shop": (1.0, 2.0, 3.0), "cart": (9.0,)})
    crowds.take({"shop": (3.0, 4.0)})
    assert (crowds.users("shop"), crowds.users("cart"), crowds.users("none")) == (4, 1, None)


def test_who_has_not_come_back_within_the_hour_is_forgotten() -> None:
    """And who came in between is not."""
    clock = Clock()
    crowds = Crowds(clock)
    crowds.take({"shop": (1.0, 2.0)})
    clock.seconds += WINDOW_SECONDS / 2
    crowds.take({"shop": (2.0, 3.0)})
    assert crowds.users("shop") == 3
    clock.seconds += WINDOW_SECONDS / 2 + SLICE_SECONDS
    assert crowds.users("shop") == 2
    clock.seconds += WINDOW_SECONDS
    assert crowds.users("shop") == 0


def test_rollouts_that_are_gone_are_forgotten() -> None:
    """Memory is for what there is."""
    crowds = Crowds(Clock())
    crowds.take({"shop": (1.0,), "cart": (9.0,)})
    crowds.keep({"cart"})
    assert (crowds.users("shop"), crowds.users("cart")) == (None, 1)
