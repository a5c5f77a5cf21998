from __future__ import annotations

import pytest

from gateway.shadow.texts import MOST_LINES, decode_text, split_lines


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"caf\xc3\xa9", "", "café"),
        (b"caf\xe9", "iso-8859-1", "café"),
        (b"caf\xe9", "windows-1252", "café"),
        (b"\xef\xbb\xbfabc", "utf-8", "abc"),
        ("abc".encode("utf-16"), "utf-16", "abc"),
        ("日本".encode("shift_jis"), "shift_jis", "日本"),
    ],
)
def test_bytes_are_read_in_the_charset_that_they_are_in(body: bytes, charset: str, text: str) -> None:
    """The same text in two charsets is the same text."""
    assert decode_text(body, charset) == text


@pytest.mark.parametrize(
    ("body", "charset"),
    [(b"\xff", ""), (b"a", "rot13"), (b"a", "unicode_escape"), (b"a", "zlib"), (b"\xe9", "us-ascii")],
)
def test_what_no_page_is_written_in_is_no_text(body: bytes, charset: str) -> None:
    """Python's codecs that are no charsets are out of a backend's reach."""
    with pytest.raises(ValueError):
        decode_text(body, charset)


def test_lines_end_with_lf_or_cr_lf() -> None:
    """And the last need not end at all, which is a difference to one that does."""
    assert split_lines("a\r\nb\nc\x0bd") == ["a", "b", "c\x0bd"]
    assert split_lines("a\n") == ["a", ""]


def test_more_lines_than_anybody_reads_are_refused() -> None:
    """Comparing them would take seconds."""
    assert len(split_lines("\n" * (MOST_LINES - 1))) == MOST_LINES
    with pytest.raises(ValueError):
        split_lines("\n" * MOST_LINES)
