"""Noise is what the baseline does to itself; a candidate is blamed for more than that, and only when it is sure."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.evidence import Counts
from gateway.core.noise import TWINS_NEEDED, exceeds, is_noise, is_noisy, mirror
from gateway.core.tallies import FieldTally, PathTally

TIME = ("$.time", "value")


def path_of(count: int, compared: int, noisy: int, twins: int, key: tuple[str, str] = TIME) -> PathTally:
    """A path with one field that differs."""
    return PathTally("orders", "/orders", compared, twins, {key: FieldTally(count=count, noisy=noisy)})


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """Any number of trials, and no more hits than that."""
    trials = draw(st.integers(0, 5_000))
    return Counts(draw(st.integers(0, trials)), trials)


@given(counts(), st.integers(0, 1_000))
def test_a_field_in_which_no_twin_differed_is_never_noise(seen: Counts, twins: int) -> None:
    """A quiet field counts from the first difference on, whatever is known."""
    assert not is_noise(path_of(int(seen.hits), int(seen.trials), 0, twins), *TIME)


@given(counts(), counts())
def test_more_differences_never_turn_what_counts_into_noise(candidate: Counts, noise: Counts) -> None:
    """Evidence against the candidate only grows with each difference it has."""
    more = Counts(min(candidate.hits + 1, candidate.trials), candidate.trials)

    assert exceeds(more, noise) or not exceeds(candidate, noise)


@given(counts())
def test_a_candidate_that_differs_no_more_often_is_never_blamed(noise: Counts) -> None:
    """The same rate, or a lower one, is no evidence at all: also not where everything differs every time."""
    assert not exceeds(noise, noise)
    assert not exceeds(Counts(noise.hits // 2, noise.trials), noise)


@given(st.integers(1, 100_000), st.integers(1, 10_000))
def test_what_always_differs_is_noise_for_ever(compared: int, twins: int) -> None:
    """A time stamp differs in every pair and in every twin: nothing more can be told of it."""
    assert is_noise(path_of(compared, compared, twins, twins), *TIME)


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.9])
def test_equal_rates_do_not_count_in_any_of_twenty_sequences(rate: float) -> None:
    """Whoever looks again and again at a candidate that is as noisy as the baseline sees noise each time."""
    for seed in range(20):
        dice = Random(seed)
        count = noisy = twins = 0
        for compared in range(1, 2_001):
            count += dice.random() < rate
            if dice.random() < 0.1:
                twins, noisy = twins + 1, noisy + (dice.random() < rate)
            if compared % 50 == 0:
                assert not exceeds(Counts(count, compared), Counts(noisy, twins)), (seed, compared)


@pytest.mark.parametrize(
    ("noise", "rate", "most"), [(0.05, 0.5, 400), (0.5, 1.0, 600), (0.01, 0.1, 3_000), (0.2, 0.3, 20_000)]
)
def test_a_candidate_that_differs_more_often_counts_after_a_while(noise: float, rate: float, most: int) -> None:
    """A bug in a noisy field is found by its rate; the clearer it stands out, the sooner."""
    compared = 20
    # One copy in ten has a twin.
    while not exceeds(Counts(round(rate * compared), compared), Counts(round(noise * compared / 10), compared // 10)):
        compared += 20

    assert compared <= most


def test_a_kind_is_no_excuse_for_another() -> None:
    """A time stamp's value moves; that it became a number is a mismatch at once."""
    path = path_of(9, 9, 9, 9)
    path.fields["$.time", "type"] = FieldTally(count=1)

    assert is_noise(path, *TIME)
    assert not is_noise(path, "$.time", "type")


def test_a_member_that_comes_and_goes_is_noisy_in_both_directions() -> None:
    """Which of two baseline answers lacks it is chance, so one that was missing makes one too many noisy as well."""
    path = path_of(1, 20, 1, 20, ("$.hint", "missing"))
    path.fields["$.hint", "extra"] = FieldTally(count=1)

    assert is_noisy(path, "$.hint", "extra")
    assert is_noise(path, "$.hint", "extra")
    assert mirror("value") is None


def test_a_member_that_is_always_too_many_counts_although_it_was_missing_once() -> None:
    """The rates of both directions stay apart: in no twin was it too many, with the candidate always."""
    path = path_of(0, 500, 1, 50, ("$.hint", "missing"))
    path.fields["$.hint", "extra"] = FieldTally(count=500)

    assert not is_noise(path, "$.hint", "extra")


def test_an_unknown_field_is_quiet() -> None:
    """What has never differed has no tally, and is not noise."""
    assert not is_noise(PathTally("orders", "/orders"), *TIME)


def test_what_differs_in_three_of_ten_answers_is_noticed_among_the_first() -> None:
    """The chance that it is taken for quiet after `TWINS_NEEDED` is one in a thousand."""
    assert 0.7**TWINS_NEEDED < 0.001
