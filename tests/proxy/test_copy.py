"""A copy is the request once more, and whatever the other side does with it ends it, once."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.types import Arm, Rewrite, Tracing
from tests.proxy.mirror import BODY_BYTES, NEVER, TIMEOUT_SECONDS, WRITES, Mirror, long_answer, post, shadow
from tests.proxy.pair import pair_table
from tests.proxy.wiring import OK, until

ADDED = b"X-Crossfade-Shadow: 1\r\n"
CHUNKED = (
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    b"5\r\nhello\r\n1\r\n \r\n0\r\nX-Sum: 1\r\n\r\n"
)

tokens = st.from_regex(rb"\A[A-Za-z][A-Za-z0-9-]{0,8}\Z")
values = st.from_regex(rb"\A[!-~\x80-\xff]([ -~\x80-\xff]{0,20}[!-~\x80-\xff])?\Z")
fields = st.lists(st.tuples(tokens.map(b"X-P-".__add__), values), max_size=5)
targets = st.from_regex(rb"\A/[a-zA-Z0-9_~!$&'()*+,;=:@%-]{0,20}(\?[!-\"$-~]{0,20})?\Z").filter(
    lambda target: re.search(rb"%(?![0-9A-Fa-f]{2})", target.partition(b"?")[0]) is None
)
bodies = st.binary(max_size=BODY_BYTES // 4)


def original_of(copied: bytes) -> bytes:
    """What the baseline must have got, from what the candidate got."""
    head, end, body = copied.partition(b"\r\n\r\n")
    lines = head.replace(b"X-Crossfade-Arm: candidate", b"X-Crossfade-Arm: baseline").split(b"\r\n")
    kept = [line for line in lines if not line.startswith((b"X-Crossfade-Shadow: ", b"Idempotency-Key: "))]
    return b"\r\n".join(kept) + end + body


def copier() -> Mirror:
    """Everything is copied."""
    return Mirror(shadow=shadow(methods=WRITES))


# What is sent.


@given(st.sampled_from([b"GET", b"POST", b"PUT"]), targets, fields, bodies)
async def test_a_copy_is_the_request_to_the_byte(
    method: bytes, target: bytes, lines: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Method, target, fields in their order and case, body; but for the arm's name and what marks a copy."""
    mirror = copier()
    head = b"".join(b"%b: %b\r\n" % line for line in lines)
    length = b"Content-Length: %d\r\n" % len(body)
    mirror.exchange(b"%b %b HTTP/1.1\r\nHost: example.com\r\n%b%b\r\n%b" % (method, target, head, length, body))

    (copy,) = mirror.sent
    assert original_of(copy.written) == mirror.to_baseline.written
    assert copy.body == body
    assert copy.head.count(ADDED) == 1
    assert (b"Idempotency-Key: " in copy.head) == (method != b"GET")


@given(st.lists(st.integers(1, 40), max_size=6))
async def test_a_body_is_the_same_however_it_came(sizes: list[int]) -> None:
    """In pieces that end anywhere, chunks with trailers."""
    mirror = copier()
    client, _ = mirror.client()
    rest = CHUNKED
    for size in sizes:
        client.data_received(rest[:size])
        rest = rest[size:]
    if rest:
        client.data_received(rest)
    mirror.baseline.data_received(OK)

    assert unchunked(mirror.sent[0].body) == unchunked(mirror.to_baseline.written.partition(b"\r\n\r\n")[2])
    assert unchunked(mirror.sent[0].body) == (b"hello ", b"X-Sum: 1\r\n\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in mirror.sent[0].head


def unchunked(body: bytes) -> tuple[bytes, bytes]:
    """Payload and trailers."""
    payload = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return payload, body
        payload, body = payload + body[: int(size, 16)], body[int(size, 16) + 2 :]


async def test_a_copy_is_sent_as_the_other_sides_requests_are() -> None:
    """With the path and the fields of the candidate's rewrite."""
    mirror = Mirror()
    rules = mirror.plane.generation.table
    (route,) = rules.routes
    rewrites = (Rewrite(Arm.CANDIDATE, path="/v2/**", set_headers=(("X-New", "1"),)),)
    mirror.adopt(replace(rules, routes=(replace(route, rewrites=rewrites),)))
    mirror.exchange(path=b"/a?b=1")

    assert mirror.sent[0].written.startswith(b"GET /v2/a?b=1 HTTP/1.1\r\n")
    assert b"X-New: 1\r\n" in mirror.sent[0].head
    assert b"X-New" not in mirror.to_baseline.written


async def test_no_client_can_mark_its_request_as_a_copy() -> None:
    """The field is the gateway's, on every request."""
    mirror = Mirror()
    mirror.exchange(fields=b"X-Crossfade-Shadow: 1\r\n")

    assert b"X-Crossfade-Shadow" not in mirror.to_baseline.written
    assert mirror.sent[0].head.count(b"X-Crossfade-Shadow: 1\r\n") == 1


async def test_a_copy_is_a_child_of_the_users_request_in_its_trace() -> None:
    """Of the same trace, beside the request that the baseline got; one field each."""
    mirror = Mirror()
    mirror.adopt(replace(mirror.plane.generation.table, tracing=Tracing("http://127.0.0.1:4318/v1/traces", 100.0)))
    trace_id = b"0af7651916cd43dd8448eb211c80319c"
    mirror.exchange(fields=b"traceparent: 00-%b-b7ad6b7169203331-01\r\n" % trace_id)
    line = re.compile(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01\r\n")
    ((asked_trace, asked_span),) = line.findall(mirror.to_baseline.written)
    ((trace, parent),) = line.findall(mirror.sent[0].head)

    assert trace == asked_trace == trace_id
    assert parent not in {asked_span, b"b7ad6b7169203331"}


async def test_a_traceparent_that_is_not_recorded_passes_as_it_came() -> None:
    """The copy's as the request's."""
    mirror = Mirror()
    came = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n"
    mirror.exchange(fields=came)

    assert came in mirror.to_baseline.written
    assert came in mirror.sent[0].head


# How it ends.


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1\r\n\r\n!", 500, b"!"),
        (long_answer(BODY_BYTES), 200, b"x" * BODY_BYTES),
    ],
    ids=["whole", "interim", "chunked", "none", "error", "at the bound"],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_an_answer_is_taken_as_it_comes(answer: bytes, status: int, body: bytes, step: int) -> None:
    """In whatever pieces; the connection serves the next copy."""
    mirror = Mirror(shadow=shadow(concurrency=1))
    for _ in range(2):
        mirror.exchange()
        for at in range(0, len(answer), step):
            mirror.sent[-1].answer(answer[at : at + step])

    assert [(pair.other.status, pair.other.body) for pair in mirror.shelf.pairs] == [(status, body)] * 2
    assert mirror.sent[0].connection is mirror.sent[1].connection
    assert mirror.lane().pool.endpoints[0].in_flight == 0


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """Which is of no further use."""
    mirror = Mirror()
    mirror.exchange()
    mirror.sent[0].answer(b"HTTP/1.1 200 OK\r\n\r\nuntil the")
    mirror.sent[0].answer(b" end")
    assert not mirror.sent[0].connection.eof_received()
    mirror.sent[0].connection.connection_lost(None)

    assert [pair.other.body for pair in mirror.shelf.pairs] == [b"until the end"]


async def test_head_has_no_body_to_wait_for() -> None:
    """Whatever length its answer names."""
    mirror = Mirror()
    mirror.exchange(method=b"HEAD", answer=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    mirror.sent[0].answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")

    assert [(pair.method, pair.other.body) for pair in mirror.shelf.pairs] == [("HEAD", b"")]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"garbage\r\n\r\n", "protocol"),
        (b"\x00\xff" * 40_000, "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "protocol"),
        (None, "reset"),
    ],
    ids=["garbage", "noise", "chunks", "upgrade", "broken"],
)
async def test_an_answer_that_is_none_is_an_error(answer: bytes | None, kind: str) -> None:
    """With its kind; the connection is closed, and nothing is left of the copy."""
    mirror = Mirror()
    mirror.exchange()
    if answer is None:
        mirror.sent[0].break_off()
    else:
        mirror.sent[0].answer(answer)
        assert mirror.sent[0].transport.is_aborted

    assert mirror.outcomes == {("error", kind): 1}
    assert mirror.lane().pool.endpoints[0].in_flight == mirror.lane().under_way == 0
    assert mirror.shelf.pairs == []


async def test_a_copy_whose_answer_has_begun_is_not_sent_again() -> None:
    """It would be done twice, and two halves would be compared as one answer."""
    mirror = copier()
    mirror.exchange()
    (sent,) = mirror.sent
    sent.connection.served = 1
    sent.answer(OK[:-1])
    sent.connection.connection_lost(None)

    assert mirror.outcomes == {("error", "reset"): 1}
    assert mirror.under_way == 0


@pytest.mark.parametrize("request_bytes", [None, post()], ids=["read", "write"])
async def test_a_copy_whose_pooled_connection_was_closed_gets_a_fresh_one(request_bytes: bytes | None) -> None:
    """Once, and only as long as nothing of an answer has come; a write that goes twice has a key to tell by."""
    mirror = copier()
    mirror.exchange(request_bytes)
    (sent,) = mirror.sent
    copy = sent.connection.exchange
    assert copy is not None
    sent.connection.served = 1
    sent.connection.connection_lost(None)

    assert copy.is_waiting
    assert mirror.outcomes == {}
    assert mirror.lane().pool.endpoints[0].in_flight == 0
    mirror.pass_time(TIMEOUT_SECONDS + 1)
    assert mirror.outcomes == {("error", "timeout"): 1}


async def test_an_answer_that_has_no_end_is_not_read_to_it() -> None:
    """It is given up with the first piece over the bound; nothing of it stays in memory."""
    mirror = Mirror()
    room = mirror.left_bytes
    mirror.exchange()
    (copy,) = mirror.sent
    copy.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    read = 0
    while not copy.transport.is_aborted:
        copy.answer(b"258\r\n" + b"x" * 600 + b"\r\n")
        read += 600

    assert read == 1200
    assert mirror.left_bytes == room
    assert mirror.outcomes == {("skipped", "body_size"): 1}


async def test_an_answer_that_says_it_is_too_long_is_not_read_at_all() -> None:
    """One of a gigabyte is given up with its head."""
    mirror = Mirror()
    mirror.exchange()
    (copy,) = mirror.sent
    copy.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")

    assert copy.transport.is_aborted
    assert mirror.outcomes == {("skipped", "body_size"): 1}


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1]], ids=["nothing", "a head's part", "nearly all"]
)
async def test_a_candidate_that_hangs_is_given_up(begun: bytes) -> None:
    """When the time for all of it is over, though it may be sending still."""
    mirror = Mirror()
    mirror.exchange()
    mirror.sent[0].answer(begun) if begun else None
    mirror.pass_time(TIMEOUT_SECONDS - 0.5)
    assert mirror.outcomes == {}
    mirror.pass_time(0.7)

    assert mirror.outcomes == {("error", "timeout"): 1}
    assert mirror.sent[0].transport.is_aborted
    assert mirror.under_way == 0


async def test_a_candidate_that_refuses_is_an_error() -> None:
    """And nobody waits for it."""
    mirror = Mirror()
    mirror.lose_connections()
    lane = mirror.lane()
    lane.pool.endpoints[0].endpoint = replace(lane.pool.endpoints[0].endpoint, port=1)
    client = mirror.exchange()
    await until(lambda: not mirror.under_way, asyncio.get_running_loop())

    assert client.written.endswith(b"ok")
    assert mirror.outcomes == {("error", "connect"): 1}


async def test_an_answer_may_come_before_the_copy_is_sent_whole() -> None:
    """The connection, in which bytes are stuck, is not used again."""
    mirror = copier()
    mirror.exchange(post())
    connection = mirror.sent[0].connection
    connection.pause_writing()
    mirror.sent[0].answer(OK)

    assert len(mirror.shelf.pairs) == 1
    assert mirror.sent[0].transport.is_closed


async def test_a_copy_ends_once() -> None:
    """What comes later on its connection, or its time that is over, is nothing to it."""
    mirror = Mirror()
    mirror.exchange()
    mirror.sent[0].answer(OK)
    mirror.sent[0].connection.data_received(OK)
    mirror.pass_time(2 * TIMEOUT_SECONDS)

    assert len(mirror.shelf.pairs) == 1
    assert mirror.outcomes == {}
    assert mirror.lane().under_way == mirror.under_way == 0


async def test_over_real_sockets_a_copy_arrives_and_its_answer_is_compared() -> None:
    """The candidate is a server of its own, the pool opens the connection."""
    got = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    mirror = Mirror()
    mirror.lose_connections()
    (state,) = mirror.lane().pool.endpoints
    state.endpoint = replace(state.endpoint, port=server.sockets[0].getsockname()[1])
    mirror.exchange()
    await until(lambda: mirror.shelf.pairs, asyncio.get_running_loop())

    assert ADDED in await got
    pool = mirror.lane().pool
    mirror.adopt(pair_table(rollout=NEVER, revision="2"))
    await until(lambda: not pool.connections, asyncio.get_running_loop())
    server.close()
    await server.wait_closed()
