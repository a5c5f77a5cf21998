"""Who is at the other end of a client's connection, and what backends are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.forwarding import added_fields

if TYPE_CHECKING:
    from gateway.core.fields import Fields
    from gateway.proxy.generation import Generation


class Peer:
    """``address`` is the connection's own, whatever X-Forwarded-For says."""

    __slots__ = ("_added", "_added_by", "_added_to", "_encoded", "_scheme", "address", "is_tls")

    def __init__(self, address: str, *, is_tls: bool) -> None:
        self.address = address
        self.is_tls = is_tls
        self._encoded = address.encode("latin-1")
        self._scheme = b"https" if is_tls else b"http"
        self._added = b""
        self._added_by: Generation | None = None
        self._added_to: frozenset[int] | None = None

    def added_fields(self, generation: Generation, fields: Fields) -> bytes:
        """What the gateway adds to ``fields``; worked out anew only when what it depends on has changed."""
        if self._added_by is not generation or self._added_to is not fields.acted_on:
            trusted = generation.trusts(self.address)
            self._added = added_fields(fields, self._encoded, self._scheme, trusted=trusted)
            self._added_by = generation
            self._added_to = fields.acted_on  # shared by all fields that were derived from one another
        return self._added
