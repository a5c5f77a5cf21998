"""The head that is sent on, in either direction: the received bytes, less what is hop-by-hop, plus what is ours.

Fields pass in their order, with their case and repeats, because they are never taken apart: the spans that
`gateway.core.heads` marked are cut out, and our own fields are appended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.heads import cut_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.heads import RequestHead, ResponseHead, Span
    from gateway.core.types import Rewrite

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def fields_without(head: bytes, start: int, cuts: Sequence[Span]) -> bytes:
    """The fields of ``head`` from ``start`` on, each with its CR LF in front, the last with one behind, without ``cuts``."""
    if not cuts:
        return head[start:-2]
    if len(cuts) == 1:
        begin, end = cuts[0]
        return head[start:begin] + head[end:-2]
    pieces = []
    at = start
    for begin, end in cuts:
        pieces.append(head[at:begin])
        at = end
    pieces.append(head[at:-2])
    return b"".join(pieces)


def request_head(request: RequestHead, target: bytes, ours: bytes, rewrite: FieldRewrite | None = None) -> bytes:
    """The request's head as the backend gets it; ``ours`` are whole fields, each ending in CR LF."""
    fields = (
        rewrite.apply(request) if rewrite is not None else fields_without(request.head, request.fields_at, request.cuts)
    )
    framing = b""
    if request.chunked:
        framing = b"Transfer-Encoding: chunked\r\n"
    if request.upgrade:
        framing = b"Connection: Upgrade\r\nUpgrade: " + request.upgrade + b"\r\n"
    return b"".join((request.method, b" ", target, b" HTTP/1.1", fields, framing, ours, b"\r\n"))


class FieldRewrite:
    """The fields that one arm's requests need otherwise, from a route's ``rewrite.headers``."""

    __slots__ = ("_removed", "_set")

    def __init__(self, rewrite: Rewrite) -> None:
        names = [name.encode("latin-1").lower() for name, _ in rewrite.set_headers]
        self._removed = {*names, *(name.encode("latin-1").lower() for name in rewrite.remove_headers)}
        self._set = b"".join(
            name.encode("latin-1") + b": " + value.encode("utf-8") + b"\r\n" for name, value in rewrite.set_headers
        )

    def apply(self, request: RequestHead) -> bytes:
        """The request's fields without those that are removed or replaced, and with those that are set."""
        cuts = cut_named(request.lowered, request.cuts, self._removed, request.fields_at)
        return fields_without(request.head, request.fields_at, cuts) + self._set


def forwarding_fields(request: RequestHead, peer: bytes, scheme: bytes, *, trusted: bool) -> bytes:
    """X-Forwarded-For, -Proto and -Host: what ``peer`` said counts only when it is ``trusted``.

    A trusted peer's list is continued, its Proto and Host are kept; anybody else's are replaced.
    """
    said = request.forwarded if trusted else None
    if said is None:
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
            peer,
            scheme,
            request.authority,
        )
    chain = said.get(b"x-forwarded-for")
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        chain + b", " + peer if chain else peer,
        said.get(b"x-forwarded-proto", scheme),
        said.get(b"x-forwarded-host", request.authority),
    )


def response_head(response: ResponseHead, ours: bytes) -> bytes:
    """The response's head as the client gets it; ``ours`` are whole fields, each ending in CR LF."""
    head = response.head
    fields = fields_without(head, response.fields_at, response.cuts)
    return b"".join((b"HTTP/1.1", head[8 : response.fields_at], fields, ours, b"\r\n"))
