from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.decoding import BOUND_BYTES, decode, read_codings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = json.dumps({"items": [{"id": number, "price": number / 7} for number in range(50)]}).encode()


def deflate_raw(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def unfold_zeros(coding: str, size_bytes: int) -> bytes:
    """So many zeros as a bomb, made piece by piece."""
    piece = bytes(1 << 20)
    count = size_bytes >> 20
    if coding == "br":
        compressor = brotli.Compressor(quality=1)
        return b"".join(compressor.process(piece) for _ in range(count)) + compressor.finish()
    if coding == "zstd":
        packer = zstd.ZstdCompressor()
        return b"".join(packer.compress(piece) for _ in range(count)) + packer.flush()
    deflater = zlib.compressobj(1, wbits=31 if coding == "gzip" else 15)
    return b"".join(deflater.compress(piece) for _ in range(count)) + deflater.flush()


@pytest.mark.parametrize("coding", ENCODERS)
def test_every_known_coding_is_undone(coding: str) -> None:
    """What was encoded comes out as it went in."""
    assert decode(ENCODERS[coding](BODY), (coding,)) == BODY


def test_deflate_is_undone_without_its_wrapping_too() -> None:
    """Servers that send raw deflate are understood as browsers understand them."""
    assert decode(deflate_raw(BODY), ("deflate",)) == BODY


def test_codings_are_undone_from_the_last_to_the_first() -> None:
    """A list of codings is in the order in which they were applied (RFC 9110, section 8.4)."""
    body = brotli.compress(gzip.compress(BODY))

    assert decode(body, read_codings("gzip, br")) == BODY
    assert decode(body, read_codings("br, gzip")) is None


@pytest.mark.parametrize(
    ("field", "codings"),
    [
        ("", ()),
        ("identity", ()),
        (" GZip ,identity,, BR", ("gzip", "br")),
    ],
)
def test_names_of_codings_are_read_as_rfc_9110_has_them(field: str, codings: tuple[str, ...]) -> None:
    """Case, white space, empty elements and ``identity`` mean nothing."""
    assert read_codings(field) == codings


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_one_behind_the_other_are_one_body(coding: str) -> None:
    """Both formats allow concatenation, and log shippers do it."""
    encode = ENCODERS[coding]

    assert decode(encode(b"one ") + encode(b"two"), (coding,)) == b"one two"


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_stream_with_something_behind_it_is_not_decoded(coding: str) -> None:
    """What a client would refuse, or cut off silently, is not compared as if it were whole."""
    assert decode(ENCODERS[coding](BODY) + b"garbage", (coding,)) is None


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_stream_that_ends_early_is_not_decoded(coding: str) -> None:
    """Half an answer is no answer."""
    assert decode(ENCODERS[coding](BODY)[:-5], (coding,)) is None


def test_an_unknown_coding_is_not_decoded() -> None:
    """Nor is a longer list of codings than anybody uses."""
    assert decode(b"body", ("compress",)) is None
    assert decode(gzip.compress(BODY), ("gzip",) * 9) is None


def test_nothing_at_all_is_nothing_in_every_coding() -> None:
    """Answers to HEAD name a coding and have no body."""
    assert decode(b"", ("gzip",)) == b""
    assert decode(b"", ("unheard-of",)) == b""


def test_very_many_members_are_not_decoded() -> None:
    """Each member costs a copy of the rest, so that thousands of them are no body but an attack."""
    assert decode(gzip.compress(b"") * 5000, ("gzip",)) is None


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_not_decoded_and_memory_stays_bounded(coding: str) -> None:
    """64 MiB of zeros, a few bytes long, cost no more than the bound (brotli: four times, for it overshoots)."""
    bomb = unfold_zeros(coding, 64 << 20)
    assert len(bomb) < 300_000
    tracemalloc.start()

    assert decode(bomb, (coding,)) is None

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes <= 4 * BOUND_BYTES + (1 << 20)


def test_a_bomb_in_a_bomb_is_not_decoded() -> None:
    """The bound is one for every coding of a list."""
    assert decode(gzip.compress(unfold_zeros("gzip", 16 << 20)), ("gzip", "gzip")) is None


@given(st.binary(max_size=200), st.lists(st.sampled_from([*ENCODERS, "other"]), max_size=4))
def test_no_bytes_whatever_raise(body: bytes, codings: list[str]) -> None:
    """A worker copies what it gets; the comparer lives on."""
    decode(body, tuple(codings))


@given(st.binary(max_size=200), st.sampled_from([*ENCODERS]))
def test_any_body_survives_any_coding(body: bytes, coding: str) -> None:
    """Decoding is the inverse of encoding."""
    assert decode(ENCODERS[coding](body), (coding,)) == body
