"""From the path of a request to the path that one arm's backend knows it by.

A rewrite is a pattern whose ``*``, ``{name}`` and ``**`` take what the same parts of the route's pattern matched: the
first ``*`` what the first ``*`` matched, ``{name}`` its namesake, ``**`` the rest. With the route ``/api/orders/**``
and the rewrite ``/v2/orders/**``, ``/api/orders/1%2F2`` becomes ``/v2/orders/1%2F2``: parts are carried over as they
came, percent-encoding included; only dot segments are gone, since the route was found without them.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from gateway.core.paths import capture_name, is_wild, split_pattern, split_raw_path

RewritePath = Callable[[bytes], bytes]
"""From a raw path to a raw path; the query is not its business."""

# RFC 3986, section 3.3: what a segment may hold as it is; "%" so that what is encoded already stays so.
_SEGMENT_SAFE = "!$&'()*+,;=:@%"

Take = Callable[[list[bytes]], list[bytes]]


def compile_rewrite(pattern: str, rewrite: str) -> RewritePath:
    """The function that rewrites a path that ``pattern`` matched.

    Raises ValueError when ``rewrite`` uses a part that ``pattern`` does not have; `unbound_parts` names them.
    """
    unbound = unbound_parts(pattern, rewrite)
    if unbound:
        raise ValueError(f"{rewrite} uses {', '.join(unbound)}, which {pattern} does not have")
    takes = _compile_takes(_places(pattern), split_pattern(rewrite))

    def rewrite_path(path: bytes) -> bytes:
        segments = split_raw_path(path)
        return b"/" + b"/".join([segment for take in takes for segment in take(segments)])

    return rewrite_path


def unbound_parts(pattern: str, rewrite: str) -> list[str]:
    """The ``*``, ``{name}`` and ``**`` of ``rewrite`` that nothing in ``pattern`` stands behind."""
    places = _places(pattern)
    return [part for part, place in _label(split_pattern(rewrite)) if place is not None and place not in places]


def _places(pattern: str) -> dict[str, int]:
    """Where the parts of a pattern stand: labels as `_label` makes them, and the index of their segment."""
    return {label: at for at, (_, label) in enumerate(_label(split_pattern(pattern))) if label is not None}


def _label(segments: list[str]) -> list[tuple[str, str | None]]:
    """Each segment with the name of what it stands for: ``*1``, ``*2``, ``{order}``, ``**``; None for a literal."""
    labelled: list[tuple[str, str | None]] = []
    stars = 0
    for segment in segments:
        label = segment if segment == "**" or capture_name(segment) else None
        if segment == "*":
            stars += 1
            label = f"*{stars}"
        labelled.append((segment, label))
    return labelled


def _compile_takes(places: dict[str, int], segments: list[str]) -> list[Take]:
    return [_compile_take(segment, label, places) for segment, label in _label(segments)]


def _compile_take(segment: str, label: str | None, places: dict[str, int]) -> Take:
    if label is None:
        literal = [quote(segment, safe=_SEGMENT_SAFE).encode()]
        return lambda _segments: literal
    at = places[label]
    if is_wild(segment):
        return lambda segments: segments[at : at + 1]
    return lambda segments: segments[at:]
