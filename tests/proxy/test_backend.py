"""A backend's connection is judged by its own lack of progress, and never serves two answers for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.proxy.wiring import GET, OK

if TYPE_CHECKING:
    from tests.proxy.wiring import Wires

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"


async def test_no_answer_in_time_is_504(wires: Wires) -> None:
    """Counted from the request's last byte, and against the endpoint."""
    _, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    wires.pass_time(29)
    assert not transport.written
    wires.pass_time(2)

    assert transport.written.startswith(b"HTTP/1.1 504 ")
    assert upstream.is_aborted
    assert wires.pool.endpoints[0].failures == 1


async def test_a_body_that_stalls_is_broken_off(wires: Wires) -> None:
    """``idle`` without progress; a byte now and then keeps it."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)
    backend.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")

    wires.pass_time(50)
    backend.data_received(b"d")
    wires.pass_time(50)
    assert not transport.is_aborted
    wires.pass_time(20)

    assert transport.is_aborted


async def test_a_client_that_is_slow_stops_the_clock(wires: Wires) -> None:
    """Waiting for room at the client is not the backend's fault, nor is waiting for a body that the client owes."""
    backend, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)
    backend.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    backend.pause()

    wires.pass_time(70)
    wires.pass_time(3)

    assert not upstream.is_aborted


async def test_a_backend_that_takes_no_more_of_a_body_is_given_up(wires: Wires) -> None:
    """Its buffer must shrink; while it is full, the client is not read."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(POST + b"abc")
    upstream.unsent = 50

    backend.pause_writing()
    assert not transport.is_reading
    upstream.unsent = 40
    wires.pass_time(61)
    assert not transport.written
    wires.pass_time(61)

    assert transport.written.startswith(b"HTTP/1.1 504 ")


async def test_a_backend_that_answers_without_having_read_serves_nobody_else(wires: Wires) -> None:
    """What it has not taken would delay the next request, and nobody would be told to wait."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(POST + b"abcdefghi")

    backend.pause_writing()
    backend.data_received(OK)

    assert transport.written.endswith(b"ok")
    assert upstream.is_aborted
    assert wires.pool.endpoints[0].idle == []


async def test_a_backend_that_takes_more_lets_the_client_send(wires: Wires) -> None:
    """Back-pressure ends with its cause."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(POST + b"abc")

    backend.pause_writing()
    backend.resume_writing()
    client.data_received(b"defghi")

    assert transport.is_reading
    assert upstream.written.endswith(b"abcdefghi")


async def test_bytes_that_nobody_asked_for_end_the_connection(wires: Wires) -> None:
    """They would be taken for the next request's answer."""
    backend, upstream = wires.backend()

    backend.data_received(OK)

    assert upstream.is_aborted
    assert wires.pool.endpoints[0].idle == []


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"more",
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\nmore",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore",
    ],
)
async def test_a_connection_with_bytes_left_over_or_that_is_to_close_is_not_kept(wires: Wires, answer: bytes) -> None:
    """The client gets its answer all the same."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(answer)

    assert transport.written.startswith(b"HTTP/1.1 20")
    assert b"more" not in transport.written
    assert upstream.is_aborted


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        OK.replace(b": 2", b": x"),
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nA: " + b"A" * 70_000,
    ],
)
async def test_what_is_not_http_is_502(wires: Wires, answer: bytes) -> None:
    """Also a head that never ends, at once: the time that it would be waited for is not its to take."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(answer)

    assert transport.written.startswith(b"HTTP/1.1 502 ")


async def test_any_number_of_interim_answers_may_come_at_once(wires: Wires) -> None:
    """Each is passed on; none is answered by a crash."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(b"HTTP/1.1 102 Processing\r\n\r\n" * 3000 + OK)

    assert transport.written.count(b"HTTP/1.1 102 ") == 3000
    assert transport.written.endswith(b"ok")


async def test_a_head_in_pieces_is_put_together_and_a_repeated_one_recognized(wires: Wires) -> None:
    """Another head after it is read anew."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    for answer in (OK, OK, OK.replace(b"200 OK", b"500 No"), OK):
        client.data_received(GET)
        backend.data_received(answer[:20])
        backend.data_received(answer[20:])

    assert re.findall(rb"HTTP/1.1 (\d+)", transport.written) == [b"200", b"200", b"500", b"200"]


async def test_an_idle_connection_that_closes_is_given_to_nobody(wires: Wires) -> None:
    """From the moment that the end is known."""
    backend, _ = wires.backend()

    backend.eof_received()

    assert wires.pool.endpoints[0].idle == []


async def test_a_malformed_body_is_502_before_the_head_has_left(wires: Wires) -> None:
    """The head came with the broken chunk: nothing has reached the client yet."""
    backend, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")

    assert transport.written.startswith(b"HTTP/1.1 502 ")
    assert upstream.is_aborted


async def test_a_malformed_body_breaks_the_answer_off_afterwards(wires: Wires) -> None:
    """The client must not take what it has for the whole."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    backend.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    backend.data_received(b"zz\r\n")

    assert transport.is_aborted


async def test_a_body_may_come_in_any_pieces(wires: Wires) -> None:
    """What arrives is passed on as it arrives, and the connection is kept."""
    backend, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc":
        backend.data_received(bytes([byte]))

    assert transport.written.endswith(b"\r\n\r\nabc")
    assert wires.pool.endpoints[0].idle == [backend]


async def test_a_backend_whose_client_owes_a_body_is_not_blamed(wires: Wires) -> None:
    """However long it takes, the clock runs against the client."""
    _, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(POST)

    for _ in range(4):
        wires.pass_time(40)
        client.data_received(b"x")

    assert not upstream.is_aborted
    assert wires.pool.endpoints[0].failures == 0


async def test_an_idle_connection_is_closed_after_a_while(wires: Wires) -> None:
    """Backends close theirs too: an old one is most likely dead."""
    _, upstream = wires.backend()
    client, _ = wires.client()
    backend = wires.pool.endpoints[0].idle[0]
    client.data_received(GET)
    backend.data_received(OK)

    wires.pass_time(61)

    assert upstream.is_aborted
    assert wires.pool.endpoints[0].idle == []
