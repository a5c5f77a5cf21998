"""Messages follow each other on connections that are kept, whatever shape each of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import HOST, ask, configure, connected, get, post
from tests.fuzz.strict import read_request

if TYPE_CHECKING:
    from collections.abc import Iterator

UPGRADE = ("Connection: Upgrade", "Upgrade: parrot")


@pytest.fixture(scope="module")
def shop() -> Iterator[Scripted]:
    """The backend."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(shop: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that lets tunnels be silent for 1 s and everything else for long."""
    text = configure(shop, "timeouts: {drain: 1s}", "timeouts: {tunnel: 1s}")
    with Gateway(text, tmp_path_factory.mktemp("wire")) as running:
        yield running


SHAPES = [
    (get("/chunked"), b"200", b"hello world"),
    (get("/204"), b"204", b""),
    (get("/304"), b"304", b""),
    (get("/echo").replace(b"GET", b"HEAD"), b"200", b""),
    (get("/until-close"), b"200", b"until close"),
    (post("/say", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), b"200", b""),
    (post("/say", b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n1"), b"200", b"1"),
    (post("/say", b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n"), b"205", b""),
]


def test_answers_of_all_shapes_follow_each_other_on_one_connection(gateway: Gateway) -> None:
    """Those without a body, and those that end with the backend's connection, leave no byte too many or too few."""
    with connected(gateway) as client:
        answers = [client.ask(request) for request, _, _ in SHAPES]

    assert [(answer.first, answer.body) for answer in answers] == [(status, body) for _, status, body in SHAPES]


def test_pipelined_requests_of_all_shapes_are_answered_in_order(gateway: Gateway) -> None:
    """All in one write, half-closed behind it: then the connection ends with the last answer."""
    with connected(gateway) as client:
        client.send(b"".join(request for request, _, _ in SHAPES))
        client.end()
        answers = [client.read(request.partition(b" ")[0]) for request, _, _ in SHAPES]
        rest = client.read_rest()

    assert [(answer.first, answer.body) for answer in answers] == [(status, body) for _, status, body in SHAPES]
    assert rest == b""


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"],
)
def test_a_request_may_come_byte_by_byte(gateway: Gateway, body: bytes) -> None:
    """Each in a write of its own, and a second request behind it."""
    request = b"POST /echo HTTP/1.1\r\n" + HOST + body + get("/204")

    with connected(gateway) as client:
        client.send(*(request[at : at + 1] for at in range(len(request))))
        first, second = client.read(), client.read()

    assert first.first == b"200"
    assert read_request(first.body).body == b"hello"  # in however many chunks
    assert second.first == b"204"


def test_a_request_in_a_body_is_a_body(gateway: Gateway, shop: Scripted) -> None:
    """What is smuggled stays inside, framed by length or by chunks."""
    smuggled = get("/smuggled")
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
    chunked = get("/echo", "Transfer-Encoding: chunked").replace(b"GET", b"POST", 1) + chunk

    with connected(gateway) as client:
        answers = [client.ask(request) for request in (post("/echo", smuggled), chunked, get("/204"))]

    assert [answer.first for answer in answers] == [b"200", b"200", b"204"]
    assert not any(request.startswith(b"GET /smuggled") for request in shop.asked)


def test_http_1_0_is_kept_alive_when_it_asks_and_closed_when_it_does_not(gateway: Gateway) -> None:
    """A body whose length it can not be told ends its connection all the same."""
    kept = b"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    until_close = b"GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

    with connected(gateway) as client:
        answers = [client.ask(kept), client.ask(kept), client.ask(until_close)]
        assert client.read_rest() == b""
    with connected(gateway) as client:
        client.ask(b"GET /echo HTTP/1.0\r\n\r\n")
        assert client.read_rest() == b""

    assert [answer.keep_alive for answer in answers] == [True, True, False]
    assert answers[-1].body == b"hello world"


def test_http_1_0_is_sent_no_interim_answers(gateway: Gateway) -> None:
    """It would take them for the answer (RFC 9110, section 15.2)."""
    assert ask(gateway, b"GET /103 HTTP/1.0\r\n\r\n").body == b"ok"


def test_the_backend_hears_one_connection_for_clients_that_come_one_after_the_other(
    gateway: Gateway, shop: Scripted
) -> None:
    """Connections to it are kept, whether the clients' are or not."""
    ask(gateway, get("/204"))
    before = shop.connections
    for _ in range(5):
        ask(gateway, get("/204", "Connection: close"))

    assert shop.connections == before


def test_an_answer_that_comes_before_the_whole_request_ends_the_connection(gateway: Gateway) -> None:
    """The rest of the body could not be told from the next request."""
    with connected(gateway) as client:
        answer = client.ask(b"POST /early HTTP/1.1\r\n" + HOST + b"Content-Length: 900\r\n\r\nabc")

    assert (answer.first, answer.body, answer.keep_alive) == (b"413", b"big", False)


def test_a_tunnel_carries_bytes_and_half_closes_both_ways(gateway: Gateway) -> None:
    """What is sent with the handshake belongs to it, on either side; who has ended still hears the other."""
    with connected(gateway) as client:
        client.send(get("/tunnel", *UPGRADE) + b"early")
        handshake = client.read()
        client.send(b"later")
        client.end()
        heard = client.read_rest()

    assert (handshake.first, handshake.all(b"upgrade")) == (b"101", [b"parrot"])
    assert heard == b"hiearlylaterbye"


def test_a_tunnel_that_is_silent_for_too_long_ends(gateway: Gateway) -> None:
    """For the client as for the backend."""
    with connected(gateway) as client:
        client.ask(get("/tunnel", *UPGRADE))
        assert client.read_rest() == b"hi"


def test_an_upgrade_that_the_backend_passes_over_is_an_ordinary_request(gateway: Gateway) -> None:
    """Its answer is the answer, and the connection goes on."""
    with connected(gateway) as client:
        answers = [client.ask(get("/echo", *UPGRADE)), client.ask(get("/204"))]

    assert b"\r\nUpgrade: parrot\r\n" in answers[0].body
    assert [answer.first for answer in answers] == [b"200", b"204"]
