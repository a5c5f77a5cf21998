"""Canonical forms: what two values have in common exactly if they are equal, to be looked up in dicts.

The form of a container is a token, made from the forms of its members and shared by all containers that are equal (hash
consing; Ershov 1958). So each container is worked out once, and comparing and hashing a form is cheap however large the
value is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, Final

from gateway.core.comparands import DEPTH, IGNORED, Multiset, Near, is_nan

# What forms have in the place of values that equal others in Python but not in JSON, or not themselves.
_TRUE: Final = object()
_FALSE: Final = object()
_NAN: Final = object()
_NEAR: Final = object()
_OBJECT: Final = object()
_ARRAY: Final = object()
_MULTISET: Final = object()


class Forms:
    """The forms of values that outlive it. Forms from two of these have nothing to do with each other.

    Loose forms don't tell numbers with a tolerance apart: two values that are equal within it have the same loose form,
    if the rules give both of them one.
    """

    __slots__ = ("_is_loose", "_known", "_tokens")

    def __init__(self, *, is_loose: bool = False) -> None:
        self._is_loose = is_loose
        self._known: dict[int, object] = {}
        self._tokens: dict[Hashable, object] = {}

    def find(self, value: Any, depth: int) -> Hashable:
        """The form of a value that stands ``depth`` levels below its root."""
        kind = type(value)
        if kind is str:
            return value  # type: ignore[no-any-return]
        if kind is dict or kind is list or kind is Multiset:
            token = self._known.get(id(value))
            if token is None:
                shape = self._describe(value, depth)
                token = self._known[id(value)] = self._tokens.setdefault(shape, object())
            return token
        return _NEAR if self._is_loose and kind is Near else _find_plain(value)

    def _describe(self, value: Any, depth: int) -> Hashable:
        if depth >= DEPTH:
            return flatten(value)
        below = depth + 1
        if isinstance(value, dict):
            return frozenset([(name, self.find(each, below)) for name, each in value.items() if each is not IGNORED])
        forms = [self.find(each, below) for each in value]
        return (_MULTISET, frozenset(Counter(forms).items())) if isinstance(value, Multiset) else tuple(forms)


def flatten(value: Any) -> tuple[Hashable, ...]:
    """A form without sharing and without recursion, for values nested to any depth; it has no sense for multisets."""
    parts: list[Hashable] = []
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            names = sorted(each)
            parts += (_OBJECT, len(names), *names)
            stack.extend(each[name] for name in names)
        elif isinstance(each, list):
            parts += (_ARRAY, len(each))
            stack.extend(each)
        else:
            parts.append(_find_plain(each))
    return tuple(parts)


def _find_plain(value: Any) -> Hashable:
    if value is True or value is False:
        return _TRUE if value else _FALSE
    number = value.number if isinstance(value, Near) else value
    return _NAN if is_nan(number) else number
