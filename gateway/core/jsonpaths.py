"""JSONPath (RFC 9535): checking paths as people write them, and looking up at once where many of them lead.

The paths of all rules are compiled together, once. While a value is walked from its root, a `Node` says which rules
apply where the walk stands, and which node is next for each child: the rules' own automaton, each state of which is
worked out when a walk first needs it. Names, wildcards and descent (``..``) cost a lookup in a dict per child.

Which children an index, a slice or a filter selects depends on the value. The library resolves those three on each
container that a walk passes with such a selector ahead: about 2 us per child that is selected, and for filters per
child that is tried, too. A filter that can not be evaluated, as on a value that is nested too deeply, selects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathMatch
from jsonpath.exceptions import JSONPathError
from jsonpath.segments import JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.selectors import JSONPathSelector, NameSelector, WildcardSelector

LENGTH: Final = 500
"""Of a path, in characters: more is no path that anybody wrote."""
BRACKETS: Final = 50
"""In a path. How deeply the library can read one would depend on who asks: this is always read."""

_NODES: Final = 4096  # kept by a trie; hostile paths and values could ask for one per subset of all segments
_ALLOWED: Final = "$.name, $['odd name'], $.items[*].price, $.items[0], $..name"

Mark = TypeVar("Mark")
Key = str | int
Position = tuple[int, int]
"""Which of the paths, and how many of its segments have been walked."""

_environment = JSONPathEnvironment(strict=True)


def check_path(text: str) -> None:
    """Raises ValueError, with a message for the one who wrote it, unless ``text`` is a JSONPath (RFC 9535)."""
    compile_path(text)


def compile_path(text: str) -> JSONPath:
    """The library's form of a JSONPath. Raises ValueError as `check_path` does."""
    if not text.startswith("$"):
        raise ValueError(f"a JSONPath begins with `$`, as in {_ALLOWED}")
    if len(text) > LENGTH or text.count("(") + text.count("[") > BRACKETS:
        raise ValueError(f"a JSONPath has at most {LENGTH} characters, and {BRACKETS} brackets")
    try:
        path = _environment.compile(text)
    except (JSONPathError, RecursionError, ValueError) as error:
        raise ValueError(_explain(text, error)) from None
    if not isinstance(path, JSONPath):
        raise ValueError(f"one JSONPath, not several joined, as in {_ALLOWED}")  # noqa: TRY004 (it is no type's fault)
    return path


def _explain(text: str, error: Exception) -> str:
    # Not str(error): for a path that ends too early, the library's own message fails.
    token = getattr(error, "token", None)
    where = "it ends too early"
    if token is not None and token.index >= 0:
        where = f"see `{text[token.index :][:20]}`"
    return f"`{text[:100]}` is not a JSONPath (RFC 9535): {where}; allowed are paths such as {_ALLOWED}"


class Trie(Generic[Mark]):
    """Many paths, each with a mark, to be followed at once. Raises ValueError for what is no JSONPath."""

    __slots__ = ("_marks", "_nodes", "_segments", "root")

    def __init__(self, paths: Iterable[tuple[str, Mark]]) -> None:
        pairs = [(compile_path(text).segments, mark) for text, mark in paths]
        self._segments = [segments for segments, _ in pairs]
        self._marks = [mark for _, mark in pairs]
        self._nodes: dict[frozenset[Position], Node[Mark]] = {}
        self.root = self.find(frozenset((number, 0) for number in range(len(pairs))))

    def find(self, positions: frozenset[Position]) -> Node[Mark]:
        """The node of these positions, made where it is new."""
        node = self._nodes.get(positions)
        if node is None:
            is_kept = len(self._nodes) < _NODES
            node = Node(self, positions, is_kept=is_kept)
            if is_kept:
                self._nodes[positions] = node
        return node

    def ends(self, positions: Iterable[Position]) -> tuple[Mark, ...]:
        """The marks of the paths that lead exactly here, in the order in which they were given."""
        return tuple(self._marks[path] for path, walked in sorted(positions) if walked == len(self._segments[path]))

    def leads(self, positions: Iterable[Position]) -> list[tuple[Position, JSONPathSegment]]:
        """The paths that go on from here, each with its next segment."""
        return [
            ((path, walked), self._segments[path][walked])
            for path, walked in positions
            if walked < len(self._segments[path])
        ]


class _Spread(NamedTuple, Generic[Mark]):
    """What follows from a node, whatever the value."""

    fan: Fan[Mark]
    choosers: list[tuple[JSONPathSelector, Position]]
    """Selectors that depend on the value, with the position behind each."""


class Node(Generic[Mark]):
    """Where a walk stands among the paths of a trie."""

    __slots__ = ("_is_kept", "_spread", "_trie", "is_idle", "marks", "positions")

    def __init__(self, trie: Trie[Mark], positions: frozenset[Position], *, is_kept: bool) -> None:
        self._trie = trie
        self.positions = positions
        """How far each path has been walked."""
        self._is_kept = is_kept
        self._spread: _Spread[Mark] | None = None
        self.marks = trie.ends(positions)
        """Of the paths that lead exactly here."""
        self.is_idle = not positions
        """No path leads here or below."""

    def fan_out(self, container: Any, root: Any) -> Fan[Mark]:
        """Where the walk goes on from ``container``, by member name or index from 0.

        There may be names among them that the container does not have.
        """
        spread = self._spread or self._work_out()
        if not spread.choosers:
            return spread.fan
        named, others = spread.fan
        chosen = _choose(spread.choosers, container, root)
        nodes = {key: self._trie.find(named.get(key, others).positions | behind) for key, behind in chosen.items()}
        return {**named, **nodes}, others

    def _work_out(self) -> _Spread[Mark]:
        everywhere: set[Position] = set()
        named: dict[str, set[Position]] = {}
        choosers = []
        for (path, walked), segment in self._trie.leads(self.positions):
            behind = (path, walked + 1)
            if isinstance(segment, JSONPathRecursiveDescentSegment):
                everywhere.add((path, walked))
            for selector in segment.selectors:
                if isinstance(selector, WildcardSelector):
                    everywhere.add(behind)
                elif isinstance(selector, NameSelector):
                    named.setdefault(selector.name, set()).add(behind)
                else:
                    choosers.append((selector, behind))
        find = self._trie.find
        others = frozenset(everywhere)
        fan: Fan[Mark] = {name: find(others | behind) for name, behind in named.items()}, find(others)
        spread = _Spread(fan, choosers)
        if self._is_kept:
            self._spread = spread
        return spread


Fan: TypeAlias = tuple[Mapping[Key, Node[Mark]], Node[Mark]]
"""The nodes of the children that a path names or chooses, and that of all the others."""


def _choose(
    choosers: Iterable[tuple[JSONPathSelector, Position]], container: Any, root: Any
) -> dict[Key, set[Position]]:
    match = JSONPathMatch(filter_context={}, obj=container, parent=None, path="$", parts=(), root=root)
    chosen: dict[Key, set[Position]] = {}
    for selector, behind in choosers:
        with suppress(JSONPathError, RecursionError):
            for child in selector.resolve(match):
                chosen.setdefault(child.parts[-1], set()).add(behind)
    return chosen
