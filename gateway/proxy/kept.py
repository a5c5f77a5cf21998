"""Bodies that are kept while they pass, to be sent or looked at again."""

from __future__ import annotations

from gateway.core.framing import encode_chunk, encode_last_chunk


class KeptBody:
    """The part of a body that has passed, as long as it is within a bound."""

    __slots__ = ("_bound_bytes", "_pieces", "_trailers", "is_whole", "kept_bytes")

    def __init__(self, bound_bytes: int) -> None:
        self.is_whole = True
        """Whether nothing of what was sent is lacking."""
        self.kept_bytes = 0
        """Of what is kept."""
        self._bound_bytes = bound_bytes
        self._pieces: list[bytes] = []
        self._trailers = b""

    @property
    def content(self) -> bytes:
        """What was kept, without framing."""
        return b"".join(self._pieces)

    def add(self, payload: bytes, trailers: bytes) -> None:
        """A part has passed, and is kept if all parts together are within the bound; else none is."""
        if not self.is_whole:
            return
        if self.kept_bytes + len(payload) > self._bound_bytes:
            self.drop()
            return
        self.kept_bytes += len(payload)
        self._pieces.append(payload)
        self._trailers = trailers

    def drop(self) -> None:
        """Keep nothing of it, now or later."""
        self.is_whole = False
        self.kept_bytes = 0
        self._pieces.clear()

    def encode(self, *, is_chunked: bool, is_done: bool) -> bytes:
        """The bytes to send once more, framed as the body is."""
        if not is_chunked:
            return self.content
        chunks = b"".join(encode_chunk(piece) for piece in self._pieces)
        return chunks + encode_last_chunk(self._trailers) if is_done else chunks
