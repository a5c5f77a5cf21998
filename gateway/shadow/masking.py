"""What must not be stored, and how it is recognized: by its place in a value, and by its name in a text.

Places are the ``redact`` paths of the configuration. They are matched as templates and with a will to err on the safe
side: an index means every index, a filter everything, and arrays on the way need not be named, so that
``$.user.password`` is found at ``$.user[*].password[*]``, too. The last name of each path is also looked for in texts,
in any case: in queries, lines and markup. So are the names of the headers that are never stored: some backends answer
with what they were asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus

from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import NameSelector

from gateway.core.jsonpaths import compile_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonpath.segments import JSONPathSegment

REDACTED: Final = "[redacted]"

NEVER_STORED: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
"""Headers; lower-case."""

# What may stand between a name and its value: what closes the name, as in user[password]= and "password": and
# name="password" value=, then what separates the two; all of it also as queries encode it, once or more often.
_SEPARATOR: Final = r"(?:%(?:25)*(?:5d|22|27)|[^\w=:>&%]){0,8}(?:value\W{0,3}?)?(?:[=:>]|%(?:25)*3[ad])(?!\[redacted\])"
_BEFORE: Final = r"(?:(?<![0-9a-z_])|(?<=%[0-9a-f][0-9a-f]))"
_PAIR_END: Final = r"[^&;#\"'<>\\]*"
_ATTRIBUTE: Final = re.compile(r"\A@(?:\{.*\})?", re.DOTALL)
"""Before an attribute's name, with its namespace (`gateway.shadow.markup`)."""
_BLANK: Final = re.compile(r"\s")
_BRACKETS: Final = re.compile(r"[\[\].]+")
"""What stands between the names in a form's user[password] and user.password."""
_ENCODED_TWICE: Final = 2


class _Step(NamedTuple):
    """One segment of a path."""

    names: frozenset[str] | None
    """None: whatever there is."""
    is_descendant: bool = False
    is_caseless: bool = False
    """Whether names in any case are meant; ``names`` are lower-case then."""

    def fits(self, name: str | None) -> bool:
        """Whether it leads to this member, or to any element of an array (None)."""
        if self.names is None or name is None:
            return self.names is None
        plain = _ATTRIBUTE.sub("", name)
        if not self.is_caseless:
            return name in self.names or plain in self.names
        return not self.names.isdisjoint((name.lower(), *_BRACKETS.split(plain.lower())))


Places = frozenset[tuple[_Step, ...]]
"""What is still to be gone of each path from where one stands."""


class Mask:
    """What ``redact`` paths say. Raises ValueError for what is no JSONPath."""

    def __init__(self, paths: Iterable[str]) -> None:
        steps = [tuple(_read_step(segment) for segment in compile_path(path).segments) for path in paths]
        names: frozenset[str] = frozenset().union(*map(_last_names, steps))
        # At the top a name is enough, whatever its path: there are headers, and the fields of forms.
        steps += [(_Step(names, is_caseless=True),), (_Step(NEVER_STORED, is_descendant=True, is_caseless=True),)]
        self.root: Places = frozenset(steps)
        """Where every value begins."""
        self._word = _compile(names, r"(?![0-9a-z_])")
        self._named = _compile(names | NEVER_STORED, _SEPARATOR)
        self._pair = re.compile(f"({self._named.pattern}){_PAIR_END}", re.IGNORECASE)

    def enter(self, places: Places, name: str | None) -> Places | None:
        """The places below a member, or below any element of an array (None); None: nothing there may be stored."""
        below: set[tuple[_Step, ...]] = set()
        for steps in places:
            step = steps[0]
            if step.is_descendant or name is None:
                below.add(steps)
            if step.fits(name):
                below.add(steps[1:])
        return None if () in below else frozenset(below)

    def follow(self, steps: Iterable[str | None]) -> Places | None:
        """The places where one stands after these steps from the top; None: nothing there may be stored."""
        places: Places | None = None if () in self.root else self.root
        for step in steps:
            if places is not None:
                places = self.enter(places, step)
        return places

    def mask(self, text: str) -> str:
        """``text`` without the values that follow a name.

        In what could be a query, a value ends where a query's does; in everything else it has no end.
        """
        found = list(self._named.finditer(text))
        if not found:
            return self._mask_encoded(text)
        if _BLANK.search(text) or any(_has_no_end(each) for each in found):
            return self._mask_encoded(f"{text[: found[0].end()]}{REDACTED}")
        return self._mask_encoded(self._pair.sub(rf"\1{REDACTED}", text))

    def mask_line(self, text: str) -> str:
        """A line of a text that could be anything: nothing of it where one of the paths' names is in it."""
        return REDACTED if self._word.search(text) else self.mask(text)

    def _mask_encoded(self, text: str) -> str:
        """Nothing of a text that hides a name by encoding it."""
        plain = text
        for _ in range(_ENCODED_TWICE):
            plain = unquote_plus(plain) if "%" in plain else plain
        return REDACTED if plain is not text and self._named.search(plain) else text


def _compile(names: frozenset[str], behind: str) -> re.Pattern[str]:
    """What finds any of the names with that ``behind`` it; longer names first, as the first that fits is taken."""
    choice = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    return re.compile(rf"{_BEFORE}({choice}){behind}" if names else "(?!)", re.IGNORECASE)


def _has_no_end(found: re.Match[str]) -> bool:
    return found[0].endswith((":", ">")) or found[1].lower() in NEVER_STORED


def _read_step(segment: JSONPathSegment) -> _Step:
    selectors = segment.selectors
    names = frozenset(selector.name for selector in selectors if isinstance(selector, NameSelector))
    is_named = len(names) > 0 and all(isinstance(selector, NameSelector) for selector in selectors)
    return _Step(names if is_named else None, is_descendant=isinstance(segment, JSONPathRecursiveDescentSegment))


def _last_names(steps: tuple[_Step, ...]) -> frozenset[str]:
    named = next((step.names for step in reversed(steps) if step.names), frozenset[str]())
    return frozenset(name.lower() for name in named)
