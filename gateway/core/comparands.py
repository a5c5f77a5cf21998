"""Values made ready to be compared: what the rules say is written into the value, each side by itself.

A JSON value, as `json.loads` gives it, is dressed before it is compared. Ignored members and elements are taken out, an
array that counts as a multiset becomes a `Multiset`, a number with a tolerance becomes a `Near`. What no rule concerns
stays the same object, so that dressing costs what the rules reach: those with ``..`` reach everything. An index means
the element at that index on its own side, whatever the comparison pairs it with. Undressed values are what is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.core.jsonpaths import Node, Trie
from gateway.core.shadowing import Tolerance

DEPTH: Final = 100
"""Levels of nesting to which values are walked. Below, rules don't apply and two values are equal or not, as a whole.
It is the depth to which the JSONPath library follows ``..``, too."""

Number: TypeAlias = int | float | Decimal


class Stand(Enum):
    """What stands for no value of JSON."""

    ABSENT = "absent"
    IGNORED = "ignored"
    """The place of a member that a rule takes out. It is kept: one side's rule takes out the other side's, too."""


ABSENT: Final = Stand.ABSENT
"""In the place of a field that a side does not have."""
IGNORED: Final = Stand.IGNORED


class Multiset(list[Any]):
    """An array the order of which means nothing."""


class Limit(NamedTuple):
    """How far two numbers may be apart, the limit included."""

    value: Decimal
    is_relative: bool
    """To the baseline's magnitude."""


class Near(NamedTuple):
    """A number that the other side's need not equal exactly. Of several limits it must keep one."""

    number: Number
    limits: tuple[Limit, ...]


class Treatment(Enum):
    """What a rule without a figure says of a place."""

    IGNORE = "ignore"
    UNORDERED = "unordered"


# Looked up once: a member of an enum costs more than all else that is done for most values.
_IGNORE: Final = Treatment.IGNORE
_UNORDERED: Final = Treatment.UNORDERED

NUMBERS: Final = frozenset({int, float, Decimal, Near})
_BARE_NUMBERS: Final = NUMBERS - {Near}
_CONTAINERS: Final = frozenset({dict, list})
_ARRAYS: Final = frozenset({list, Multiset})

_SORTED_BY: Final = 30  # values in search of numbers with a tolerance to sort by: the order is a good guess, no more
_LOOKED_AT: Final = 1000  # values in search of a tolerance: a wrong yes costs a question that was not needed

# Exact for all floats that are not astronomically far apart, and cheap for any exponent; no signal is an exception.
_ARITHMETIC: Final = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])

_Mark: TypeAlias = Treatment | Limit
_Node: TypeAlias = Node[_Mark]


class Rules:
    """What is ignored, unordered or tolerated where, resolved once. Made by `Rules.of`."""

    __slots__ = ("_root",)

    def __init__(self, root: _Node) -> None:
        self._root = root

    @classmethod
    def of(
        cls, ignore: Iterable[str] = (), unordered: Iterable[str] = (), tolerances: Iterable[Tolerance] = ()
    ) -> Rules:
        """From the paths of the configuration. Raises ValueError for what is no JSONPath (RFC 9535)."""
        limits = [(each.path, Limit(_exact(each.value), each.is_relative)) for each in tolerances]
        paths: list[tuple[str, _Mark]] = [(path, Treatment.IGNORE) for path in ignore]
        paths += [(path, Treatment.UNORDERED) for path in unordered]
        return cls(Trie([*paths, *limits]).root)

    def dress(self, value: Any) -> Any:
        """``value`` as it is to be compared: `IGNORED`, or itself where no rule concerns it. It is not changed."""
        return value if self._root.is_idle else _Dressing(value).dress(value, self._root, 0)


class _Dressing:
    __slots__ = ("_root",)

    def __init__(self, root: Any) -> None:
        self._root = root

    def dress(self, value: Any, node: _Node, depth: int) -> Any:
        marks = node.marks
        if marks and _IGNORE in marks:
            return IGNORED
        kind = type(value)
        if kind in _CONTAINERS:
            if depth >= DEPTH:
                return value
            return self._dress_members(value, node, depth) if kind is dict else self._dress_elements(value, node, depth)
        if marks and kind in _BARE_NUMBERS:
            return Near(value, tuple([mark for mark in marks if isinstance(mark, Limit)]))
        return value

    def _dress_members(self, value: dict[str, Any], node: _Node, depth: int) -> dict[str, Any]:
        special, others = node.fan_out(value, self._root)
        dressed = value
        for name in [name for name in special if name in value] if others.is_idle else value:
            member = value[name]
            child = special.get(name, others)
            if child.marks or type(member) in _CONTAINERS:
                ready = self.dress(member, child, depth + 1)
                if ready is not member:
                    dressed = dict(value) if dressed is value else dressed
                    dressed[name] = ready
        return dressed

    def _dress_elements(self, value: list[Any], node: _Node, depth: int) -> list[Any]:
        special, others = node.fan_out(value, self._root)
        dressed = value
        for index, element in enumerate(value if special or not others.is_idle else ()):
            child = special.get(index, others)
            if child.marks or type(element) in _CONTAINERS:
                ready = self.dress(element, child, depth + 1)
                if ready is not element:
                    dressed = list(value) if dressed is value else dressed
                    dressed[index] = ready
        if dressed is not value and IGNORED in dressed:
            dressed = [each for each in dressed if each is not IGNORED]
        return Multiset(dressed) if _UNORDERED in node.marks else dressed


def undress(value: Any, depth: int = 0) -> Any:
    """The value as JSON has it again, without what the rules took out."""
    kind = type(value)
    if kind is Near:
        return value.number
    if depth >= DEPTH:
        return value
    if kind is dict:
        return {name: undress(member, depth + 1) for name, member in value.items() if member is not IGNORED}
    if kind in _ARRAYS:
        return [undress(element, depth + 1) for element in value]
    return value


def list_near(value: Any) -> list[float]:
    """The first numbers in a value that have a tolerance, roughly, in a fixed order: to sort what is alike by."""
    numbers = []
    stack = [value]
    for _ in range(_SORTED_BY):
        if not stack:
            break
        each = stack.pop()
        kind = type(each)
        if kind is Near:
            numbers.append(_round(each.number))
        elif kind is dict:
            stack.extend(each[name] for name in sorted(each))
        elif kind in _ARRAYS:
            stack.extend(each[:_SORTED_BY])
    return numbers


def may_have_near(value: Any) -> bool:
    """Whether a number in a value has a tolerance, so that it may equal what is not the same. True if it is large."""
    stack = [value]
    for _ in range(_LOOKED_AT):
        if not stack:
            return False
        each = stack.pop()
        kind = type(each)
        if kind is Near:
            return True
        if kind is dict:
            stack.extend(each.values())
        elif kind in _ARRAYS:
            stack.extend(each)
    return True


def are_close(baseline: Number | Near, candidate: Number | Near) -> bool:
    """Whether two numbers are equal, or within a limit of either. Decimals count as written: 10.01 - 10 is 0.01."""
    limits = _limits_of(baseline) + _limits_of(candidate)
    old, new = bare(baseline), bare(candidate)
    if old == new or (is_nan(old) and is_nan(new)):
        return True
    if not limits and type(old) is type(new):
        return False
    exact_old, exact_new = _exact(old), _exact(new)
    gap = _ARITHMETIC.abs(_ARITHMETIC.subtract(exact_old, exact_new))
    return gap.is_finite() and (not gap or any(gap <= _widen(limit, exact_old) for limit in limits))


def bare(number: Number | Near) -> Number:
    """The number itself."""
    return number.number if isinstance(number, Near) else number


def is_nan(value: object) -> bool:
    """Whether it is the one value that does not equal itself."""
    return value != value  # noqa: PLR0124


def _round(number: Number) -> float:
    try:
        return -math.inf if is_nan(number) else float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _limits_of(number: Number | Near) -> tuple[Limit, ...]:
    return number.limits if isinstance(number, Near) else ()


def _widen(limit: Limit, baseline: Decimal) -> Decimal:
    return _ARITHMETIC.multiply(limit.value, _ARITHMETIC.abs(baseline)) if limit.is_relative else limit.value


def _exact(number: Number) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
