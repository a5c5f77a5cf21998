"""A body that passes is kept as a whole, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.kept import KeptBody

pieces = st.lists(st.binary(max_size=20), max_size=10)


@given(pieces, st.integers(0, 60))
def test_a_kept_body_is_what_was_added_or_not_whole(added: list[bytes], bound_bytes: int) -> None:
    """Within the bound it is the same bytes; beyond it none are held, and none are from then on."""
    kept = KeptBody(bound_bytes)
    for piece in added:
        kept.add(piece, b"")
    body = b"".join(added)

    assert kept.is_whole == (len(body) <= bound_bytes)
    assert kept.content == kept.encode(is_chunked=False, is_done=True) == (body if kept.is_whole else b"")
    assert kept.kept_bytes == len(kept.content)


def test_a_body_in_chunks_is_framed_anew() -> None:
    """With its trailers, and its end only when that has come."""
    kept = KeptBody(100)
    kept.add(b"hello", b"")
    kept.add(b"", b"X-Sum: 1\r\n")

    assert kept.encode(is_chunked=True, is_done=False) == b"5\r\nhello\r\n"
    assert kept.encode(is_chunked=True, is_done=True) == b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"


@given(pieces)
def test_what_was_dropped_stays_so(added: list[bytes]) -> None:
    """Nothing is kept of what comes later: it would be a body with a hole."""
    kept = KeptBody(1000)
    kept.add(b"first", b"")
    kept.drop()
    for piece in added:
        kept.add(piece, b"")

    assert (kept.is_whole, kept.content, kept.kept_bytes) == (False, b"", 0)
