"""A client's connection: heads and bodies in whatever pieces they come, pipelines, and ends."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from gateway.core.types import Limits
from tests.proxy.wiring import GET, OK, Wires, table, turn_over

if TYPE_CHECKING:
    from tests.proxy.wiring import MemoryTransport

UPLOAD = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"


def statuses(written: bytes) -> list[int]:
    """Of all answers that were written."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", written)]


def has_refused(transport: MemoryTransport, status: int) -> bool:
    """Whether the client was answered so, and told that nothing more will come."""
    answer = transport.take()
    return statuses(answer) == [status] and b"\r\nConnection: close\r\n" in answer and transport.has_ended


# Heads.


@pytest.mark.parametrize("at", range(1, len(GET)))
async def test_a_head_may_come_in_any_two_pieces(wires: Wires, at: int) -> None:
    """Where the network cuts is nobody's business."""
    _, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(GET[:at])
    client.data_received(GET[at:])

    assert upstream.written.startswith(b"GET /a HTTP/1.1\r\n")


async def test_a_connection_serves_one_request_after_the_other(wires: Wires) -> None:
    """Both sides are kept: the next request finds them as the one before has left them."""
    connection, upstream = wires.backend()
    client, transport = wires.client()

    for _ in range(4):
        client.data_received(GET)
        connection.data_received(OK)

    assert statuses(transport.written) == [200] * 4
    assert upstream.written.count(b"GET /a HTTP/1.1\r\n") == 4


async def test_an_empty_line_before_a_request_is_ignored(wires: Wires) -> None:
    """Some clients end a body with one CR LF too many (RFC 9112, section 2.2)."""
    _, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(b"\r\n")
    client.data_received(GET)

    assert upstream.written.startswith(b"GET /a HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /#here HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
async def test_what_is_ambiguous_is_refused_and_the_connection_ends(wires: Wires, head: bytes) -> None:
    """Nothing of it reaches the backend, and nothing behind it is taken for another request."""
    _, upstream = wires.backend()
    client, transport = wires.client()

    client.data_received(head + GET)
    client.data_received(GET)

    assert has_refused(transport, 400)
    assert not upstream.written


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\r\r", b"\x16\x03\x01\x02\0\x01"]
)
@pytest.mark.parametrize("is_split", [False, True])
async def test_a_head_that_could_never_end_is_refused_at_once(wires: Wires, head: bytes, is_split: bool) -> None:
    """Whose lines end in a bare LF, or who speaks TLS here, would otherwise hear of it when its time is over."""
    client, transport = wires.client()

    for piece in [bytes([byte]) for byte in head] if is_split else [head]:
        client.data_received(piece)

    assert has_refused(transport, 400)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_a_head_over_the_bound_is_refused_whole_or_not(wires: Wires, end: bytes) -> None:
    """Nobody can make the gateway keep more than ``limits.header_bytes``."""
    client, transport = wires.client()

    client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + end)

    assert has_refused(transport, 431)


async def test_a_head_that_takes_too_long_is_refused(wires: Wires) -> None:
    """``timeouts.header`` counts from the first byte: a few bytes now and then don't prolong it."""
    client, transport = wires.client()

    for piece in (b"GET /a HT", b"TP/1.1\r\n", b"Host: a\r\n"):
        client.data_received(piece)
        wires.pass_time(4)

    assert has_refused(transport, 408)


async def test_an_idle_connection_is_closed_without_a_word(wires: Wires) -> None:
    """Between requests, an answer would be taken for that to the next one."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)
    connection.data_received(OK)
    transport.take()

    wires.pass_time(61)

    assert transport.is_closed
    assert not transport.written


async def test_a_busy_connection_is_not_idle(wires: Wires) -> None:
    """The clock starts anew with every answer, and stands still while one is awaited."""
    connection, _ = wires.backend()
    client, transport = wires.client()

    for _ in range(3):
        client.data_received(GET)
        wires.pass_time(25)
        connection.data_received(OK)
        wires.pass_time(50)

    assert not transport.is_closed


async def test_a_refusal_is_a_problem_document(wires: Wires) -> None:
    """Also where nothing of the request could be read."""
    client, transport = wires.client()

    client.data_received(b"nonsense\r\n\r\n")
    head, _, body = transport.written.partition(b"\r\n\r\n")

    assert json.loads(body)["status"] == 400
    assert b"X-Request-ID: " + json.loads(body)["request_id"].encode() in head


# Pipelines.


async def test_pipelined_requests_are_answered_in_order(wires: Wires) -> None:
    """Each is sent when the one before has its answer."""
    connection, upstream = wires.backend()
    client, transport = wires.client()

    client.data_received(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(3)))
    for number in range(3):
        await turn_over()
        assert upstream.take().startswith(b"GET /%d " % number)
        connection.data_received(b"HTTP/1.1 20%d OK\r\nContent-Length: 0\r\n\r\n" % number)

    assert statuses(transport.written) == [200, 201, 202]


# Bodies.


async def test_a_body_is_sent_on_as_it_comes(wires: Wires) -> None:
    """Piece by piece; what follows it is the next request."""
    connection, upstream = wires.backend()
    client, _ = wires.client()

    client.data_received(UPLOAD + b"01234")
    assert upstream.take().endswith(b"\r\n\r\n01234")
    client.data_received(b"56789" + GET)
    assert upstream.take() == b"56789"
    connection.data_received(OK)
    await turn_over()

    assert upstream.written.startswith(b"GET /a ")


async def test_a_chunked_body_is_framed_anew(wires: Wires) -> None:
    """The gateway's own chunks, and the trailers that may pass."""
    _, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(CHUNKED)
    upstream.take()

    client.data_received(b"3;ext=1\r\nab")
    client.data_received(b"c\r\n0\r\nX-Sum: 7\r\nHost: evil\r\n\r\n")

    assert upstream.written == b"2\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 7\r\n\r\n"


async def test_a_malformed_chunk_ends_both_connections(wires: Wires) -> None:
    """The backend has seen half a request."""
    _, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(CHUNKED)

    client.data_received(b"zz\r\n")

    assert has_refused(transport, 400)
    assert upstream.is_aborted


@pytest.mark.parametrize("upload", [UPLOAD, CHUNKED + b"a\r\n0123456789\r\n"])
async def test_a_body_over_the_bound_is_refused(upload: bytes) -> None:
    """At once when its length is announced, else as soon as it is too much."""
    wires = Wires(table(limits=Limits(32768, 100, 9, 3)))
    _, upstream = wires.backend()
    client, transport = wires.client()

    client.data_received(upload)

    assert has_refused(transport, 413)
    assert b"0123456789" not in upstream.written
    await wires.plane.drain(0)


async def test_a_body_that_stops_coming_is_the_client_s_fault(wires: Wires) -> None:
    """``timeouts.idle`` without a byte of it: 408, and no failure of the backend's."""
    _, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(UPLOAD)

    wires.pass_time(40)
    client.data_received(b"0123")
    wires.pass_time(40)
    assert not transport.written
    wires.pass_time(61)

    assert has_refused(transport, 408)
    assert upstream.is_aborted
    assert wires.pool.endpoints[0].failures == 0


async def test_answered_before_its_body_was_sent_a_client_is_heard_out(wires: Wires) -> None:
    """An immediate close would reset the connection and take the answer with it (RFC 9112, section 9.6)."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(UPLOAD)

    connection.data_received(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert has_refused(transport, 403)
    client.data_received(b"0123456789" + GET)
    assert not transport.is_closed
    wires.pass_time(3)

    assert transport.is_aborted


# Ends.


@pytest.mark.parametrize("count", [1, 2])
async def test_half_closed_behind_its_requests_a_client_gets_all_answers(wires: Wires, count: int) -> None:
    """Some shut their direction down as soon as they have asked."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET * count)

    assert client.eof_received()
    for _ in range(count):
        connection.data_received(OK)
        await turn_over()

    assert statuses(transport.written) == [200] * count
    assert transport.is_closed


async def test_half_closed_within_a_head_the_rest_is_dropped(wires: Wires) -> None:
    """The whole request before it is answered."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET + GET[:-10])

    client.eof_received()
    connection.data_received(OK)
    await turn_over()

    assert statuses(transport.written) == [200]
    assert transport.is_closed


async def test_half_closed_within_its_first_head_a_client_has_left(wires: Wires) -> None:
    """The head can't become whole any more: nobody keeps a connection open for as long as one may take."""
    client, _ = wires.client()
    client.data_received(GET[:-10])

    assert not client.eof_received()


async def test_half_closed_within_a_body_nobody_waits(wires: Wires) -> None:
    """The request can't become whole any more."""
    wires.backend()
    client, _ = wires.client()
    client.data_received(UPLOAD)

    assert not client.eof_received()


async def test_tls_knows_no_half_close(wires: Wires) -> None:
    """A TLS client that says goodbye has left."""
    wires.backend()
    client, _ = wires.client(is_tls=True)
    client.data_received(GET)

    assert not client.eof_received()


async def test_draining_closes_the_idle_at_once(wires: Wires) -> None:
    """Nobody waits on them."""
    client, transport = wires.client()

    client.drain()

    assert transport.is_closed


async def test_draining_lets_an_answer_end_and_says_so(wires: Wires) -> None:
    """The last answer tells the client not to send another request."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    client.drain()
    connection.data_received(OK)

    assert b"\r\nConnection: close\r\n" in transport.written
    assert transport.is_closed


async def test_a_lost_connection_is_forgotten_at_once(wires: Wires) -> None:
    """A thousand short connections a second must not fill the memory with what they might have waited for."""
    client, _ = wires.client()
    client.data_received(GET[:10])

    client.connection_lost(None)

    assert not any(client in slot for slot in wires.plane.wheel._slots.values())
