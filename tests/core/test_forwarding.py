"""Backends are told where a request came from, and nothing that an untrusted client made up about it."""

from __future__ import annotations

import pytest

from gateway.core.fields import read_fields
from gateway.core.forwarding import FieldRewrite, added_fields
from gateway.core.types import Arm, Rewrite

SAID = (b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: shop")


def added(*lines: bytes, trusted: bool, is_http11: bool = True) -> bytes:
    """What is added to a request with these lines from 9.9.9.9."""
    raw = b"".join(b"\r\n" + line for line in lines) + b"\r\n\r\n"
    return added_fields(read_fields(raw, is_http11=is_http11), b"9.9.9.9", b"http", trusted=trusted)


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [
        (True, b"\r\nX-Forwarded-For: 1.1.1.1, 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\r\n"),
        (False, b"\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a:8\r\n"),
    ],
)
def test_only_a_trusted_proxy_is_believed(trusted: bool, expected: bytes) -> None:
    """Its list is continued; anybody else's words are replaced."""
    assert added(b"Host: a:8", *SAID, trusted=trusted) == expected


def test_a_request_without_a_host_has_none_to_forward() -> None:
    """An empty field would be a lie."""
    assert b"X-Forwarded-Host" not in added(trusted=False, is_http11=False)


def test_framing_and_upgrades_are_written_anew() -> None:
    """The client's own lines were hop-by-hop."""
    assert added(b"Host: a", b"Transfer-Encoding: Chunked", trusted=False).startswith(
        b"\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For"
    )
    assert added(b"Host: a", b"Connection: upgrade", b"Upgrade: websocket", trusted=False).startswith(
        b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Forwarded-For"
    )


def test_a_rewrite_replaces_and_removes_fields_whatever_their_case() -> None:
    """What is set stands once, what is removed not at all."""
    rewrite = FieldRewrite(Rewrite(Arm.CANDIDATE, set_headers=(("X-New", "1"),), remove_headers=("X-Old",)))
    fields = read_fields(b"\r\nHost: a\r\nx-new: 0\r\nX-OLD: 2\r\nB: c\r\n\r\n", is_http11=True)

    assert rewrite.apply(fields) == b"\r\nHost: a\r\nB: c\r\nX-New: 1"
