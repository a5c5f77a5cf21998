"""About how many users a rollout had in the last hour."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.control.crowds import SLICE_SECONDS, WINDOW_SECONDS, Crowds
from gateway.core.types import Hash
from tests.core.lives import fixed

SHOP = fixed()
CART = replace(SHOP, name="cart")


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
    crowds.adopt([SHOP, CART])
    crowds.take({"shop": (1.0,), "cart": (9.0,)})
    crowds.adopt([CART])
    assert (crowds.users("shop"), crowds.users("cart")) == (None, 1)


@pytest.mark.parametrize("change", [{"salt": "other"}, {"hash": Hash.MD5_MOD100}, {"key": ()}])
def test_the_same_users_on_another_scale_are_not_counted_twice(change: dict[str, Any]) -> None:
    """After a reload that gives them other places they are counted anew, and it is told since when; a new share is no
    such reload.
    """
    clock = Clock()
    crowds = Crowds(clock)
    crowds.adopt([SHOP])
    clock.seconds += 2 * WINDOW_SECONDS
    crowds.take({"shop": (1.0, 2.0)})
    crowds.adopt([replace(SHOP, percent=50.0)])
    assert (crowds.users("shop"), crowds.window_seconds("shop")) == (2, WINDOW_SECONDS)
    crowds.adopt([replace(SHOP, **change)])
    clock.seconds += 60
    crowds.take({"shop": (3.0, 4.0)})
    assert (crowds.users("shop"), crowds.window_seconds("shop")) == (2, 60)


def test_nobody_has_looked_back_further_than_to_the_beginning() -> None:
    """A controller that began a minute ago knows of a minute."""
    clock = Clock()
    crowds = Crowds(clock)
    clock.seconds += 60
    assert crowds.window_seconds("shop") == 60
