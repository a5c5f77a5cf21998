"""The fields of a request that are sent on: those received, less what is hop-by-hop, plus what is ours.

Fields pass in their order, with their case and repeats, because they are never taken apart: the spans that were marked
when they were read are cut out, and our own fields are appended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.core.fields import Fields
    from gateway.core.types import Rewrite


class FieldRewrite:
    """The fields that one arm's requests need otherwise, from a route's ``rewrite.headers``."""

    __slots__ = ("_removed", "_set")

    def __init__(self, rewrite: Rewrite) -> None:
        names = [name.encode("latin-1").lower() for name, _ in rewrite.set_headers]
        self._removed = {*names, *(name.encode("latin-1").lower() for name in rewrite.remove_headers)}
        self._set = b"".join(
            name.encode("latin-1") + b": " + value.encode("utf-8") + b"\r\n" for name, value in rewrite.set_headers
        )

    def apply(self, fields: Fields) -> bytes:
        """The fields that are passed on without those that are removed or replaced, and with those that are set."""
        return fields.passed_on_without(self._removed) + self._set


def request_fields(passed_on: bytes, fields: Fields, peer: bytes, scheme: bytes, *, trusted: bool) -> bytes:
    """The fields of a request as a backend gets them, but for those that differ with each request.

    ``passed_on`` are the client's own; framing and X-Forwarded-* are added. What ``peer`` said about the way here
    counts only when it is ``trusted``: its list is continued, its Proto and Host are kept; others' are replaced.
    """
    framing = b""
    if fields.chunked:
        framing = b"Transfer-Encoding: chunked\r\n"
    elif fields.upgrade:
        framing = b"Connection: Upgrade\r\nUpgrade: " + fields.upgrade + b"\r\n"
    said = (fields.forwarded if trusted else None) or {}
    chain = said.get(b"x-forwarded-for")
    return b"%b%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        passed_on,
        framing,
        chain + b", " + peer if chain else peer,
        said.get(b"x-forwarded-proto", scheme),
        said.get(b"x-forwarded-host", fields.authority),
    )
