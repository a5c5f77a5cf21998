"""Multipart bodies as values (RFC 2046, section 5.1; forms: RFC 7578), whatever their boundaries are.

A form is an object of its fields, each a list of the parts that bear its name: ``$.avatar[*].content``. Everything else
is a list of parts: ``$[*].content``. A part has

- ``content``: as its own type says, read by whoever reads whole bodies; a part that names no type is a text;
- ``type`` and ``filename``, where it names them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.shadow.content_types import ContentType, read_content_type
from gateway.shadow.heads import read_fields
from gateway.shadow.texts import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[bytes, str], object]
    """The value of a part's content, by its ``Content-Type``."""

_MOST_PARTS: Final = 1000

# What may stand between a boundary and the end of its line (RFC 2046, section 5.1.1).
_BOUNDARY_END: Final = re.compile(rb"[ \t]*\r\n")


def read_multipart(body: bytes, content_type: ContentType, read: Read) -> object:
    """The parts of a body. Raises ValueError where it is not what its type says."""
    parts = _split(body, content_type.parameters.get("boundary", ""))
    if content_type.name != "multipart/form-data":
        return [_read_part(part, read)[1] for part in parts]
    fields: dict[str, list[object]] = {}
    for part in parts:
        name, value = _read_part(part, read)
        if name is None:
            raise ValueError("a part of a form without a name")
        fields.setdefault(name, []).append(value)
    return fields


def _split(body: bytes, boundary: str) -> list[bytes]:
    """The parts, each from the line behind its boundary to the line before the next."""
    if not boundary:
        raise ValueError("no boundary")
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(delimiter, _MOST_PARTS + 2)
    _, *parts, epilogue = pieces
    if len(parts) > _MOST_PARTS or not epilogue.startswith(b"--"):
        raise ValueError("too many parts, or an end without a boundary")
    return [_cut_boundary(part) for part in parts]


def _cut_boundary(part: bytes) -> bytes:
    end = _BOUNDARY_END.match(part)
    if end is None:
        raise ValueError("a boundary that goes on")
    return part[end.end() :]


def _read_part(part: bytes, read: Read) -> tuple[str | None, dict[str, object]]:
    """The name of a part's field, and what is compared of it."""
    head, content = _take_head(part)
    fields = read_fields(head)
    disposition = read_content_type(fields.get("content-disposition", "")).parameters
    field = fields.get("content-type", "")
    value: dict[str, object] = {"type": read_content_type(field).name} if field else {}
    if "filename" in disposition:
        value["filename"] = disposition["filename"]
    value["content"] = read(content, field) if field else _read_text(content)
    return disposition.get("name"), value


def _take_head(part: bytes) -> tuple[bytes, bytes]:
    if part.startswith(b"\r\n"):
        return b"", part[2:]
    head, end, content = part.partition(b"\r\n\r\n")
    if not end:
        raise ValueError("a part without an end to its head")
    return head, content


def _read_text(content: bytes) -> str:
    return decode_text(content, "").replace("\r\n", "\n")
