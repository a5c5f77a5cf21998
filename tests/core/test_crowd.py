"""How many users there are, from the smallest places."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.crowd import SCALE, SIZE, Crowd, count_users

places = st.lists(st.floats(0, 99.999), max_size=600)


@given(places)
def test_the_smallest_places_are_kept_and_no_others(seen: list[float]):
    """Each once, however often and in which order they come."""
    crowd = Crowd()
    for place in seen + seen[::-1]:
        crowd.add(place)
    assert crowd.places == sorted(set(seen))[:SIZE]
    assert crowd.edge == (max(crowd.places) if len(set(seen)) > SIZE else SCALE)


@given(st.lists(st.floats(0, 99.999), max_size=SIZE - 1), st.integers(1, 4))
def test_few_users_are_counted_exactly(seen: list[float], parts: int):
    """However they are spread over workers."""
    assert count_users([seen[part::parts] for part in range(parts)]) == len(set(seen))


@given(places, places)
def test_two_crowds_together_are_the_crowd_of_both(some: list[float], others: list[float]):
    """Nobody who was seen by two workers counts twice."""
    crowds = [Crowd(), Crowd(), Crowd()]
    for place in some:
        crowds[0].add(place)
        crowds[2].add(place)
    for place in others:
        crowds[1].add(place)
        crowds[2].add(place)
    assert count_users([crowds[0].places, crowds[1].places]) == count_users([crowds[2].places])


def test_many_users_are_estimated_within_a_quarter():
    """Four times the standard error, at several sizes."""
    dice = random.Random(7)
    for users in (1_000, 20_000, 300_000):
        crowd = Crowd()
        for _ in range(users):
            crowd.add(dice.random() * SCALE)
        assert abs(count_users([crowd.places]) / users - 1) < 0.25
