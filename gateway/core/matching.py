"""From a request to the first route that serves it, at a cost that does not grow with the number of routes.

Routes are tried in order, and the first that matches serves. Instead of trying them one by one, the index files each
under the hosts it names (``api.example.com``, ``*.example.com``, or any), and there in a tree of path segments. A
request then asks at most one tree per label of its host, and one more for routes without a host; each answers with its
first route in order, and the least of these answers is the route. A tree that can't hold an earlier route than the one
found is not walked.

What restricts a route: ``paths`` (see `gateway.core.paths`), ``hosts``, ``methods`` (as sent; GET does not include
HEAD), ``headers`` (the first field of the name; ``*`` in a pattern stands for any characters). All that are given must
hold. Routes that differ in methods and headers only are tried one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from gateway.core.globs import compile_globs
from gateway.core.heads import RequestHead
from gateway.core.paths import Leaf, PathTree, split_path
from gateway.core.types import HeaderPattern, Match

T = TypeVar("T")

NO_CAPTURES: Mapping[str, bytes] = MappingProxyType({})
_ANY_SUBDOMAIN = "*."


class RouteIndex(Generic[T]):
    """What requests lead to, given in order as pairs of a `Match` and its target."""

    __slots__ = ("_always", "_anywhere", "_below", "_by_host")

    def __init__(self, targets: Iterable[tuple[Match, T]]) -> None:
        self._by_host: dict[bytes, PathTree[T]] = {}
        self._below: dict[bytes, PathTree[T]] = {}  # keyed by ".example.com"
        self._anywhere: PathTree[T] = PathTree()
        for order, (match, target) in enumerate(targets):
            self._add(order, match, target)
        always = None if self._by_host or self._below else self._anywhere.always
        self._always = None if always is None else (always.target, NO_CAPTURES)  # one route for everything

    def _add(self, order: int, match: Match, target: T) -> None:
        applies = _compile_applies(match)
        for tree in self._trees(match.hosts):
            for pattern in match.paths:
                tree.add(order, pattern, target, applies)

    def _trees(self, hosts: tuple[str, ...]) -> list[PathTree[T]]:
        return [self._grow(host) for host in hosts] or [self._anywhere]

    def _grow(self, host: str) -> PathTree[T]:
        if host.startswith(_ANY_SUBDOMAIN):
            return self._below.setdefault(host[1:].encode(), PathTree())
        return self._by_host.setdefault(host.encode(), PathTree())

    def match(self, request: RequestHead) -> tuple[T, Mapping[str, bytes]] | None:
        """The target of the first match, and what its ``{name}`` segments stand for; None when nothing matches.

        Raises BadRequest for a path that climbs above the root.
        """
        path = request.path
        if b"%" in path or b"/." in path:
            segments = split_path(path)
        elif self._always is not None:
            return self._always
        else:
            segments = path[1:].split(b"/")
        leaf = self._find_by_host(segments, request) if self._by_host or self._below else None
        leaf = self._anywhere.find(segments, request, leaf)
        if leaf is None:
            return None
        if not leaf.names:
            return leaf.target, NO_CAPTURES
        return leaf.target, {name: segments[at] for name, at in leaf.names}

    def _find_by_host(self, segments: list[bytes], request: RequestHead) -> Leaf[T] | None:
        host = request.host
        if host[-1:] == b".":  # fully qualified (RFC 1034, section 3.1)
            host = host[:-1]
        tree = self._by_host.get(host)
        leaf = None if tree is None else tree.find(segments, request)
        if not self._below:
            return leaf
        at = host.find(b".", 1)
        while at > 0:
            tree = self._below.get(host[at:])
            if tree is not None:
                leaf = tree.find(segments, request, leaf)
            at = host.find(b".", at + 1)
        return leaf


def _compile_applies(match: Match) -> Callable[[RequestHead], bool] | None:
    """What a route asks for besides host and path; None for nothing."""
    methods = frozenset(method.encode() for method in match.methods)
    headers = tuple(_compile_header(header) for header in match.headers)
    if not headers:
        return (lambda request: request.method in methods) if methods else None
    return lambda request: (not methods or request.method in methods) and all(holds(request) for holds in headers)


def _compile_header(header: HeaderPattern) -> Callable[[RequestHead], bool]:
    name, test = header.name.lower().encode(), compile_globs(header.patterns)

    def holds(request: RequestHead) -> bool:
        value = request.header(name)
        return value is not None and test(value)

    return holds
