"""``Content-Type`` and its like, taken apart: a value and its parameters (RFC 9110, sections 5.6.6 and 8.3)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


class ContentType(NamedTuple):
    """``name`` and the parameters' names are lower-case, as case means nothing there."""

    name: str
    parameters: dict[str, str]

    @property
    def charset(self) -> str:
        """Lower-case; empty where none is named."""
        return self.parameters.get("charset", "").lower()

    @property
    def meaning(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """What two fields must have in common to say the same.

        Spacing, quotes, case and order mean nothing, nor does a boundary, which is drawn anew for each body.
        """
        told = {name: value for name, value in self.parameters.items() if name != "boundary"}
        if "charset" in told:
            told["charset"] = self.charset
        return self.name, frozenset(told.items())


@lru_cache(maxsize=256)
def read_content_type(field: str) -> ContentType:
    """Read the value of a ``Content-Type`` or ``Content-Disposition``; whatever makes no sense in it is left out."""
    name, semicolon, rest = field.partition(";")
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(semicolon + rest):
        quoted, token = match[2], match[3]
        value = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else token.strip()
        parameters.setdefault(match[1].lower(), value)
    return ContentType(name.strip().lower(), parameters)
