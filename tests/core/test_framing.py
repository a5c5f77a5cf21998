"""Bodies are read strictly and framed anew, however their bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.framing import (
    ChunkReader,
    CloseReader,
    LengthReader,
    encode_chunk,
    encode_last_chunk,
    request_reader,
    response_reader,
)
from gateway.core.heads import parse_request
from gateway.core.responses import parse_response
from gateway.errors import MalformedMessage

pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
cuts = st.lists(st.integers(0, 400), max_size=8)


def split(received: bytes, places: list[int]) -> list[bytes]:
    """``received`` in pieces, cut at ``places``."""
    bounds = [0, *sorted(min(place, len(received)) for place in places), len(received)]
    return [received[start:end] for start, end in pairwise(bounds)]


@given(pieces, cuts, st.binary(max_size=20), st.booleans())
def test_chunks_mean_the_same_however_they_are_cut(
    chunks: list[bytes],
    places: list[int],
    rest: bytes,
    has_trailer: bool,
) -> None:
    """Payload, trailers and what follows do not depend on packets."""
    trailers = b"X-Sum: 7\r\n" if has_trailer else b""
    reader = ChunkReader()
    payload = bytearray()
    left = bytearray()

    for piece in split(b"".join(map(encode_chunk, chunks)) + encode_last_chunk(trailers) + rest, places):
        if reader.is_done:
            left += piece
        else:
            payload += reader.feed(piece)
            left += reader.rest

    assert reader.is_done
    assert (bytes(payload), reader.trailers, bytes(left)) == (b"".join(chunks), trailers, rest)


@given(pieces, st.binary(max_size=6), st.integers(0, 200), cuts)
def test_broken_chunks_are_refused_or_waited_for(
    chunks: list[bytes], noise: bytes, place: int, places: list[int]
) -> None:
    """Whatever is spliced in: a payload, more to wait for, or a refusal; never another error."""
    whole = b"".join(map(encode_chunk, chunks)) + encode_last_chunk(b"")
    reader = ChunkReader()
    try:
        for piece in split(whole[:place] + noise + whole[place:], places):
            if not reader.is_done:
                reader.feed(piece)
    except MalformedMessage:
        pass


@pytest.mark.parametrize(
    "body",
    [
        b"z\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b" 1\r\na\r\n",
        b"1 \r\na\r\n",
        b"1\na\r\n",
        b"1;a\nb\r\na\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na\rb",
        b"1234567890123456\r\n",
        b"1;" + b"x" * 2000,
        b"0\r\nA b\r\n\r\n",
        b"0\r\n A: b\r\n\r\n",
        b"0\r\nA: b\nC: d\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 8000 + b"\r\n",
    ],
)
def test_chunks_that_are_not_to_the_letter_are_refused(body: bytes) -> None:
    """RFC 9112, section 7.1, without any leniency: each of these is two messages to somebody."""
    with pytest.raises(MalformedMessage):
        ChunkReader().feed(body)


def test_extensions_are_dropped() -> None:
    """A proxy may; nobody behind it can then be confused by them."""
    reader = ChunkReader()

    assert reader.feed(b'3;name=value;other="x"\r\nabc\r\n0\r\n\r\n') == b"abc"
    assert reader.is_done


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding", b"HOST", b"X-Crossfade-Arm", b"Set-Cookie"])
def test_trailers_that_mean_something_in_a_head_are_dropped(name: bytes) -> None:
    """RFC 9110, section 6.5.1."""
    reader = ChunkReader()

    reader.feed(b"0\r\n" + name + b": 1\r\nX-Sum: 2\r\n\r\n")

    assert reader.trailers == b"X-Sum: 2\r\n"


@given(st.binary(max_size=60), st.integers(0, 60), cuts)
def test_a_length_is_kept_to(received: bytes, length: int, places: list[int]) -> None:
    """The body ends where it was said to; the rest is the next message's."""
    reader = LengthReader(length)
    payload = bytearray()
    left = bytearray()
    for piece in split(received, places):
        if reader.is_done:
            left += piece
        else:
            payload += reader.feed(piece)
            left += reader.rest

    assert bytes(payload) == received[:length]
    assert bytes(left) == received[length:]
    assert reader.is_done == (len(received) >= length)


def test_a_body_until_the_end_is_all_payload() -> None:
    """Only closing ends it."""
    reader = CloseReader()

    assert reader.feed(b"abc") == b"abc"
    assert not reader.is_done


def test_nothing_is_no_chunk() -> None:
    """An empty chunk would end the body."""
    assert encode_chunk(b"") == b""


@pytest.mark.parametrize(
    ("line", "kind"),
    [(b"Content-Length: 5", LengthReader), (b"Content-Length: 0", None), (b"Transfer-Encoding: chunked", ChunkReader)],
)
def test_a_request_says_how_its_body_is_framed(line: bytes, kind: type | None) -> None:
    """Without a field there is no body: a request can't end by closing."""
    reader = request_reader(parse_request(b"POST / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n").fields)

    assert (reader is None) if kind is None else isinstance(reader, kind)


@pytest.mark.parametrize(
    ("head", "method", "kind"),
    [
        (b"200 OK\r\nContent-Length: 5", b"GET", LengthReader),
        (b"200 OK\r\nTransfer-Encoding: chunked", b"GET", ChunkReader),
        (b"200 OK\r\nA: b", b"GET", CloseReader),
        (b"200 OK\r\nContent-Length: 0", b"GET", None),
        (b"200 OK\r\nContent-Length: 5", b"HEAD", None),
        (b"200 OK\r\nTransfer-Encoding: chunked", b"HEAD", None),
        (b"204 No\r\nTransfer-Encoding: chunked", b"GET", None),
        (b"304 No\r\nContent-Length: 5", b"GET", None),
    ],
)
def test_a_response_says_how_its_body_is_framed(head: bytes, method: bytes, kind: type | None) -> None:
    """The table of RFC 9112, section 6.3."""
    reader = response_reader(parse_response(b"HTTP/1.1 " + head + b"\r\n\r\n"), method)

    assert (reader is None) if kind is None else isinstance(reader, kind)
