"""One request is answered once, whatever happens on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.core.types import AccessLog, Override
from tests.proxy.wiring import GET, OK, Wires, table

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


async def test_a_stale_connection_is_replaced_once_for_what_may_be_repeated(wires: Wires) -> None:
    """A pooled connection that closes before a byte of the answer: GET waits for a fresh one."""
    backend, _ = wires.backend(served=1)
    client, transport = wires.client()
    client.data_received(GET)

    backend.connection_lost(None)

    assert not transport.written
    assert client.exchange is not None
    assert client.exchange.is_waiting


@pytest.mark.parametrize(
    ("request_bytes", "served", "received"),
    [
        (GET, 0, b""),
        (GET, 1, b"HTTP/1.1 2"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 1, b""),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 1, b""),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 1, b""),
    ],
)
async def test_what_may_have_had_an_effect_is_not_sent_again(
    wires: Wires, request_bytes: bytes, served: int, received: bytes
) -> None:
    """A fresh connection, a begun answer, a method with effects, a consumed body: 502."""
    backend, _ = wires.backend(served=served)
    client, transport = wires.client()
    client.data_received(request_bytes)
    if received:
        backend.data_received(received)

    backend.connection_lost(ConnectionResetError())

    assert transport.written.startswith(b"HTTP/1.1 502 ")


async def test_an_answer_that_breaks_off_breaks_the_connection(wires: Wires) -> None:
    """The client must not take it for the whole."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)
    backend.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")

    backend.connection_lost(None)

    assert transport.is_aborted
    assert wires.plane.generation.in_flight == 0


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


async def test_a_client_that_is_gone_takes_the_backend_s_connection_along(wires: Wires) -> None:
    """Its answer is for nobody, and must not be taken for the next one's."""
    _, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)

    client.connection_lost(None)

    assert upstream.is_aborted
    assert wires.pool.endpoints[0].idle == []
    assert wires.pool.endpoints[0].in_flight == wires.plane.generation.in_flight == 0


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
