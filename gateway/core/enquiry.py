"""Requests that nobody sent: what a person asks about, brought into the form in which the gateway would receive it.

Nothing is repaired on the way, so what is explained is what would happen: a URL with a space in it is refused here as
it would be there. Only what every client does is done: the authority of a whole URL becomes the Host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gateway.core.heads import RequestHead, parse_request
from gateway.errors import BadRequest, ProxyError

NO_HOST: Final = "localhost"
"""The Host of a request whose URL is only a path."""

_WHOLE_URL: Final = re.compile(r"https?://(?:[^/?#@]*@)?([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)

# Either would end the line that it stands in, and begin another that nobody asked about.
_LINE_BREAK: Final = re.compile(r"[\r\n]")


def build_request(method: str, url: str, headers: Iterable[tuple[str, str]]) -> RequestHead:
    """The request that a client would send. ``url`` is a path with its query, or a whole URL.

    Raises BadRequest (or HeadTooLarge) where the gateway would.
    """
    host, target = _split(url)
    lines = list(headers)
    if not any(name.lower() == "host" for name, _ in lines):
        lines.insert(0, ("Host", host))
    parts = (method, target, *(part for line in lines for part in line))
    if any(_LINE_BREAK.search(part) for part in parts):
        raise BadRequest("a line break in the method, the URL or a header")
    if any(not name or ":" in name for name, _ in lines):
        raise BadRequest("a header's name is empty or has a colon in it")
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return parse_request(_encode(f"{method} {target} HTTP/1.1\r\n{fields}\r\n"))


def find_fault(method: str, url: str) -> str:
    """Which part of a request that `build_request` refuses is at fault: ``method``, ``url`` or ``headers``."""
    for part, asked in (("method", (method, "*" if method == "OPTIONS" else "/")), ("url", (method, url))):
        try:
            build_request(*asked, ())
        except ProxyError:
            return part
    return "headers"


def _split(url: str) -> tuple[str, str]:
    """Host and target of what a person writes as a URL."""
    whole = _WHOLE_URL.fullmatch(url)
    if whole is None:
        return NO_HOST, url
    host, target = whole.groups()
    return host, target if target.startswith("/") else f"/{target}"


def _encode(head: str) -> bytes:
    try:
        return head.encode("utf-8", "surrogateescape")  # bytes of a command line that are not UTF-8 stay what they were
    except UnicodeEncodeError as error:
        raise BadRequest("a character that is none") from error
