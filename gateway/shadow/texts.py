"""Bytes as text: in the charset that they are said to be in, and as lines."""

from __future__ import annotations

import re
from typing import Final

# Charsets of the world's pages (encoding.spec.whatwg.org, section 4.2). Python knows more: some are no charsets at all.
_CHARSET: Final = re.compile(
    r"(?:utf-?(?:8|16|16le|16be|32|32le|32be)|(?:us-)?ascii|latin-?1|iso-8859-(?:[1-9]|1[0-6])|iso-2022-(?:jp|kr)"
    r"|windows-(?:125[0-8]|874)|cp(?:125[0-8]|437|850)|koi8-[ru]|shift_jis|euc-(?:jp|kr)|gb2312|gbk|gb18030|big5)"
)
_BOM: Final = "\ufeff"

MOST_LINES: Final = 200_000
"""Of a text; comparing more than that would take seconds."""


def decode_text(body: bytes, charset: str) -> str:
    """``body`` as text, without a byte order mark; UTF-8 where no charset is named.

    Raises ValueError for a charset that no page is written in, and for bytes that it does not have.
    """
    if charset and not _CHARSET.fullmatch(charset):
        raise ValueError(f"unknown charset {charset!r}")
    return body.decode(charset or "utf-8").removeprefix(_BOM)


def split_lines(text: str) -> list[str]:
    """The lines of ``text``, however they end; what follows the last end is a line, too.

    Raises ValueError where there are more than `MOST_LINES`.
    """
    lines = text.replace("\r\n", "\n").split("\n", MOST_LINES)
    if len(lines) > MOST_LINES:
        raise ValueError("too many lines")
    return lines
