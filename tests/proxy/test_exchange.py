"""One request is answered once, whatever happens on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.core.types import (
    AccessLog,
    Arm,
    Hash,
    KeyKind,
    KeySource,
    Match,
    MissingKey,
    Mode,
    Override,
    Rewrite,
    Rollout,
    Route,
)
from tests.proxy.wiring import GET, OK, Wires, table, until

if TYPE_CHECKING:
    from tests.proxy.wiring import MemoryTransport

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def body_of(transport: MemoryTransport) -> bytes:
    """Of the answer that was just written."""
    return transport.take().partition(b"\r\n\r\n")[2]


async def test_an_answer_passes_and_both_connections_are_kept(wires: Wires) -> None:
    """Head and body leave in one piece, with the request's ID."""
    backend, upstream = wires.backend()
    client, transport = wires.client()

    client.data_received(GET)
    sent = upstream.take()
    backend.data_received(OK)

    answer = transport.take()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: ")
    assert answer.endswith(b"\r\n\r\nok")
    request_id = answer.split(b"X-Request-ID: ")[1][:32]
    assert b"X-Crossfade-Route: all\r\nX-Crossfade-Arm: baseline\r\nX-Request-ID: " + request_id in sent
    assert wires.pool.endpoints[0].idle == [backend]
    assert wires.pool.endpoints[0].in_flight == wires.plane.generation.in_flight == 0


@pytest.mark.parametrize(
    ("version", "answer", "expected", "is_kept"),
    [
        (b"1.1", CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", True),
        (b"1.0", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", b"abc", False),
    ],
)
async def test_chunks_are_framed_anew_for_those_who_know_them(
    wires: Wires, version: bytes, answer: bytes, expected: bytes, is_kept: bool
) -> None:
    """HTTP/1.0 gets the payload, and the end of the connection as its end."""
    backend, _ = wires.backend()
    client, transport = wires.client()

    client.data_received(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n")
    backend.data_received(answer)

    assert body_of(transport) == expected
    assert transport.is_closed is not is_kept


async def test_a_body_that_ends_with_its_connection_becomes_chunks(wires: Wires) -> None:
    """So that its end is not taken from a connection that broke."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(b"HTTP/1.1 200 OK\r\n\r\nabc")
    backend.data_received(b"de")
    backend.eof_received()

    assert body_of(transport) == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert not transport.is_closed


async def test_interim_answers_pass_before_the_last(wires: Wires) -> None:
    """100 and 103, to those who know them."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)

    assert transport.written.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_an_answer_before_the_request_is_whole_ends_both_connections(wires: Wires) -> None:
    """It passes, says so, and what still comes of the body is thrown away."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")

    backend.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
    client.data_received(b"defghi")

    assert b"\r\nConnection: close\r\n" in transport.written
    assert transport.has_ended
    assert upstream.is_aborted
    assert b"ghi" not in upstream.written


async def test_a_switch_of_protocols_makes_a_tunnel(wires: Wires) -> None:
    """What each side said too early is not lost; the exchange settles when the tunnel is over."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly")
    upstream.take()

    backend.data_received(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
    client.data_received(b"late")

    assert transport.written.endswith(b"\r\n\r\nhello")
    assert upstream.written == b"earlylate"
    assert wires.plane.generation.in_flight == 1
    backend.connection_lost(None)
    assert transport.is_closed
    assert wires.plane.generation.in_flight == 0


async def test_a_switch_that_nobody_asked_for_is_an_error(wires: Wires) -> None:
    """It would open the connection to whatever follows."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")

    assert transport.written.startswith(b"HTTP/1.1 502 ")


async def test_an_exposed_decision_and_an_override_show_in_the_answer() -> None:
    """``server.expose`` names route, arm and reason."""
    wires = Wires(table(expose=True, override=Override(("127.0.0.1",), "")))
    backend, upstream = wires.backend()
    client, transport = wires.client()

    client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nX-Crossfade-Arm: candidate\r\n\r\n")
    backend.data_received(OK)

    assert (
        b"X-Crossfade-Route: all\r\nX-Crossfade-Arm: baseline\r\nX-Crossfade-Reason: no_rollout\r\n"
        in transport.written
    )
    assert upstream.written.count(b"X-Crossfade-Arm") == 1
    await wires.plane.drain(0)


async def test_every_request_is_logged_once_where_all_are(capfd: pytest.CaptureFixture[str]) -> None:
    """Answered, failed, or left by its client."""
    wires = Wires(table(access_log=AccessLog.ALL))
    for ending in ("answer", "failure", "leaving"):
        backend, _ = wires.backend()
        client, _ = wires.client()
        client.data_received(GET.replace(b"/a", f"/{ending}".encode()))
        if ending == "answer":
            backend.data_received(OK)
            wires.pool.endpoints[0].idle.clear()
        elif ending == "failure":
            backend.connection_lost(None)
        client.connection_lost(None)

    await wires.plane.drain(0)

    assert [line.split('"target":"')[1].split('"')[0] for line in capfd.readouterr().out.splitlines()] == [
        "/answer",
        "/failure",
        "/leaving",
    ]


async def test_without_a_route_there_is_an_answer_and_the_connection_stays() -> None:
    """404: nothing is wrong with the connection."""
    wires = Wires(table(routes=(Route("shop", Match(("/shop",)), "legacy"),)))
    client, transport = wires.client()

    client.data_received(GET + GET)
    await until(lambda: transport.written.count(b"HTTP/1.1 404 ") == 2, wires.plane.loop)

    assert not transport.is_closed
    await wires.plane.drain(0)


@pytest.mark.parametrize(("token", "is_kept"), [(b"Connection: keep-alive\r\n", True), (b"", False)])
async def test_http_1_0_keeps_its_connection_only_when_it_asks_to(wires: Wires, token: bytes, is_kept: bool) -> None:
    """The answer says which. Without a Host, the backend gets its own address as one."""
    connection, upstream = wires.backend()
    client, transport = wires.client()

    client.data_received(b"GET / HTTP/1.0\r\n" + token + b"\r\n")
    connection.data_received(OK)

    assert (b"\r\nConnection: keep-alive\r\n" in transport.written) is is_kept
    assert transport.is_closed is not is_kept
    assert b"\r\nHost: 127.0.0.1:9001\r\n" in upstream.written


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_has_no_body_ends_with_its_head(wires: Wires, answer: bytes) -> None:
    """Whatever it says about one; both connections go on."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    connection.data_received(answer)

    assert transport.take().endswith(b"\r\n\r\n")
    assert not transport.is_closed
    assert wires.pool.endpoints[0].idle == [connection]


@pytest.mark.parametrize("framing", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
async def test_the_answer_to_head_has_no_body_but_says_how_it_would_be_framed(wires: Wires, framing: bytes) -> None:
    """The length is that of the answer to GET."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET.replace(b"GET", b"HEAD"))

    connection.data_received(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")

    assert framing in transport.written
    assert transport.written.endswith(b"\r\n\r\n")
    assert wires.pool.endpoints[0].idle == [connection]


async def test_a_large_answer_is_passed_without_being_copied_to_its_head(wires: Wires) -> None:
    """It arrives as it was sent."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000)

    assert body_of(transport) == b"x" * 40_000
    assert wires.pool.endpoints[0].idle == [connection]


def crossfade(**changes: object) -> tuple[Rollout, Route]:
    """Everybody takes the candidate, by user; the route is changed."""
    user = ((KeySource(KeyKind.HEADER, "X-User-ID"),),)
    rollout = Rollout("shop", Mode.LIVE, user, MissingKey.COOKIE, "shop", Hash.MURMUR3, (), 100.0)
    route = Route("shop", Match(("/shop/**",)), "legacy", "legacy", "shop", **changes)  # type: ignore[arg-type]
    return rollout, route


async def test_a_rewrite_changes_the_path_and_the_fields_that_one_arm_gets() -> None:
    """The query stays; what is set replaces what came."""
    rewrite = Rewrite(Arm.CANDIDATE, "/v2/**", (("X-Version", "2"),), ("X-Debug",))
    rollout, route = crossfade(rewrites=(rewrite,))
    wires = Wires(table(routes=(route,), rollouts=(rollout,)))
    _, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(
        b"GET /shop/list?page=2 HTTP/1.1\r\nHost: a\r\nX-User-ID: 7\r\nX-Debug: 1\r\nX-Version: 1\r\n\r\n"
    )

    assert upstream.written.startswith(b"GET /v2/list?page=2 HTTP/1.1\r\n")
    assert b"X-Debug" not in upstream.written
    assert upstream.written.count(b"X-Version") == upstream.written.count(b"X-Version: 2\r\n") == 1
    assert b"X-Crossfade-Arm: candidate\r\n" in upstream.written
    await wires.plane.drain(0)


@pytest.mark.parametrize("is_tls", [True, False])
async def test_a_client_without_a_key_is_issued_one(is_tls: bool) -> None:
    """As a cookie for a year; over TLS, for TLS only."""
    rollout, route = crossfade()
    wires = Wires(table(routes=(route,), rollouts=(rollout,)))
    connection, _ = wires.backend()
    client, transport = wires.client(is_tls=is_tls)

    client.data_received(b"GET /shop/ HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.data_received(OK)
    cookie = next(line for line in transport.written.split(b"\r\n") if line.startswith(b"Set-Cookie: "))

    assert b"crossfade_key=" in cookie
    assert b"Max-Age=31536000; HttpOnly; SameSite=Lax" in cookie
    assert cookie.endswith(b"; Secure") is is_tls
    await wires.plane.drain(0)
