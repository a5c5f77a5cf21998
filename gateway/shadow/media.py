"""What a body is, and its value: something that can be walked, and in which a path names a place.

==========  ======================================================  ====================================================
media       content types                                           value
==========  ======================================================  ====================================================
json        ``application/json``, ``text/json``, ``*+json``         what it says (`gateway.shadow.jsons`)
json        NDJSON, JSON lines, ``application/json-seq``            the list of its values
form        ``application/x-www-form-urlencoded``                   an object of lists: all values of each name
multipart   ``multipart/*``                                         see `gateway.shadow.multipart`
xml         ``application/xml``, ``text/xml``, ``*+xml``            see `gateway.shadow.markup`; else as text
text        ``text/*`` and scripts                                  the list of its lines; CR LF is as good as LF
bytes       everything else, and what is not what its type says     the bytes
==========  ======================================================  ====================================================

A body without a type is taken for JSON if it can be read so, else for bytes. Whatever its type, one of hundreds of
thousands of small values is bytes, too (XML: text): nobody answers so but to keep the comparer busy.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl

from gateway.shadow.content_types import ContentType, read_content_type
from gateway.shadow.jsons import read_json, read_json_lines
from gateway.shadow.markup import read_xml
from gateway.shadow.multipart import read_multipart
from gateway.shadow.texts import decode_text, split_lines

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST: Final = 3
"""Multipart bodies within multipart bodies; those deeper inside are bytes."""

_MOST_FIELDS: Final = 10_000
"""Of a form; one with more is bytes."""

_JSON_LINES: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/json-seq",
    }
)
_TEXTS: Final = frozenset({"application/javascript", "application/ecmascript", "application/yaml"})


class Media(StrEnum):
    """See the module."""

    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    XML = "xml"
    TEXT = "text"
    BYTES = "bytes"


class Document(NamedTuple):
    """A body that has been read."""

    media: Media
    value: object


def read_document(body: bytes, field: str, depth: int = 0) -> Document:
    """The document in a body whose ``Content-Type`` is ``field``. Never raises."""
    content_type = read_content_type(field)
    media = find_media(content_type.name, body)
    if not body:
        return Document(Media.BYTES, body)
    try:
        return Document(media, _READERS[media](body, content_type, depth))
    except (ValueError, RecursionError):
        is_text = media is Media.XML
        return read_document(body, "text/plain", depth) if is_text else Document(Media.BYTES, body)


def find_media(name: str, body: bytes) -> Media:
    """By the ``name`` of its content type what ``body`` should be."""
    if name.endswith(("/json", "+json")) or name in _JSON_LINES:
        return Media.JSON
    if not name:
        return Media.JSON if body.lstrip()[:1] in (b"{", b"[") else Media.BYTES
    if name.endswith(("/xml", "+xml")):
        return Media.XML
    if name.startswith("multipart/"):
        return Media.MULTIPART
    if name == "application/x-www-form-urlencoded":
        return Media.FORM
    return Media.TEXT if name.startswith("text/") or name in _TEXTS else Media.BYTES


def seal(body: bytes) -> str:
    """What stands for bytes that are compared as such; equal for equal bytes only (FIPS 180-4)."""
    return hashlib.sha256(body).hexdigest()


def _read_json(body: bytes, content_type: ContentType, _depth: int) -> object:
    read = read_json_lines if content_type.name in _JSON_LINES else read_json
    return read(body, content_type.charset)


def _read_form(body: bytes, content_type: ContentType, _depth: int) -> object:
    charset = content_type.charset
    decode_text(b"", charset)  # is it one?
    text = body.decode("latin-1")
    pairs = parse_qsl(
        text, keep_blank_values=True, encoding=charset or "utf-8", errors="strict", max_num_fields=_MOST_FIELDS
    )
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _read_multipart(body: bytes, content_type: ContentType, depth: int) -> object:
    if depth == _DEEPEST:
        raise ValueError("nested too deep")

    def read(content: bytes, field: str) -> object:
        document = read_document(content, field, depth + 1)
        return f"{len(content)} bytes, {seal(content)}" if document.media is Media.BYTES else document.value

    return read_multipart(body, content_type, read)


def _read_xml(body: bytes, content_type: ContentType, _depth: int) -> object:
    return read_xml(body, content_type.charset)


def _read_text(body: bytes, content_type: ContentType, _depth: int) -> object:
    return split_lines(decode_text(body, content_type.charset))


def _read_bytes(body: bytes, _content_type: ContentType, _depth: int) -> object:
    return body


_READERS: Final[dict[Media, Callable[[bytes, ContentType, int], object]]] = {
    Media.JSON: _read_json,
    Media.FORM: _read_form,
    Media.MULTIPART: _read_multipart,
    Media.XML: _read_xml,
    Media.TEXT: _read_text,
    Media.BYTES: _read_bytes,
}
