"""Messages survive any way of cutting the stream, and nonsense is refused."""

from __future__ import annotations

import os
import socket
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.figures import ERROR_KINDS, Answer, Counted, PathFigures, Subject
from gateway.errors import LinkError
from gateway.runtime.link import (
    FRAME_LIMIT_BYTES,
    Applied,
    Counts,
    Frames,
    Hello,
    Message,
    Status,
    Up,
    Waiting,
    check_peer,
    pack,
    peer_credentials,
)

statuses = st.builds(
    Status,
    connections=st.integers(0, 10**6),
    in_flight=st.integers(0, 10**6),
    endpoints=st.dictionaries(st.text(), st.dictionaries(st.text(), st.booleans())),
    backend_connections=st.integers(0, 10**6),
    link_dropped=st.integers(0, 10**6),
    log_dropped=st.integers(0, 10**6),
    traced_dropped=st.integers(0, 10**6),
    journal_dropped=st.integers(0, 10**6),
    journal_bytes=st.dictionaries(st.text(), st.integers(0, 2**40), max_size=2),
)
figures = st.builds(
    PathFigures,
    answers=st.dictionaries(st.builds(Answer, code=st.integers(100, 599)), st.integers(1, 2**40), max_size=2),
    errors=st.dictionaries(st.sampled_from(ERROR_KINDS), st.integers(1, 2**40)),
    client_errors=st.integers(0, 2**40),
    latencies=st.dictionaries(st.integers(0, 1023), st.integers(1, 2**40), max_size=3),
    durations=st.lists(st.integers(0, 2**40), min_size=11, max_size=11),
    exemplars=st.just({}),
)
counted = st.builds(Counted, st.builds(Subject), figures)
messages = st.one_of(
    st.builds(
        Hello,
        slot=st.integers(0, 512),
        pid=st.integers(1, 2**22),
        revision=st.text(max_size=12),
        run=st.integers(0, 2**63 - 1),
    ),
    st.builds(Applied, serial=st.integers(0, 2**63)),
    st.builds(
        Counts,
        sequence=st.integers(1, 2**62),
        counted=st.lists(counted, max_size=2).map(tuple),
        serial=st.integers(0, 2**63),
    ),
    statuses,
    st.builds(Waiting, ages=st.dictionaries(st.builds(Subject), figures.map(lambda each: each.latencies), max_size=3)),
)


@given(sent=st.lists(messages, max_size=5), size=st.integers(min_value=1, max_value=50))
def test_messages_arrive_however_the_stream_is_cut(sent: list[Message], size: int) -> None:
    """The same messages in the same order, for every size of the pieces."""
    stream = b"".join(map(pack, sent))
    frames, decoder = Frames(), msgspec.msgpack.Decoder(Up)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    received = [decoder.decode(payload) for piece in pieces for payload in frames.feed(piece)]

    assert received == sent
    assert not frames.is_torn


def test_a_stream_that_stops_inside_a_message_is_torn() -> None:
    """Half a message is noticed when the connection ends."""
    frames = Frames()

    assert list(frames.feed(pack(Applied(1))[:-1])) == []
    assert frames.is_torn


@pytest.mark.parametrize("length", [0, FRAME_LIMIT_BYTES + 1, 2**32 - 1])
def test_an_impossible_length_is_an_error(length: int) -> None:
    """Nobody makes us wait for, or keep, more than a message may have."""
    with pytest.raises(LinkError, match=str(length)):
        list(Frames().feed(struct.pack("!I", length)))


def test_a_message_over_the_limit_is_not_sent() -> None:
    """The sender hears of it, not the receiver."""
    with pytest.raises(LinkError, match="over the link's limit"):
        pack(Hello(0, 1, "x" * (FRAME_LIMIT_BYTES + 1), 2))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(stream: bytes) -> None:
    """Nothing else comes out of hostile bytes."""
    try:
        payloads = list(Frames().feed(stream))
    except LinkError:
        return

    assert sum(len(payload) + 4 for payload in payloads) <= len(stream)


def test_the_other_end_is_known_by_the_kernel() -> None:
    """Who is at the other end is not taken from what it says."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_credentials(ours) == (os.getpid(), os.geteuid())
        check_peer(ours, os.geteuid())
        with pytest.raises(LinkError, match="not part of this gateway"):
            check_peer(ours, os.geteuid() + 1)
