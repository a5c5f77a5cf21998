"""How long a dead child is missed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.backoff import LONGEST_SECONDS, STEADY_SECONDS, Backoff


def test_the_first_restart_is_immediate() -> None:
    """A worker that was killed is back at once."""
    assert Backoff().wait_seconds(lived_seconds=0.1) == 0


def test_dying_again_and_again_waits_twice_as_long_each_time() -> None:
    """A fault at start does not eat the machine."""
    backoff = Backoff()

    assert [backoff.wait_seconds(0.1) for _ in range(5)] == [0, 0.25, 0.5, 1, 2]


def test_the_wait_stays_bounded() -> None:
    """When the cause is mended, the gateway is whole again soon."""
    backoff = Backoff()

    assert [backoff.wait_seconds(0.1) for _ in range(20)][-1] == LONGEST_SECONDS


def test_having_lived_for_a_while_wipes_the_slate() -> None:
    """Two deaths on different days have nothing to do with each other."""
    backoff = Backoff()
    for _ in range(5):
        backoff.wait_seconds(0.1)

    assert backoff.wait_seconds(STEADY_SECONDS) == 0


@given(st.lists(st.floats(min_value=0, max_value=100)))
def test_a_wait_is_never_negative_nor_over_the_longest(lives: list[float]) -> None:
    """Whatever lives came before."""
    backoff = Backoff()

    assert all(0 <= backoff.wait_seconds(lived) <= LONGEST_SECONDS for lived in lives)
