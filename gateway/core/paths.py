"""Request paths and path patterns, segment by segment.

A path is matched decoded and forwarded as it came. It is split at its slashes first and each segment decoded then, so
that an encoded slash (``%2F``) stays inside its segment. Dot segments are resolved before matching, encoded ones too,
as nginx does (RFC 3986, section 5.2.4); a path that climbs above the root is refused. Slashes are not merged: ``//``
holds an empty segment, and ``/a/`` is another path than ``/a``.

Patterns, as the configuration writes them: a segment is literal, or ``*`` or ``{name}`` for any one segment that is not
empty; a final ``**`` stands for the rest, also for nothing: ``/a/**`` matches ``/a``, ``/a/`` and ``/a/b``.
Of several patterns that match, the first in order wins. `PathTree` finds it in one walk down the path's segments, so
that the cost depends on the length of the path, not on the number of patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from gateway.core.heads import RequestHead
from gateway.errors import BadRequest

T = TypeVar("T")
Applies = Callable[[RequestHead], bool]
NEVER = 1 << 62
"""An order behind every pattern's."""


def split_path(path: bytes) -> list[bytes]:
    """The segments behind the leading slash, dot segments resolved, decoded.

    Raises BadRequest for a path that climbs above the root.
    """
    if b"%" not in path and b"/." not in path:
        return path[1:].split(b"/")
    return [unquote_to_bytes(segment) for segment in split_raw_path(path)]


def split_raw_path(path: bytes) -> list[bytes]:
    """The same segments in the same places as `split_path`, each still encoded as it came.

    Raises BadRequest for a path that climbs above the root.
    """
    segments = path[1:].split(b"/")
    if b"/." not in path and b"/%2" not in path:
        return segments
    return _resolve_dots(segments)


def _resolve_dots(segments: list[bytes]) -> list[bytes]:
    resolved: list[bytes] = []
    decoded = b""
    for segment in segments:
        decoded = unquote_to_bytes(segment)
        if decoded == b"..":
            if not resolved:
                raise BadRequest("the path climbs above the root")
            resolved.pop()
        elif decoded != b".":
            resolved.append(segment)
    if decoded in {b".", b".."}:
        resolved.append(b"")  # "/a/." names the folder: "/a/"
    return resolved


def split_pattern(pattern: str) -> list[str]:
    """The segments of a pattern behind its leading slash, as written."""
    return pattern.removeprefix("/").split("/")


def is_wild(segment: str) -> bool:
    """Whether a pattern's segment stands for any one segment."""
    return segment == "*" or capture_name(segment) is not None


def capture_name(segment: str) -> str | None:
    """``order`` for ``{order}``; None for every other segment."""
    return segment[1:-1] if len(segment) > 2 and segment[0] == "{" and segment[-1] == "}" else None  # noqa: PLR2004


class Leaf(Generic[T]):
    """One pattern's end: what it leads to, and what else the request must satisfy."""

    __slots__ = ("applies", "names", "order", "target")

    def __init__(self, order: int, pattern: str, target: T, applies: Applies | None) -> None:
        self.order = order
        self.target = target
        self.applies = applies
        named = ((capture_name(segment), at) for at, segment in enumerate(split_pattern(pattern)))
        self.names = tuple((name, at) for name, at in named if name is not None)
        """The captures: a name and the index of its segment."""


class _Node(Generic[T]):
    __slots__ = ("ends", "least", "literals", "rests", "wild")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node[T]] = {}
        self.wild: _Node[T] | None = None
        self.rests: list[Leaf[T]] = []  # patterns whose ``**`` begins here
        self.ends: list[Leaf[T]] = []  # patterns that a path which ends here satisfies: those, and those that end here
        self.least = NEVER  # the first order below: what can't win is not walked

    def grow(self, segment: str) -> _Node[T]:
        if is_wild(segment):
            self.wild = self.wild or _Node()
            return self.wild
        return self.literals.setdefault(unquote_to_bytes(segment), _Node())


class PathTree(Generic[T]):
    """Patterns by their segments. Add them in rising order."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, order: int, pattern: str, target: T, applies: Applies | None = None) -> None:
        """Let ``pattern`` lead to ``target`` for requests that satisfy ``applies``."""
        leaf = Leaf(order, pattern, target, applies)
        node = self._root
        node.least = min(node.least, order)
        segments = split_pattern(pattern)
        rest = segments[-1] == "**"
        for segment in segments[:-1] if rest else segments:
            node = node.grow(segment)
            node.least = min(node.least, order)
        node.ends.append(leaf)
        if rest:
            node.rests.append(leaf)

    @property
    def always(self) -> Leaf[T] | None:
        """The first pattern, if it matches every path of every request: ``/**`` without conditions; else None."""
        first = self._root.rests[0] if self._root.rests else None
        return first if first is not None and first.order == self._root.least and first.applies is None else None

    def find(self, segments: list[bytes], request: RequestHead, best: Leaf[T] | None = None) -> Leaf[T] | None:
        """The first pattern in order that matches, or ``best`` if that comes before it."""
        return _walk(self._root, segments, 0, request, best)


def _walk(node: _Node[T], segments: list[bytes], at: int, request: RequestHead, best: Leaf[T] | None) -> Leaf[T] | None:
    """Go down from ``node``; where a segment is known literally and as a wild one, look into both."""
    limit = best.order if best is not None else NEVER
    count = len(segments)
    while node.least < limit:
        for leaf in node.rests if at < count else node.ends:
            if leaf.order >= limit:
                break
            if leaf.applies is None or leaf.applies(request):
                best, limit = leaf, leaf.order
                break
        if at == count:
            return best
        segment = segments[at]
        at += 1
        child = node.literals.get(segment)
        if node.wild is not None and segment:
            if child is None:
                child = node.wild
            else:
                best = _walk(node.wild, segments, at, request, best)
                limit = best.order if best is not None else NEVER
        if child is None:
            return best
        node = child
    return best
