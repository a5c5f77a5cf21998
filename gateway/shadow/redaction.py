"""What is kept of a difference as an example of it: little enough, and nothing that must not be stored.

Values are copied only as far as they are kept, so that one of many megabytes costs no more than one of two kilobytes.
They are what JSON and MessagePack can carry: integers of more than 64 bits, NaN and infinities become texts.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gateway.core.differences import ABSENT, Kind
from gateway.core.tallies import Sample
from gateway.shadow.masking import REDACTED, Mask, Places

if TYPE_CHECKING:
    from gateway.core.differences import Difference
    from gateway.core.shadowing import Compare, Pair

BOUND: Final = 2048
"""Of a value as JSON, in characters; of a longer one the first `PREVIEW` are kept."""

PREVIEW: Final = 200

_DEEPEST: Final = 20
"""Containers within containers; what is deeper inside is left out as if it were too long."""

_INTEGERS: Final = range(-(1 << 63), 1 << 64)

# As `gateway.core.differences` writes a field: names that are no plain words stand in quotes.
_STEP: Final = re.compile(r"\.(\w+)|\[\*\]|\['((?:[^'\\]|\\.)*)'\]", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-f]{4})|(.))", re.DOTALL)
_CONTROLS: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
_LINE: Final = (None,)
"""Where the lines of a text are."""
_PUNCTUATION: Final = 4

Step = str | None
"""A member's name; None for any element of an array."""


class Redaction:
    """Makes samples under one policy. Raises ValueError for a ``redact`` path that is no JSONPath."""

    def __init__(self, policy: Compare) -> None:
        self._mask = Mask(policy.redact)

    def sample(self, pair: Pair, difference: Difference) -> Sample:
        """A difference as it may be stored; a side that has nothing there has None."""
        baseline = self._keep(difference, difference.baseline)
        return Sample(pair.request_id, pair.time, baseline, self._keep(difference, difference.candidate))

    def _keep(self, difference: Difference, value: object) -> object:
        kind = difference.kind
        if value is ABSENT:
            return None
        if kind is Kind.STATUS or kind is Kind.BODY:
            return value  # a number; lengths and hashes
        steps = (difference.field,) if kind is Kind.HEADER else split_field(difference.field)
        places = self._mask.follow(steps) if steps is not None else None
        if places is None or steps is None:
            return REDACTED
        return value if kind is Kind.LENGTH else _Copier(self._mask).keep(value, steps, places)


class _Copier:
    """Copies one value, as far as it is kept."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._left = BOUND
        self._is_cut = False
        self._depth = 0

    def keep(self, value: object, steps: tuple[Step, ...], places: Places) -> object:
        """The copy of a value at the end of ``steps``; of one that is too long the beginning."""
        copy = self._copy(value, steps, places)
        if not self._is_cut:
            return copy
        text = copy if isinstance(copy, str) else json.dumps(copy, ensure_ascii=False)
        return {"truncated": text[:PREVIEW], **_measure(value)}

    def _copy(self, value: object, steps: tuple[Step, ...], places: Places) -> object:
        if isinstance(value, str):
            return self._copy_text(value, is_line=steps == _LINE)
        if isinstance(value, dict | list):
            return self._copy_container(value, steps, places)
        copy = _make_portable(value)
        self._left -= len(str(copy))
        return copy

    def _copy_text(self, text: str, *, is_line: bool) -> str:
        start = self._take(text)
        return self._mask.mask_line(start) if is_line else self._mask.mask(start)

    def _take(self, text: str) -> str:
        """As much of a text as there is room for. Halves of surrogate pairs, which JSON can have, are spelt out."""
        start = text[: max(self._left, 0)]
        self._is_cut |= len(start) < len(text)
        self._left -= len(text)
        return start if start.isascii() else start.encode("utf-8", "backslashreplace").decode()

    def _copy_container(self, value: dict[str, Any] | list[Any], steps: tuple[Step, ...], places: Places) -> object:
        if self._depth == _DEEPEST:
            self._is_cut = True
            return None
        self._depth += 1
        copy: object
        if isinstance(value, dict):
            copy = self._copy_members(value, steps, places)
        else:
            copy = self._copy_elements(value, steps, places)
        self._depth -= 1
        return copy

    def _copy_members(self, value: dict[str, Any], steps: tuple[Step, ...], places: Places) -> dict[str, object]:
        copy: dict[str, object] = {}
        for name, member in value.items():
            if self._is_full():
                break
            copy[self._take(name)] = self._enter(member, steps, places, name)
        return copy

    def _copy_elements(self, value: list[Any], steps: tuple[Step, ...], places: Places) -> list[object]:
        copy: list[object] = []
        for element in value:
            if self._is_full():
                break
            copy.append(self._enter(element, steps, places, None))
        return copy

    def _enter(self, value: object, steps: tuple[Step, ...], places: Places, step: Step) -> object:
        self._left -= _PUNCTUATION
        below = self._mask.enter(places, step)
        return REDACTED if below is None else self._copy(value, (*steps, step), below)

    def _is_full(self) -> bool:
        self._is_cut |= self._left <= 0
        return self._is_cut


@lru_cache(maxsize=1024)
def split_field(field: str) -> tuple[Step, ...] | None:
    """The steps from the top of a body to a field; None for what is not wholly a field, as one that was cut."""
    steps: list[Step] = []
    at = 1
    for found in _STEP.finditer(field, 1):
        if found.start() != at:
            return None
        at = found.end()
        steps.append(found[1] or (_ESCAPE.sub(_unescape, found[2]) if found[2] is not None else None))
    return tuple(steps) if at == len(field) else None


def _unescape(found: re.Match[str]) -> str:
    code, character = found[1], found[2]
    return chr(int(code, 16)) if code else _CONTROLS.get(character, character)


def _make_portable(value: object) -> object:
    """A number or constant as JSON and MessagePack have it."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value in _INTEGERS):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _measure(value: object) -> dict[str, int]:
    if isinstance(value, str):
        return {"bytes": len(value.encode("utf-8", "surrogatepass"))}
    return {"items": len(value)} if isinstance(value, dict | list) else {}
