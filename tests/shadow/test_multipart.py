from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.content_types import read_content_type
from gateway.shadow.multipart import read_multipart

FORM = read_content_type("multipart/form-data; boundary=xyz")
MIXED = read_content_type("multipart/mixed; boundary=xyz")


def read(content: bytes, field: str) -> object:
    """Tells what it was given."""
    return field, content


def write(*parts: bytes) -> bytes:
    return b"".join(b"--xyz\r\n%b\r\n" % part for part in parts) + b"--xyz--\r\n"


def test_a_form_is_an_object_of_its_fields() -> None:
    """Each a list, as a name may come more than once; a part without a type is a text."""
    body = write(
        b'Content-Disposition: form-data; name="who"\r\n\r\nJane\r\nDoe',
        b'content-disposition: form-data; name=file; filename="a.json"\r\ncontent-type: application/json\r\n\r\n{}',
        b'Content-Disposition: form-data; name="who"\r\n\r\n',
    )

    assert read_multipart(body, FORM, read) == {
        "who": [{"content": "Jane\nDoe"}, {"content": ""}],
        "file": [{"type": "application/json", "filename": "a.json", "content": ("application/json", b"{}")}],
    }


def test_everything_else_is_a_list_of_parts() -> None:
    """In their order; a part may have no head, and what stands around the parts means nothing."""
    body = b"preamble\r\n" + write(b"\r\none", b"Content-Type: text/html; charset=utf-8\r\n\r\ntwo") + b"epilogue"

    assert read_multipart(body, MIXED, read) == [
        {"content": "one"},
        {"type": "text/html", "content": ("text/html; charset=utf-8", b"two")},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz\r\n\r\none",
        b"--xyz\r\nno end of head\r\n--xyz--",
        b"--xyzz\r\n\r\none\r\n--xyz--",
        write(*[b"\r\n"] * 1001),
    ],
)
def test_what_is_not_put_together_as_it_says_is_refused(body: bytes) -> None:
    """Half a body, a boundary that goes on, more parts than anybody sends."""
    with pytest.raises(ValueError):
        read_multipart(body, MIXED, read)


def test_a_form_needs_names_and_a_boundary() -> None:
    """Without them there is nothing to compare by."""
    with pytest.raises(ValueError):
        read_multipart(write(b"\r\none"), FORM, read)
    with pytest.raises(ValueError):
        read_multipart(write(b"\r\none"), read_content_type("multipart/mixed"), read)


@given(st.lists(st.sampled_from([b"--xyz", b"--", b"\r\n", b"a: b", b"\xff", b'content-disposition: a; name="n"'])))
def test_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    """Nothing else comes of any of them."""
    for content_type in (FORM, MIXED):
        try:
            read_multipart(b"".join(pieces), content_type, read)
        except ValueError:
            continue
