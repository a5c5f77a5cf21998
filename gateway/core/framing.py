"""Where a message's body ends, and how it is framed again (RFC 9112, sections 6 and 7).

A reader takes the bytes that follow a head and gives back the body's payload. It knows when the body is over and what
was left of the bytes then. Framing is always regenerated: what one side sent as one chunk may leave as several.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.errors import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.fields import Fields
    from gateway.core.responses import ResponseHead

LAST_CHUNK: Final = b"0\r\n\r\n"

# RFC 9112, section 7.1: 1*HEXDIG, then extensions, which a proxy may drop. 15 digits can't overflow anybody's 64 bits.
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
# Longer than any real size line with extensions; without a bound, one line could grow for ever.
_CHUNK_LINE_BOUND: Final = 1024

_TRAILER_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*")
_TRAILER_BOUND_BYTES: Final = 16 * 1024

# Framing, routing and hop-by-hop fields mean nothing behind a body, and might confuse who merges them into the head
# (RFC 9110, section 6.5.1).
_FORBIDDEN_TRAILERS: Final = re.compile(
    rb"(?:transfer-encoding|content-length|host|connection|keep-alive|te|trailer|upgrade|expect|authorization|cookie"
    rb"|set-cookie|proxy-.*|x-forwarded-.*|x-crossfade-.*|x-request-id|content-encoding|content-type|content-range)"
)


class LengthReader:
    """A body of known length."""

    __slots__ = ("is_done", "remaining", "rest")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.is_done = length == 0
        self.rest = b""

    trailers = b""

    def feed(self, received: bytes) -> bytes:
        """The payload in ``received``; what follows the body is in ``rest``."""
        count = len(received)
        if count < self.remaining:
            self.remaining -= count
            return received
        self.is_done = True
        if count == self.remaining:
            self.remaining = 0
            return received
        self.rest = received[self.remaining :]
        payload = received[: self.remaining]
        self.remaining = 0
        return payload


class CloseReader:
    """A body that ends with its connection: only responses may have one."""

    __slots__ = ("is_done",)

    rest = b""
    trailers = b""

    def __init__(self) -> None:
        self.is_done = False

    def feed(self, received: bytes) -> bytes:
        """All of it is payload."""
        return received


class ChunkReader:
    """A chunked body, read strictly: what isn't to the letter of RFC 9112, section 7.1, is refused.

    ``trailers`` holds the trailer fields that may be passed on, each with its CR LF, once ``is_done``.
    """

    __slots__ = ("_expects", "_remaining", "_tail", "_trailer_bytes", "is_done", "rest", "trailers")

    def __init__(self) -> None:
        self.is_done = False
        self.rest = b""
        self.trailers = b""
        self._expects: Callable[[bytes, int, list[bytes]], int] = self._read_size
        self._remaining = 0
        self._tail = b""
        self._trailer_bytes = 0

    def feed(self, received: bytes) -> bytes:
        """The payload in ``received``. Raises `MalformedMessage`."""
        if self._tail:
            received = self._tail + received
            self._tail = b""
        pieces: list[bytes] = []
        at = 0
        while not self.is_done and at < len(received):
            following = self._expects(received, at, pieces)
            if following < 0:
                self._tail = received[at:]
                break
            at = following
        if self.is_done:
            self.rest = received[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # Each of these reads one element at ``at`` and returns where it ends, or -1 when it is not there as a whole yet.

    def _read_size(self, received: bytes, at: int, _pieces: list[bytes]) -> int:
        end = _line_end(received, at, _CHUNK_LINE_BOUND)
        if end < 0:
            return -1
        line = _CHUNK_LINE.fullmatch(received, at, end)
        if line is None:
            raise MalformedMessage("a chunk's size is not a hexadecimal number")
        self._remaining = int(line[1], 16)
        self._expects = self._read_payload if self._remaining else self._read_trailer
        return end + 2

    def _read_payload(self, received: bytes, at: int, pieces: list[bytes]) -> int:
        piece = received[at : at + self._remaining]
        pieces.append(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._expects = self._read_chunk_end
        return at + len(piece)

    def _read_chunk_end(self, received: bytes, at: int, _pieces: list[bytes]) -> int:
        end = received[at : at + 2]
        if end == b"\r\n":
            self._expects = self._read_size
            return at + 2
        if end == b"\r":
            return -1
        raise MalformedMessage("a chunk is longer than its size")

    def _read_trailer(self, received: bytes, at: int, _pieces: list[bytes]) -> int:
        end = _line_end(received, at, _TRAILER_BOUND_BYTES)
        if end < 0:
            return -1
        if end == at:
            self.is_done = True
            return at + 2
        field = _TRAILER_FIELD.fullmatch(received, at, end)
        if field is None:
            raise MalformedMessage("a trailer is malformed")
        self._trailer_bytes += end - at
        if self._trailer_bytes > _TRAILER_BOUND_BYTES:
            raise MalformedMessage("the trailers are too long")
        if not _FORBIDDEN_TRAILERS.fullmatch(field[1].lower()):
            self.trailers += field[0] + b"\r\n"
        return end + 2


def _line_end(received: bytes, at: int, bound: int) -> int:
    """Where the line at ``at`` ends, -1 when its CR LF has not come yet."""
    end = received.find(b"\r\n", at, at + bound + 2)
    if end < 0 and len(received) - at > bound + 1:
        raise MalformedMessage("a line of a chunked body is too long")
    if end < 0 and b"\n" in received[at:]:
        raise MalformedMessage("a line of a chunked body ends with a bare LF")
    return end


Reader = LengthReader | ChunkReader | CloseReader


def encode_chunk(payload: bytes) -> bytes:
    """``payload`` as one chunk; nothing for nothing, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def encode_last_chunk(trailers: bytes) -> bytes:
    """The end of a chunked body, with its trailer fields (each ending in CR LF)."""
    return b"0\r\n" + trailers + b"\r\n" if trailers else LAST_CHUNK


def request_reader(fields: Fields) -> LengthReader | ChunkReader | None:
    """The reader for a request's body; None when it has none."""
    if fields.chunked:
        return ChunkReader()
    if fields.content_length:
        return LengthReader(fields.content_length)
    return None


def response_reader(response: ResponseHead, method: bytes) -> Reader | None:
    """The reader for the body of an answer to ``method``; None when it has none (RFC 9112, section 6.3)."""
    if not response.has_body(method):
        return None
    if response.chunked:
        return ChunkReader()
    if response.content_length is not None:
        return LengthReader(response.content_length)
    return CloseReader()
