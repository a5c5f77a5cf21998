"""The fields of a request that are sent on: those received, less what is hop-by-hop, plus what is ours.

Fields pass in their order, with their case and repeats, because they are never taken apart: the spans that were marked
when they were read are cut out, and our own fields are appended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.core.fields import Fields
    from gateway.core.types import Rewrite


FORWARDED: Final = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"})


class FieldRewrite:
    """The fields that one arm's requests need otherwise, from a route's ``rewrite.headers``."""

    __slots__ = ("_removed", "_set", "_told", "sets_host")

    def __init__(self, rewrite: Rewrite) -> None:
        names = [name.encode("latin-1").lower() for name, _ in rewrite.set_headers]
        self.sets_host = b"host" in names
        self._removed = frozenset({*names, *(name.encode("latin-1").lower() for name in rewrite.remove_headers)})
        self._told = self._removed & FORWARDED
        self._set = b"".join(
            b"\r\n" + name.encode("latin-1") + b": " + value.encode("utf-8") for name, value in rewrite.set_headers
        )

    def apply(self, fields: Fields, removed: frozenset[bytes] = frozenset()) -> bytes:
        """The fields that are passed on, as `Fields.passed_on`: without those removed or replaced, with those set.

        ``removed`` are further ones that must not pass.
        """
        return fields.passed_on_without(self._removed | removed) + self._set

    def prune(self, added: bytes) -> bytes:
        """What the gateway adds, as `added_fields`, without that of it which is removed or replaced."""
        if not self._told:
            return added
        lines = added.split(b"\r\n")
        return b"\r\n".join(line for line in lines if line.partition(b":")[0].lower() not in self._told)


def added_fields(fields: Fields, peer: bytes, scheme: bytes, *, trusted: bool) -> bytes:
    """What follows the client's own fields: framing and X-Forwarded-*, from the CR LF before it to the one behind it.

    What ``peer`` said about the way here counts only when it is ``trusted``: its list is continued, its Proto and Host
    are kept; anybody else's are replaced.
    """
    framing = b"\r\n"
    if fields.chunked:
        framing = b"\r\nTransfer-Encoding: chunked\r\n"
    elif fields.upgrade:
        framing = b"\r\nConnection: Upgrade\r\nUpgrade: " + fields.upgrade + b"\r\n"
    said = (fields.forwarded if trusted else None) or {}
    chain = said.get(b"x-forwarded-for")
    added = b"%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
        framing,
        chain + b", " + peer if chain else peer,
        said.get(b"x-forwarded-proto", scheme),
    )
    host = said.get(b"x-forwarded-host", fields.authority)
    return added + b"X-Forwarded-Host: %b\r\n" % host if host else added
