"""The proof that copies are what was sent would notice if they were not."""

from __future__ import annotations

import random

import pytest

from tests.e2e.fidelity import Sent, find_changes, invent
from tests.e2e.shop import Asked

SENT = Sent("one", "POST", "/a%2Fb?c", (b"hOsT: shop.example", b"X-A:1", b"X-A:2"), b"hello", b"X-Sum: 7\r\n", (2, 3))
HEAD = (
    b"POST /a%2Fb?c HTTP/1.1\r\nhOsT: shop.example\r\nX-A:1\r\nX-A:2\r\nTransfer-Encoding: chunked\r\n"
    b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.example\r\n"
    b"X-Crossfade-Route: all\r\nX-Crossfade-Arm: candidate\r\nX-Crossfade-Shadow: 1\r\nIdempotency-Key: one\r\n"
    b"X-Request-ID: one\r\n\r\n"
)
BODY = b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"


def test_what_came_as_it_was_sent_is_no_change() -> None:
    """Though in chunks of another size."""
    assert find_changes(SENT, Asked(HEAD, BODY)) == []


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        (b"POST", b"PUT", "method"),
        (b"%2F", b"%2f", "target"),
        (b"hOsT", b"Host", "fields"),
        (b"X-A:1\r\nX-A:2", b"X-A:2\r\nX-A:1", "fields"),
        (b"X-A:1", b"X-A: 1", "fields"),
        (b"X-Crossfade-Shadow: 1\r\n", b"", "fields that are added"),
        (b"\r\n\r\n", b"\r\nX-More: 1\r\n\r\n", "fields that are added"),
        (b"hello", b"hellO", "body"),
        (b"X-Sum: 7", b"X-Sum: 8", "trailers"),
    ],
)
def test_every_change_is_found(before: bytes, after: bytes, part: str) -> None:
    """And in which part of the request it is."""
    changed = Asked(HEAD.replace(before, after), BODY.replace(before, after) if before in BODY else BODY)

    found = [change.split(": ")[1] for change in find_changes(SENT, changed)]
    assert found[:1] == [part]


def test_requests_of_every_shape_are_invented() -> None:
    """The same for the same seed."""
    dice = random.Random(1)
    sent = [invent(dice, f"{number}") for number in range(300)]

    assert {each.method for each in sent} == {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
    assert any(each.trailers for each in sent)
    assert any(len(each.chunks) == 2 for each in sent)
    assert any(each.content and not each.chunks for each in sent)
    assert invent(random.Random(1), "0") == sent[0]
