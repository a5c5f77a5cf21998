"""What comparing has found arrives as it was sent."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.tallies import FieldTally, PathTally, Sample

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
samples = st.builds(Sample, st.text(max_size=5), st.floats(0, 2e9), values, values)
fields = st.builds(
    FieldTally,
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.floats(0, 2e9),
    st.floats(0, 2e9),
    st.lists(samples, max_size=2),
)
tallies = st.builds(
    PathTally,
    st.text(max_size=5),
    st.text(max_size=5),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.dictionaries(st.tuples(st.text(max_size=5), st.sampled_from(["value", "order"])), fields, max_size=2),
)


@given(tallies)
def test_tallies_arrive_as_they_were_sent(sent: PathTally) -> None:
    """Between processes, and from the store: samples of any values that JSON has, by field and kind."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=PathTally) == sent


def test_tallies_share_nothing() -> None:
    """Two that begin empty are counted apart."""
    one, other = PathTally("shop", "/a"), PathTally("shop", "/a")
    one.fields["$.total", "value"] = FieldTally(count=1)
    one.fields["$.total", "value"].samples.append(Sample("id", 1.0, 1, 2))

    assert other == PathTally("shop", "/a")
    assert FieldTally().samples == []
