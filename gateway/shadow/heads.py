"""The head of an answer as a mapping of its fields."""

from __future__ import annotations


def read_fields(head: bytes) -> dict[str, str]:
    """The values by lower-case name, without the white space around them.

    Lines of the same name are joined in their order (RFC 9110, section 5.3). Bytes beyond ASCII are read as Latin-1, so
    that none is lost. What is no field, as the status line, is not there.
    """
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            name, value = name.lower(), value.strip(" \t")
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
