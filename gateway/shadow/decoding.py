"""Content codings undone (RFC 9110, section 8.4.1), within bounds: whoever sends a body may mean harm by it.

What cannot be undone as a whole is not decoded at all: an unknown coding, a stream that is broken, ends early or goes
on after its end, and one that unfolds to more than `BOUND_BYTES`. Such bodies are compared as the bytes that they are.
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Final

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND_BYTES: Final = 4 << 20
"""What a body may unfold to: 16 times the default bound on bodies that are copied, which real text rarely exceeds."""

# Each coding may blow its input up a thousandfold, so that a long list of them would cost the bound again and again.
_MOST_CODINGS: Final = 3

# Members of gzip, frames of zstd: concatenations are allowed (RFC 1952, section 2.2; RFC 8878, section 3), and each
# costs a copy of what follows it.
_MOST_MEMBERS: Final = 256

# RFC 9659: no window in HTTP is larger than 8 MiB.
_ZSTD_OPTIONS: Final = {int(zstd.DecompressionParameter.window_log_max): 23}

_GZIP, _ZLIB, _RAW = 31, 15, -15


class _Undecodable(Exception):
    """The stream cannot be decoded as a whole."""


def read_codings(field: str) -> tuple[str, ...]:
    """The codings that a ``Content-Encoding`` names, in the order in which they were applied; lower-case."""
    if not field:
        return ()
    names = (name.strip().lower() for name in field.split(","))
    return tuple(name for name in names if name and name != "identity")


def decode(body: bytes, codings: tuple[str, ...]) -> bytes | None:
    """``body`` without its ``codings``; None where that is impossible within the bound."""
    if not body:
        return body  # in answer to HEAD, and what some servers send for nothing at all
    if len(codings) > _MOST_CODINGS:
        return None
    try:
        for coding in reversed(codings):
            body = _DECODERS[coding](body)
    except (KeyError, _Undecodable, zlib.error, zstd.ZstdError, brotli.error):
        return None
    return body


def _decode_gzip(body: bytes) -> bytes:
    return _join(body, lambda: zlib.decompressobj(_GZIP))


def _decode_deflate(body: bytes) -> bytes:
    """In the zlib format, or without it: some servers have always left it out (RFC 9110, section 8.4.1.2)."""
    try:
        return _finish(zlib.decompressobj(_ZLIB), body)
    except (_Undecodable, zlib.error):
        return _finish(zlib.decompressobj(_RAW), body)


def _decode_zstd(body: bytes) -> bytes:
    return _join(body, lambda: zstd.ZstdDecompressor(options=_ZSTD_OPTIONS))


def _decode_brotli(body: bytes) -> bytes:
    decompressor = brotli.Decompressor()
    # It may overshoot its limit by as much again.
    decoded: bytes = decompressor.process(body, output_buffer_limit=BOUND_BYTES)
    if not decompressor.is_finished() or len(decoded) > BOUND_BYTES:
        raise _Undecodable
    return decoded


def _finish(stream: zlib._Decompress, body: bytes) -> bytes:
    decoded = stream.decompress(body, BOUND_BYTES + 1)
    if not stream.eof or stream.unused_data or len(decoded) > BOUND_BYTES:
        raise _Undecodable
    return decoded


def _join(body: bytes, begin: Callable[[], zlib._Decompress | zstd.ZstdDecompressor]) -> bytes:
    """All members of ``body`` decoded, one behind the other."""
    pieces: list[bytes] = []
    left_bytes = BOUND_BYTES
    while body:
        stream = begin()
        piece = stream.decompress(body, left_bytes + 1)
        left_bytes -= len(piece)
        if not stream.eof or left_bytes < 0 or len(pieces) == _MOST_MEMBERS:
            raise _Undecodable
        pieces.append(piece)
        body = stream.unused_data
    return b"".join(pieces)


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": _decode_gzip,
    "x-gzip": _decode_gzip,
    "deflate": _decode_deflate,
    "br": _decode_brotli,
    "zstd": _decode_zstd,
}
