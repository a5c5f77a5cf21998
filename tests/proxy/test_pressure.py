"""Whoever is slow holds up the other side, and fills nobody's memory: back-pressure between a client and a backend."""

from __future__ import annotations

from tests.proxy.wiring import GET, OK, Wires, backend, table, turn_over

UPLOAD = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"


async def test_a_long_pipeline_waits_in_the_kernel(wires: Wires) -> None:
    """What is held is bounded: reading pauses, and goes on with the next request."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)

    client.data_received(GET * 1000)
    assert not transport.is_reading
    connection.data_received(OK)

    assert transport.is_reading


async def test_who_does_not_read_its_answers_gets_no_more_of_them(wires: Wires) -> None:
    """A client that pipelines and never reads can't make the gateway keep answer after answer."""
    connection, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(GET + GET)
    upstream.take()

    client.pause_writing()
    connection.data_received(OK)
    await turn_over()
    assert not upstream.written
    assert not transport.is_reading
    client.resume_writing()
    await turn_over()

    assert upstream.written.startswith(b"GET /a ")
    assert transport.is_reading


async def test_who_never_reads_is_broken_off_between_requests_too(wires: Wires) -> None:
    """``timeouts.idle`` without a byte taken is the end."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET + GET)
    transport.unsent = 100

    client.pause_writing()
    connection.data_received(OK)
    wires.pass_time(61)

    assert transport.is_aborted


async def test_held_parts_of_a_body_that_clog_the_backend_stop_the_upload() -> None:
    """What came with the head fills the backend's buffer: reading must not go on in spite of it."""
    wires = Wires(table(backend(connections=1)))
    connection, upstream = wires.backend()
    first, _ = wires.client()
    second, transport = wires.client()
    first.data_received(GET)
    second.data_received(UPLOAD + b"01234")
    assert not transport.is_reading
    upstream.on_write = lambda written: connection.pause_writing() if written.endswith(b"01234") else None

    connection.data_received(OK)

    assert upstream.written.endswith(b"\r\n\r\n01234")
    assert not transport.is_reading
    connection.resume_writing()
    assert transport.is_reading
    await wires.plane.drain(0)


async def test_a_slow_client_stops_the_download(wires: Wires) -> None:
    """The backend is not read from while the client does not take what has come."""
    connection, upstream = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)
    connection.data_received(HALF)

    client.pause_writing()
    assert not upstream.is_reading
    client.resume_writing()

    assert upstream.is_reading


async def test_a_client_may_read_as_slowly_as_it_likes_but_it_must_read(wires: Wires) -> None:
    """``timeouts.idle`` without a byte taken is the end."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)
    connection.data_received(HALF)
    transport.unsent = 100
    client.pause_writing()

    for unsent in (90, 80, 70):
        transport.unsent = unsent
        wires.pass_time(61)
    assert not transport.is_closed
    wires.pass_time(61)

    assert transport.is_aborted
    assert wires.pool.endpoints[0].failures == 0


async def test_a_last_answer_that_is_not_read_does_not_keep_the_connection(wires: Wires) -> None:
    """Closing waits for what was written, but not for a client that takes nothing."""
    connection, _ = wires.backend()
    client, transport = wires.client()
    client.data_received(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    transport.unsent = 50
    connection.data_received(OK)
    assert transport.is_closed

    transport.unsent = 40
    wires.pass_time(61)
    assert not transport.is_aborted
    wires.pass_time(61)

    assert transport.is_aborted
