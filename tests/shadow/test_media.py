from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.media import Media, read_document, seal

FORM = "application/x-www-form-urlencoded"
TYPES = [
    "",
    "application/json",
    "application/x-ndjson",
    FORM,
    "multipart/form-data; boundary=x",
    "multipart/mixed; boundary=x",
    "application/xml",
    "text/plain",
    "text/html; charset=utf-16",
    "image/png",
]


@pytest.mark.parametrize(
    ("field", "body", "media", "value"),
    [
        ("application/json", b'{"a":1}', Media.JSON, {"a": 1}),
        ("application/problem+json; charset=utf-8", b"[1]", Media.JSON, [1]),
        ("text/json", b"null", Media.JSON, None),
        ("application/x-ndjson", b"1\n2", Media.JSON, [1, 2]),
        ("application/json-seq", b"\x1e1\n\x1e2\n", Media.JSON, [1, 2]),
        ("", b' {"a":1}', Media.JSON, {"a": 1}),
        ("", b"{a", Media.BYTES, b"{a"),
        ("", b"text", Media.BYTES, b"text"),
        ("application/json", b"<html>", Media.BYTES, b"<html>"),
        (FORM, b"a=1&b=%C3%A9+x&a=2&c=", Media.FORM, {"a": ["1", "2"], "b": ["é x"], "c": [""]}),
        (FORM, b"a=%FF", Media.BYTES, b"a=%FF"),
        ("application/soap+xml", b"<a>1</a>", Media.XML, {"a": "1"}),
        ("text/xml", b"<a>1", Media.TEXT, ["<a>1"]),
        ("text/xml", b"<a>\xff", Media.BYTES, b"<a>\xff"),
        ("text/html; charset=iso-8859-1", b"caf\xe9\r\n", Media.TEXT, ["café", ""]),
        ("application/javascript", b"a", Media.TEXT, ["a"]),
        ("text/html", b"\xff", Media.BYTES, b"\xff"),
        ("image/png", b"\x89PNG", Media.BYTES, b"\x89PNG"),
        ("application/json", b"", Media.BYTES, b""),
    ],
)  # fmt: skip
def test_a_body_is_what_its_type_says_if_it_can_be(field: str, body: bytes, media: Media, value: object) -> None:
    """And bytes if it cannot."""
    assert read_document(body, field) == (media, value)


def test_parts_are_read_by_their_own_types() -> None:
    """A part of JSON is JSON; of other bytes a hash stands for them."""
    body = b"--x\r\ncontent-type: application/json\r\n\r\n[1]\r\n--x\r\ncontent-type: image/png\r\n\r\n\xff\r\n--x--"

    assert read_document(body, "multipart/mixed; boundary=x") == (
        Media.MULTIPART,
        [
            {"type": "application/json", "content": [1]},
            {"type": "image/png", "content": "1 bytes, " + seal(b"\xff")},
        ],
    )


def test_parts_within_parts_have_an_end() -> None:
    """Three levels down a multipart body is bytes."""
    body, field = b"core", "text/plain"
    for depth in range(5):
        body = b"--%d\r\ncontent-type: %b\r\n\r\n%b\r\n--%d--" % (depth, field.encode(), body, depth)
        field = f"multipart/mixed; boundary={depth}"

    document = read_document(body, field)

    assert document.media is Media.MULTIPART
    assert " bytes, " in repr(document.value)


def test_json_that_nests_without_end_is_bytes() -> None:
    """No recursion is deep enough for those who mean harm."""
    body = b"[" * 200_000

    assert read_document(body, "application/json") == (Media.BYTES, body)


@given(st.binary(max_size=60), st.sampled_from(TYPES))
def test_no_bytes_whatever_raise(body: bytes, field: str) -> None:
    """There is always something to compare."""
    read_document(body, field)
