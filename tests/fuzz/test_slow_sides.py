"""Both sides slow, in any order: nothing is lost, nothing is held back for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.backend import BackendConnection
from gateway.proxy.client import ClientConnection
from tests.fuzz import strict
from tests.fuzz.stage import Wire, settle
from tests.fuzz.theatre import Theatre, theatre

SIZED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"

UPLOADS = {
    "sized": [SIZED, b"ab", b"c", b"def"],
    "chunked": [CHUNKED, b"3\r\nab", b"c\r\n3\r\nd", b"ef\r\n0\r\n\r\n"],
    "at once": [SIZED + b"abcdef"],
    "pipelined": [SIZED + b"abc", b"def" + NEXT],
}
DOWNLOADS = {
    "sized": [OK + b"Content-Length: 6\r\n\r\n", b"uv", b"wxyz"],
    "chunked": [OK + b"Transfer-Encoding: chunked\r\n\r\n", b"6\r\nuvw", b"xyz\r\n", b"0\r\n\r\n"],
    "at once": [OK + b"Content-Length: 6\r\n\r\nuvwxyz"],
}


class Side:
    """One end of the exchange: what it has yet to send, and whether it reads."""

    def __init__(self, protocol: ClientConnection | BackendConnection, wire: Wire, pieces: list[bytes]) -> None:
        self.protocol = protocol
        self.wire = wire
        self.pieces = [*pieces]
        self.is_slow = False

    def send(self) -> None:
        """The next piece, if the gateway reads."""
        if self.pieces and self.wire.reads and not self.wire.is_closing():
            self.protocol.data_received(self.pieces.pop(0))

    def slow_down(self) -> None:
        if not self.is_slow and not self.wire.is_closing():
            self.is_slow = True
            self.protocol.pause_writing()

    def read(self) -> None:
        if self.is_slow and not self.wire.is_closing():
            self.is_slow = False
            self.protocol.resume_writing()


Step = Callable[[Side], None]


@pytest.fixture(scope="module")
def trials() -> Iterator[tuple[Theatre, asyncio.Runner]]:
    """One data plane for all examples, in a loop of their own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        yield runner.run(stack.enter_async_context(theatre())), runner
        runner.run(stack.aclose())


@given(
    upload=st.sampled_from([*UPLOADS]),
    download=st.sampled_from([*DOWNLOADS]),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from([Side.send, Side.slow_down, Side.read])), max_size=30),
)
def test_bodies_arrive_whole_however_slow_the_sides_are(
    trials: tuple[Theatre, asyncio.Runner], upload: str, download: str, steps: list[tuple[bool, Step]]
) -> None:
    """In both directions, whoever pauses when, even when the answer comes before the request's end."""
    place, runner = trials
    runner.run(relay(place, UPLOADS[upload], DOWNLOADS[download], steps))


async def relay(place: Theatre, upload: list[bytes], download: list[bytes], steps: list[tuple[bool, Step]]) -> None:
    backend = Side(*place.stage.backend(), download)
    client = Side(*place.stage.client(), upload)
    client.send()
    for is_client, step in steps:
        step(client if is_client else backend)
        await settle(1)
    await _finish(client, backend)
    _judge(client, backend)
    await place.end(client.wire, upload)


async def _finish(client: Side, backend: Side) -> None:
    """Both sides read again and send what they have left, the client first; a request that follows is answered too."""
    for side in (client, backend):
        client.read()
        backend.read()
        for _ in range(len(side.pieces)):
            side.send()
            await settle(2)
        assert not side.pieces or side.wire.is_closing(), "held back though everybody reads"
    if b"GET /next" in backend.wire.written:
        backend.protocol.data_received(DONE)


def _judge(client: Side, backend: Side) -> None:
    answer = strict.read_response(client.wire.written, 0, b"POST", is_over=True)
    assert answer.body == b"uvwxyz"
    if not answer.keep_alive:  # the backend had answered before the request was there as a whole
        return
    assert client.wire.reads
    assert strict.read_request(backend.wire.written).body == b"abcdef"
    assert not client.pieces
    answers, requests = client.wire.written.count(b"HTTP/1.1 2"), backend.wire.written.count(b" HTTP/1.1\r\n")
    assert answers == requests
