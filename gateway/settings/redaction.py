"""A configuration's text as others may read it: line by line as it was written, its secrets struck out.

Secrets belong into the environment, and ``${NAME}`` is shown as it stands. But whoever writes one into the file should
not find it in every answer of the API, on a dashboard, or in a bug report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

import yaml

from gateway.core.store_urls import strike_password
from gateway.settings.yaml import shield

STRUCK: Final = '"***"'
"""In quotes: a bare star would be an alias, and what is shown is to be YAML still."""

_TOKENS: Final = {("admin", "token"), ("server", "override", "token")}
_CREDENTIAL: Final = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
_URL_WITH_PASSWORD: Final = re.compile(r"://[^/?#\s]*@")
_SECRETIVE: Final = ("token", "secret", "password", "notify", "authorization", "cookie")
_NEARNESS: Final = 0.7
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-)?\}")

Span = tuple[int, int]
"""Where a value begins in the text, and where it ends."""


@lru_cache(maxsize=1)
def strike_secrets(text: str) -> str:
    """``text``, a valid configuration, with `STRUCK` for each secret; empty when it is no YAML at all.

    Struck out are tokens, secrets that sign, the URLs of ``notify``, headers with credentials that are set, and URLs
    with a password; not what is taken from the environment. Each line keeps its number. A long text takes a second,
    and who watches asks for it again and again: the last one is remembered.
    """
    try:
        spans = sorted(set(_find_secrets(text)), reverse=True)
    except yaml.YAMLError:
        return ""
    return _strike(text, spans)


@lru_cache(maxsize=1)
def strike_refused(text: str) -> str:
    """A text that was refused, as far as it can be shown: up to where it is no YAML, secrets struck out.

    It may be refused as a name is mistyped, so values under names that are only near to a secret's are struck, too.
    """
    spans: set[Span] = set()
    end = 0
    try:
        for event_end, span in _read_spans(text, is_suspect):
            end = event_end
            spans |= {span} if span else set()
    except yaml.YAMLError:
        text = text[:end]
    return _strike(text, sorted(spans, reverse=True))


def _strike(text: str, spans: list[Span]) -> str:
    """``spans`` from the last to the first."""
    for start, end in spans:
        text = text[:start] + STRUCK + "\n" * text.count("\n", start, end) + text[end:]
    return text


def is_suspect(path: tuple[str, ...], value: str) -> bool:
    """Whether the value is a secret, or would be one under a name that is spelt nearly so."""
    if not value or _REFERENCE.fullmatch(value):
        return False
    return any(map(_is_near, path)) or is_secret(path, value)


@lru_cache(maxsize=4096)
def _is_near(key: str) -> bool:
    """To the name of a secret, or of one that is set in a header. The same few keys come again and again."""
    return bool(_CREDENTIAL.search(key) or get_close_matches(key.lower(), _SECRETIVE, 1, _NEARNESS))


def is_secret(path: tuple[str, ...], value: str) -> bool:
    """Whether the value under these keys, those of lists left out, is nobody's business."""
    if not value or _REFERENCE.fullmatch(value):
        return False
    if path in _TOKENS or _URL_WITH_PASSWORD.search(value):
        return True
    if path == ("store",):
        return strike_password(value) != value
    if path[:1] == ("notify",):
        return path[-1] != "events"
    is_signing = path[-1:] == ("secret",) and len(path) > 2  # noqa: PLR2004 - with two, it is something's name
    return is_signing or (path[-2:-1] == ("set",) and _CREDENTIAL.search(path[-1]) is not None)


class _Place:
    """A mapping or list that is being read; ``key`` is None in a list, and where a mapping's next key comes."""

    __slots__ = ("is_mapping", "key")

    def __init__(self, *, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.key: str | None = None


def _find_secrets(text: str) -> Iterator[Span]:
    return (span for _, span in _read_spans(text, is_secret) if span)


def _read_spans(text: str, is_hidden: Callable[[tuple[str, ...], str], bool]) -> Iterator[tuple[int, Span | None]]:
    """Of each event of ``text`` where it ends, and which value it says to be hidden."""
    loader = yaml.CSafeLoader(shield(text))
    shielded: dict[str, tuple[str, Span]] = {}
    places: list[_Place] = []
    while (event := loader.get_event()) is not None and not isinstance(event, yaml.StreamEndEvent):
        hidden = _take_event(event, text, places, shielded, is_hidden)
        yield (event.end_mark.index if event.end_mark else 0), hidden


def _take_event(
    event: yaml.Event,
    text: str,
    places: list[_Place],
    shielded: dict[str, tuple[str, Span]],
    is_hidden: Callable[[tuple[str, ...], str], bool],
) -> Span | None:
    """Keep account of where the reading is; the span of a value that is to be hidden."""
    if isinstance(event, yaml.CollectionStartEvent):
        places.append(_Place(is_mapping=isinstance(event, yaml.MappingStartEvent)))
        return None
    hidden: Span | None = None
    if isinstance(event, yaml.CollectionEndEvent):
        places.pop()
    elif isinstance(event, yaml.ScalarEvent):
        value, span = _read_scalar(event, text)
        if places and places[-1].is_mapping and places[-1].key is None:
            places[-1].key = value
            return None
        shielded[event.anchor or ""] = value, span
        hidden = span if is_hidden(_path_of(places), value) else None
    elif isinstance(event, yaml.AliasEvent) and event.anchor in shielded:
        value, span = shielded[event.anchor]
        hidden = span if is_hidden(_path_of(places), value) else None
    if places:
        places[-1].key = None
    return hidden


def _path_of(places: list[_Place]) -> tuple[str, ...]:
    return tuple(place.key for place in places if place.key is not None)


def _read_scalar(event: yaml.ScalarEvent, text: str) -> tuple[str, Span]:
    start, end = event.start_mark, event.end_mark
    assert start is not None  # noqa: S101 - only events made by hand lack it
    assert end is not None  # noqa: S101 - likewise
    written = text[start.index : end.index]
    # What was shielded has another value than text; references and URLs are recognized as they were written.
    return (written.strip("'\"") if "{" in written else event.value), (start.index, end.index)
