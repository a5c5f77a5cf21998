"""Which requests are copied is decided by their ID alone, and what is exchanged arrives as it was sent."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shadowing import SAFE_METHODS, Pair, Reply, has_twin, is_sampled

IDS = [b"%032x" % (number * 0x9E3779B97F4A7C15) for number in range(20_000)]

replies = st.builds(Reply, st.integers(100, 599), st.binary(max_size=20), st.binary(max_size=20))
pairs = st.builds(
    Pair,
    route=st.text(max_size=5),
    path=st.text(max_size=5),
    method=st.sampled_from(["GET", "POST"]),
    request_id=st.text(max_size=5),
    time=st.floats(0, 2e9),
    baseline=replies,
    other=replies,
    is_twin=st.booleans(),
)


@given(st.binary(min_size=1, max_size=40))
def test_nothing_and_everything_are_exact(request_id: bytes) -> None:
    """0 % copies nobody, 100 % everybody: no hash falls between."""
    assert not is_sampled(request_id, 0.0)
    assert not has_twin(request_id, 0.0)
    assert is_sampled(request_id, 100.0)
    assert has_twin(request_id, 100.0)


@given(st.binary(min_size=1, max_size=40), st.floats(0, 100), st.floats(0, 100))
def test_who_is_copied_stays_so_when_the_share_grows(request_id: bytes, one: float, other: float) -> None:
    """As with the split: a larger share adds requests, and takes none away."""
    assert is_sampled(request_id, min(one, other)) <= is_sampled(request_id, max(one, other))


@pytest.mark.parametrize("percent", [1.0, 10.0, 50.0])
def test_as_many_are_copied_as_was_asked_for(percent: float) -> None:
    """Of twenty thousand, within four standard deviations."""
    spread = (len(IDS) * percent / 100 * (1 - percent / 100)) ** 0.5

    assert abs(sum(is_sampled(each, percent) for each in IDS) - len(IDS) * percent / 100) < 4 * spread
    assert abs(sum(has_twin(each, percent) for each in IDS) - len(IDS) * percent / 100) < 4 * spread


def test_who_goes_to_the_baseline_twice_does_not_depend_on_who_is_copied() -> None:
    """Else 10 % of 10 % would be all of them, or none."""
    copied = [each for each in IDS if is_sampled(each, 10.0)]

    assert 0.07 < sum(has_twin(each, 10.0) for each in copied) / len(copied) < 0.13


def test_the_sample_is_the_same_in_every_process_and_version() -> None:
    """Workers ask one by one; a few IDs with the place that they have always had."""
    places = {b"a": 64, b"0123456789abcdef0123456789abcdef": 56}

    assert {each: _place(each) for each in places} == places


@given(pairs)
def test_a_pair_arrives_as_it_was_sent(pair: Pair) -> None:
    """Bodies and heads are bytes, whatever is in them."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(pair), type=Pair) == pair


def test_a_method_that_is_not_known_is_a_write() -> None:
    """Better in order, and at both arms, than lost."""
    assert {"GET", "HEAD", "OPTIONS", "TRACE"} == SAFE_METHODS


def _place(request_id: bytes) -> int:
    """The whole percentage at which it begins to be copied."""
    return next(percent for percent in range(101) if is_sampled(request_id, float(percent)))
