"""What the gateway adds to an answer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.core.types import MissingKey
from gateway.proxy.answer import optional_fields
from tests.proxy.pair import ALWAYS, Pair, pair_table
from tests.proxy.wiring import OK


@pytest.mark.parametrize("is_exposing", [False, True])
async def test_what_is_exposed_is_route_arm_and_reason(is_exposing: bool) -> None:
    """Only where the configuration says so."""
    pair = Pair(expose=is_exposing)
    pair.ask()
    exchange = pair.clients[-1].exchange
    assert exchange is not None

    expected = b"X-Crossfade-Route: all\r\nX-Crossfade-Arm: candidate\r\nX-Crossfade-Reason: split\r\n"
    assert optional_fields(exchange) == (expected if is_exposing else b"")


async def test_a_key_that_was_issued_is_sent_as_a_cookie() -> None:
    """With the attributes of the documentation."""
    pair = Pair()
    pair.adopt(pair_table(rollout=replace(ALWAYS, key=(), on_missing_key=MissingKey.COOKIE)))
    client = pair.ask()
    pair.candidate.data_received(OK)

    cookie = client.written.split(b"Set-Cookie: crossfade_key=")[1].split(b"\r\n")[0]
    assert cookie.endswith(b"; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")


async def test_a_body_of_unknown_length_is_framed_for_the_client_s_version() -> None:
    """In chunks for HTTP/1.1, ended by closing for HTTP/1.0."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    pair = Pair()
    new = pair.ask()
    pair.candidate.data_received(answer)
    old = pair.send(b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n")
    pair.candidate.data_received(answer)

    assert new.written.endswith(b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert b"Transfer-Encoding" not in old.written
    assert old.is_closed
