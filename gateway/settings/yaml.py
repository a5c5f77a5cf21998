"""A YAML file as plain values, with the line and column of every one of them.

Built on libyaml's events rather than on a loader of PyYAML, because events need no recursion (a file of a million
brackets is refused, not crashed on), keep duplicate keys apart, and leave the types to `gateway.settings.scalars`.

What is refused beside broken syntax: duplicate keys, several documents, tags other than the core ones, keys that are
not scalars, more than `DEEPEST` levels, and aliases that would blow a small file up (`LARGEST_ALIASED`).

What is accepted beyond YAML: ``[/orders/{id}, ${URL}]``. Braces end a plain scalar inside brackets, so YAML wants
quotes there; but nothing else can be meant, and people write patterns in lists. See `shield`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.errors import Problem
from gateway.settings.scalars import Expanded, Scalar, expand, resolve_plain

DEEPEST = 64
"""Nesting levels. The schema needs eight."""
LARGEST_ALIASED = 100_000
"""Values that all aliases together may stand for: room for real reuse, none for a "billion laughs"."""

EMPTY = "is empty; write a value, or remove the line"

_CORE_TAGS = {"!", "tag:yaml.org,2002:str"}
_BRACES, _SHIELDS = "{}", "\uf8f0\uf8f1"
"""Private characters (one for one, so that columns stay right) stand for braces while YAML looks."""
_SHIELDED = re.compile(r"(?<=/)\{[A-Za-z_][A-Za-z0-9_]*\}|(?<=\$)\{[A-Za-z_][A-Za-z0-9_]*(?::-[^{}\n]*)?\}")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\uf8ef\uf8f2-\ufffd\U00010000-\U0010ffff]")
_TO_SHIELDS, _TO_BRACES = str.maketrans(_BRACES, _SHIELDS), str.maketrans(_SHIELDS, _BRACES)

Place = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it stands. ``plain`` holds the whole subtree as dicts, lists and scalars."""

    place: Place
    plain: Any = None
    items: list[Node] | None = None
    members: dict[str, Node] | None = None
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    """How many values the subtree has, aliased ones counted each time."""
    inset: int | None = None
    """Of a scalar that stands in its line just as it reads: how far behind ``place`` it begins."""

    def child(self, key: str | int) -> Node | None:
        """The value under ``key``, None when there is none."""
        if isinstance(key, int):
            return self.items[key] if self.items is not None and key < len(self.items) else None
        return self.members.get(key) if self.members is not None else None


class Syntax(Exception):
    """The text can't be read any further."""

    def __init__(self, place: Place, message: str) -> None:
        self.place = place
        self.message = message
        super().__init__(message)


def read_document(text: str, env: Mapping[str, str]) -> tuple[Node | None, list[Problem]]:
    """The only document in ``text`` (None: it is empty, or its syntax broken), and every problem found on the way."""
    composer = _Composer(env)
    try:
        _refuse_control_characters(text)
        root = composer.compose(text)
    except Syntax as error:
        return None, [*composer.problems, Problem(*error.place, "", error.message)]
    except yaml.MarkedYAMLError as error:
        return None, [*composer.problems, _describe(error, text)]
    return root, composer.problems


def _refuse_control_characters(text: str) -> None:
    found = _FORBIDDEN.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise Syntax((line, column), f"YAML allows no control character such as U+{ord(found[0]):04X} here")


def shield(text: str) -> str:
    """``/{name}`` and ``${NAME}`` with braces that YAML does not see.

    In valid YAML both stand only inside scalars and comments, so nothing that has a meaning of its own is touched.
    """
    return _SHIELDED.sub(lambda found: found[0].translate(_TO_SHIELDS), text)


def _describe(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    message = f"not valid YAML: {error.problem or error.context or 'broken syntax'}"
    if "\t" in written[:column]:
        message += " (YAML is indented with spaces, never with tabs)"
    return Problem(line, column, "", message)


class _Composer:
    """Builds the tree from events, with a stack of its own."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._env = env
        self._anchors: dict[str, Node] = {}
        self._aliased = 0
        self._open: list[_Frame] = []
        self._root: Node | None = None

    def compose(self, text: str) -> Node | None:
        loader = yaml.CSafeLoader(shield(text))
        while True:
            event = loader.get_event()
            if isinstance(event, yaml.ScalarEvent):
                self._place_value(self._compose_scalar(event), event.anchor)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._place_value(self._follow(event), None)
            elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise Syntax(_place(event), "a second document begins here; a configuration is one document")
            elif isinstance(event, yaml.StreamEndEvent):
                return self._root

    def _compose_scalar(self, event: yaml.ScalarEvent) -> Node:
        place = _place(event)
        if event.tag is not None and event.tag not in _CORE_TAGS:
            raise Syntax(place, f"the tag {event.tag} is not known here; write the value without it")
        frame = self._open[-1] if self._open else None
        if frame and frame.awaits_key:
            return Node(place, event.value.translate(_TO_BRACES))
        value = self._evaluate(event.value.translate(_TO_BRACES), event.implicit[0] and event.tag is None, place)
        return Node(place, value, inset=None if isinstance(value, Expanded) else _measure_inset(event))

    def _evaluate(self, text: str, plain: bool, place: Place) -> Scalar:
        if "${" in text:
            try:
                expanded = expand(text, self._env)
            except ValueError as error:
                self._report(place, str(error), self._open)
                return text
            return Expanded(expanded)  # in quotes as well: inside brackets strict YAML wants them around ${NAME}
        value = resolve_plain(text) if plain else text
        if value is None and self._open:
            # Nobody can tell "nothing", "the default" and "forgotten" apart, so an empty value is none of them.
            self._report(place, EMPTY, self._open)
        return value

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        place = _place(event)
        if len(self._open) >= DEEPEST:
            raise Syntax(place, f"nested more than {DEEPEST} levels deep")
        if event.tag is not None and event.tag != "!":
            raise Syntax(place, f"the tag {event.tag} is not known here; write the value without it")
        if self._open and self._open[-1].awaits_key:
            raise Syntax(place, "a key must be plain text, not a list or a mapping")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node = Node(place, {}, members={}) if is_mapping else Node(place, [], items=[])
        self._open.append(_Frame(node, event.anchor))

    def _end(self) -> None:
        frame = self._open.pop()
        self._place_value(frame.node, frame.anchor)

    def _follow(self, event: yaml.AliasEvent) -> Node:
        place = _place(event)
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise Syntax(place, f"the alias *{event.anchor} stands before its anchor &{event.anchor}, or within it")
        self._aliased += node.size
        if self._aliased > LARGEST_ALIASED:
            raise Syntax(place, f"the aliases stand for more than {LARGEST_ALIASED} values")
        return node

    def _place_value(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
        elif (fault := self._open[-1].add(node)) is not None:
            self._report(*fault, self._open[:-1])

    def _report(self, place: Place, message: str, frames: list[_Frame]) -> None:
        self.problems.append(Problem(*place, ".".join(str(frame.key) for frame in frames), message))


class _Frame:
    """A list or mapping that is being read."""

    __slots__ = ("_key", "_merged", "anchor", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self._key: Node | None = None
        self._merged: set[str] = set()

    @property
    def awaits_key(self) -> bool:
        return self.node.members is not None and self._key is None

    @property
    def key(self) -> str | int:
        """Where the value that is being read will stand."""
        return len(self.node.items) if self.node.items is not None else str(self._key.plain if self._key else "")

    def add(self, node: Node) -> tuple[Place, str] | None:
        """Take the next value, or in a mapping the next key or value. Says where and what is wrong, if anything is."""
        if self.node.items is not None:
            self.node.items.append(node)
            self.node.plain.append(node.plain)
            self.node.size += node.size
        elif self._key is None:
            self._key = node
            if not isinstance(node.plain, str):
                return node.place, "a key must be plain text, not a list or a mapping"
        else:
            key, self._key = self._key, None
            return self._add_member(str(key.plain), key.place, node)
        return None

    def _add_member(self, name: str, place: Place, node: Node) -> tuple[Place, str] | None:
        if name == "<<":
            return self._merge(place, node)
        if name in self.node.keys and name not in self._merged:
            return place, f"`{name}` is written twice: first in line {self.node.keys[name][0]}"
        self._merged.discard(name)
        self._store(name, place, node)
        return None

    def _merge(self, place: Place, node: Node) -> tuple[Place, str] | None:
        """``<<: *other``: take over what is not written here (YAML 1.1's merge key, which people know)."""
        sources = node.items if node.items is not None else [node]
        if any(source.members is None for source in sources):
            return place, "`<<` takes a mapping, or a list of mappings, by alias"
        for source in sources:
            for name, member in (source.members or {}).items():
                if name not in self.node.keys:
                    self._merged.add(name)
                    self._store(name, source.keys[name], member)
        return None

    def _store(self, name: str, place: Place, node: Node) -> None:
        assert self.node.members is not None  # noqa: S101 - only mappings come here
        self.node.members[name] = node
        self.node.keys[name] = place
        self.node.plain[name] = node.plain
        self.node.size += node.size


def _measure_inset(event: yaml.ScalarEvent) -> int | None:
    """0 for a plain scalar, 1 for a quoted one; None for one with escapes, an anchor, or of several lines."""
    start, end = event.start_mark, event.end_mark
    assert start is not None  # noqa: S101 - as below
    assert end is not None  # noqa: S101
    quotes = end.column - start.column - len(event.value)
    return quotes // 2 if start.line == end.line and quotes == (2 if event.style in ("'", '"') else 0) else None


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    assert mark is not None  # noqa: S101 - only events made by hand lack it
    return mark.line + 1, mark.column + 1
