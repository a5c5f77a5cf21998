"""From the paths of requests to the few templates that figures are kept by: ``/orders/81`` is ``/orders/{id}``.

A raw path is never a label: its identifiers would make a series each. The templates that a route names under ``paths``
come first, in their order. Any other path is templated by itself: a segment that looks like an identifier (a number, a
UUID, a hash, a long token, anything but plain ASCII) becomes ``{id}``. A route keeps at most 100 templates; what comes
after them is ``{other}``. Templates are plain ASCII, at most 200 characters long, and safe in logs and labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.core.heads import RequestHead
from gateway.core.paths import PathTree, split_path

TEMPLATES_PER_ROUTE = 100
"""Enough to tell the endpoints of a service apart; with the histograms of two arms about 20 series each."""
TEMPLATE_LENGTH = 200
OTHER = "{other}"
IDENTIFIER = "{id}"

_REST = "**"
_DEPTH = 12  # segments beyond tell endpoints apart no longer

# Some paths come again and again. Whoever invents paths makes it forget them, but can't make it grow.
_REMEMBERED_PATHS = 512
_REMEMBERED_BYTES = 128  # of a path; longer ones are worked out each time

# A segment that may be a name: plain characters, and not many of them. Anything else is an identifier.
_NAME = re.compile(rb"[A-Za-z0-9._~:+-]{0,32}")
# What may be a name by its characters, but reads like an identifier.
_IDENTIFIER = re.compile(
    rb"[0-9][0-9._:-]*"  # numbers, dates
    rb"|(?=[A-Fa-f-]*[0-9])[0-9A-Fa-f-]{8,}"  # UUIDs and hashes: hexadecimal with a digit
    rb"|(?=.*[0-9])[A-Za-z0-9._~+-]{16,}"  # tokens: long, with a digit
)

# The same judgement of all segments of a path at once, for paths that are short and have nothing to decode.
_PLAIN_BYTES = 128
_IDENTIFIERS = re.compile(
    rb"/(?:[0-9][0-9._:-]*"
    rb"|(?=[A-Fa-f-]*[0-9])[0-9A-Fa-f-]{8,}"
    rb"|(?=[A-Za-z._~+-]*[0-9])[A-Za-z0-9._~+-]{16,}"
    rb"|[^/]{33,}"
    rb"|[^/]*[^A-Za-z0-9._~:+/-][^/]*)(?![^/])"
)


class Templates:
    """The templates of one route. It remembers what it has seen, since the cap counts."""

    __slots__ = ("_known", "_remembered", "_tree", "patterns")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._tree: PathTree[str] = PathTree()
        self._known: set[str] = set()
        self._remembered: dict[bytes, str] = {}
        for order, pattern in enumerate(self.patterns):
            self._tree.add(order, pattern, pattern)
            self._known.add(pattern)

    def find(self, request: RequestHead) -> str:
        """The template of a request's path. Raises BadRequest for a path that climbs above the root."""
        path = request.path
        template = self._remembered.get(path)
        if template is None:
            template = self._admit(self._choose(request))
            if len(path) <= _REMEMBERED_BYTES:
                self._remember(path, template)
        return template

    def _remember(self, path: bytes, template: str) -> None:
        if len(self._remembered) >= _REMEMBERED_PATHS:
            self._remembered.clear()
        self._remembered[path] = template

    def _choose(self, request: RequestHead) -> str:
        path = request.path
        is_plain = len(path) <= _PLAIN_BYTES and b"%" not in path and b"/." not in path
        if self.patterns:
            segments = path[1:].split(b"/") if is_plain else split_path(path)
            leaf = self._tree.find(segments, request)
            if leaf is not None:
                return leaf.target
        return generalize_plain(path) if is_plain else generalize(split_path(path))

    def _admit(self, template: str) -> str:
        if template not in self._known:
            if len(self._known) >= TEMPLATES_PER_ROUTE:
                return OTHER
            self._known.add(template)
        return template


def generalize(segments: list[bytes]) -> str:
    """The template of a path that no pattern names, given as its decoded segments."""
    parts: list[str] = []
    room = TEMPLATE_LENGTH - len("/" + _REST)
    for segment in segments:
        part = generalize_segment(segment)
        room -= len("/" + part)
        if len(parts) == _DEPTH or room < 0:
            parts.append(_REST)
            break
        parts.append(part)
    return "/" + "/".join(parts)


def generalize_plain(path: bytes) -> str:
    """The same for a short path without anything to decode, at a third of the cost."""
    if path.count(b"/") > _DEPTH:
        return generalize(split_path(path))
    return _IDENTIFIERS.sub(b"/{id}", path).decode("ascii")


def generalize_segment(segment: bytes) -> str:
    """A name as it is, everything else as ``{id}``."""
    if _NAME.fullmatch(segment) and not _IDENTIFIER.fullmatch(segment):
        return segment.decode("ascii")
    return IDENTIFIER
