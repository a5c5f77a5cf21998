"""JSON bodies as values (RFC 8259): one, or many one behind the other.

Python's own reader is used: integers are exact however long, fractions are binary64 (RFC 8259, section 6: all that one
can rely on), and NaN and Infinity, which JSON has not, are read as some servers write them.
"""

from __future__ import annotations

import json
from typing import Final

from gateway.shadow.texts import MOST_LINES, decode_text

REPEATED: Final = "(repeated)"
"""Stands, with the list of its values, for a member whose name comes more than once in its object.

RFC 8259, section 4, leaves open what that means, and readers differ: so none of the values must be lost to comparing.
"""

_MOST_VALUES: Final = 100_000
"""In a body: each but the first stands behind one of `_BEFORE_VALUES`. More would take seconds and much memory to read
and compare.
"""

_BEFORE_VALUES: Final = (b",", b"[", b"{")

_UTF_8: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_SEPARATOR: Final = "\x1e"


def read_json(body: bytes, charset: str = "") -> object:
    """The value of a body. Raises ValueError; RecursionError for one that is nested deeper than Python goes."""
    return _parse(_decode(body, charset))


def read_json_lines(body: bytes, charset: str = "") -> list[object]:
    """The values of a body with one on each line (NDJSON), or each behind a record separator (RFC 7464).

    Raises as `read_json` does, for any of them.
    """
    text = _decode(body, charset)
    pieces = text.split(_SEPARATOR if _SEPARATOR in text else "\n", MOST_LINES)
    if len(pieces) > MOST_LINES:
        raise ValueError("too many lines")
    return [_parse(piece) for piece in pieces if piece.strip()]


def _decode(body: bytes, charset: str) -> str:
    """As text: JSON is Unicode and shows by its first bytes in which form, but some say that it is something else."""
    if sum(map(body.count, _BEFORE_VALUES)) > _MOST_VALUES:
        raise ValueError("too many values")
    if charset not in _UTF_8:
        return decode_text(body, charset)
    return body.decode(json.detect_encoding(body), "surrogatepass")


def _gather(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _gather_repeated(pairs)


def _gather_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, list[object]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: {REPEATED: found} if len(found) > 1 else found[0] for name, found in values.items()}


_parse: Final = json.JSONDecoder(object_pairs_hook=_gather).decode
