"""A journaled write reaches the baseline as it was meant, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.control import delivery
from gateway.control.delivery import Delivery, compose
from gateway.core.types import BackendTimeouts, BackendTls
from tests.control.baseline import Baseline, answer, baseline
from tests.journal.entries import entry
from tests.proxy.wiring import backend, endpoint

NOWHERE = endpoint(1)
"""Nobody listens there."""


@pytest.fixture
async def service() -> AsyncIterator[Baseline]:
    async with baseline() as made:
        yield made


def test_a_request_is_composed_byte_for_byte() -> None:
    """Names, case, order, repeats and odd bytes as they came; framing, arm and the key for repeats are ours."""
    head = b"Host: Shop.Example\r\nX-A: 1\r\nx-a: \xe9\r\nContent-Length: 9\r\nConnection: x\r\nX-Crossfade-Arm: y\r\n"
    written = entry(1, head=head, target=b"/a%2Fb?q=\xc3|", body=b"\x00\xff")

    assert compose(written, endpoint(), {}) == (
        b"POST /a%2Fb?q=\xc3| HTTP/1.1\r\nHost: Shop.Example\r\nX-A: 1\r\nx-a: \xe9\r\n"
        b"X-Request-ID: request-1\r\nIdempotency-Key: request-1\r\n"
        b"X-Crossfade-Route: orders\r\nX-Crossfade-Arm: baseline\r\n"
        b"Content-Length: 2\r\nConnection: close\r\n\r\n\x00\xff"
    )


def test_the_requests_own_key_for_repeats_stays() -> None:
    """And its host, and its ID; where there is no host, it is the endpoint's."""
    own = compose(entry(1, head=b"idempotency-key: mine\r\nX-Request-ID: its\r\n"), endpoint(9001), {})

    assert own.count(b"dempotency-") == own.lower().count(b"x-request-id") == 1
    assert b"Host: 127.0.0.1:9001\r\n" in own


def test_an_operators_fields_replace_those_of_the_same_names() -> None:
    """All of them, whatever their case."""
    head = b"Host: a\r\nX-Tenant: 1\r\nx-tenant: 2\r\n"
    composed = compose(entry(1, head=head), endpoint(), {"X-TENANT": "3", "Authorization": "Bearer t", "Host": "b"})

    lines = composed.lower().split(b"\r\n")
    assert [line for line in lines if line.startswith((b"x-tenant", b"authorization", b"host"))] == [
        b"x-tenant: 3",
        b"authorization: bearer t",
        b"host: b",
    ]


def test_a_method_that_seldom_has_a_body_says_nothing_of_one() -> None:
    """As it came: a DELETE without a body has no length, a POST without one has."""
    assert b"Content-Length" not in compose(entry(1, method="DELETE", body=b""), endpoint(), {})
    assert b"Content-Length: 0\r\n" in compose(entry(1, body=b""), endpoint(), {})


async def test_an_answers_status_is_what_counts(service: Baseline) -> None:
    """Its body is read and forgotten; what comes before it is not the answer."""
    service.says = lambda _write: b"HTTP/1.1 100 Continue\r\n\r\n" + answer(409, b"x" * 100_000)

    assert (await Delivery(service.backend()).send(entry(1), {})).status == 409
    assert [write.body for write in service.writes] == [b"write 1"]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nrubbish",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
async def test_whatever_becomes_of_the_body_the_status_was_said(service: Baseline, said: bytes) -> None:
    """The baseline has decided by then."""
    service.says = lambda _write: said

    assert (await Delivery(service.backend()).send(entry(1), {})).status == int(said[9:12])


async def test_an_endless_answer_is_left(service: Baseline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads a gigabyte for its status."""
    monkeypatch.setattr(delivery, "MOST_READ_BYTES", 1000)
    service.says = lambda _write: answer(200, b"x" * 1_000_000)

    assert (await Delivery(service.backend()).send(entry(1), {})).status == 200


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 200", "the connection was closed without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the connection was closed without an answer"),
    ],
)
async def test_without_a_status_nobody_knows(service: Baseline, said: bytes, reason: str) -> None:
    """It was sent, and may have been done."""
    service.says = lambda _write: said

    found = await Delivery(service.backend()).send(entry(1), {})
    assert (found.status, found.reason, found.is_unsent) == (None, reason, False)


async def test_one_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    """As long as a user would."""
    heard: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: heard.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    timeouts = BackendTimeouts(connect=1, response=0.01, idle=1, tunnel=1)
    found = await Delivery(backend(endpoints=(endpoint(port),), timeouts=timeouts)).send(entry(1), {})
    silent.close()
    for writer in heard:
        writer.close()

    assert (found.status, found.reason) == (None, "no answer within 0.01 s")


async def test_an_endpoint_that_refuses_gives_way_to_the_next(service: Baseline) -> None:
    """Nothing was sent to it. Where all refuse, that is what is said."""
    two = Delivery(service.backend(NOWHERE))
    assert [(await two.send(entry(number), {})).status for number in (1, 2)] == [201, 201]
    assert service.names == ["request-1", "request-2"]

    found = await Delivery(backend(endpoints=(NOWHERE, NOWHERE))).send(entry(3), {})
    assert (found.status, found.is_unsent) == (None, True)
    assert found.reason


async def test_one_that_took_the_write_is_not_given_way(service: Baseline) -> None:
    """Another endpoint would do it a second time."""
    service.says = lambda _write: b""
    twice = service.backend(endpoint(service.port))
    await Delivery(twice).send(entry(1), {})

    assert service.names == ["request-1"]


def test_certificates_that_can_not_be_read_are_found_at_once() -> None:
    """Before anything is sent."""
    secure = msgspec.structs.replace(endpoint(), tls=True)
    Delivery(backend(endpoints=(secure,), tls=BackendTls(verify=False)))

    with pytest.raises(OSError, match="No such file"):
        Delivery(backend(endpoints=(secure,), tls=BackendTls(ca="/nowhere.pem")))
