from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.heads import read_fields

HEAD = b"HTTP/1.1 200 OK: fine\r\nContent-Type:  text/html \r\nVary: A\r\nX-Odd: \xe9\r\nvary: B\r\nEmpty:\r\n\r\n"


def test_fields_are_found_by_lower_case_name() -> None:
    """White space around a value means nothing, and lines of one name are one list (RFC 9110, section 5.3)."""
    fields = read_fields(HEAD)

    assert fields["content-type"] == "text/html"
    assert fields["vary"] == "A, B"
    assert fields["x-odd"] == "é"
    assert fields["empty"] == ""
    assert "server" not in fields


@given(st.binary())
def test_any_bytes_can_be_read(head: bytes) -> None:
    """What makes no sense is no field."""
    read_fields(head)
