"""What could be read in two ways is refused before a byte of it reaches a backend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import HOST, configure, connected, get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.strict import Message


@pytest.fixture(scope="module")
def shop() -> Iterator[Scripted]:
    """The backend."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(shop: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One without particular bounds."""
    with Gateway(configure(shop, "timeouts: {drain: 1s}"), tmp_path_factory.mktemp("refusals")) as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(shop: Scripted) -> None:
    """Each test looks at what it sent itself."""
    shop.asked.clear()


def refuse(gateway: Gateway, request: bytes) -> Message:
    """The only answer to ``request`` and to an innocent one behind it, on a connection that then ends."""
    with connected(gateway) as client:
        client.send(request + get("/behind"))
        answer = client.read()
        try:
            rest = client.read_rest()
        except ConnectionResetError:
            rest = b""
    assert rest == b""
    return answer


def expect_problem(answer: Message, status: int) -> None:
    """RFC 9457: a document that says the same as the head, on a connection that ends."""
    problem = json.loads(answer.body)
    assert int(answer.first) == status
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert (problem["status"], problem["title"].encode()) == (status, answer.second)
    assert problem["request_id"].encode() == answer.all(b"x-request-id")[0]
    assert not answer.keep_alive


LINES = [
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: 5 5",
    b"Content-Length: 0x5",
    b"Content-Length:",
    b"Content-Length: 5, 6",
    b"Content-Length: 18446744073709551621",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"content-length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: \x0bchunked",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding:",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"X: y\r\n\tz",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: \x00",
    b"X: \x7f",
    b"X\x00: y",
    b"X",
    b": y",
    b" X: y",
    b"X(): y",
    b"Host: elsewhere",
    b"hOST: shop.example",
]


@pytest.mark.parametrize("line", LINES)
def test_a_field_that_could_mean_two_things_is_refused(gateway: Gateway, shop: Scripted, line: bytes) -> None:
    """Lengths, codings, lines, names: whoever is behind might read them otherwise."""
    answer = refuse(gateway, b"POST /never HTTP/1.1\r\n" + HOST + line + b"\r\n\r\nhello")

    expect_problem(answer, 400)
    assert shop.asked == []


@pytest.mark.parametrize("line", [b" Host: elsewhere", b"\tX: y", b": y", b"X: y\nZ: y", b"X"])
def test_so_is_one_right_behind_the_request_line(gateway: Gateway, shop: Scripted, line: bytes) -> None:
    """Where it might be taken for part of that line."""
    expect_problem(refuse(gateway, b"GET /never HTTP/1.1\r\n" + line + b"\r\n" + HOST + b"\r\n"), 400)
    assert shop.asked == []


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /never HTTP/1.1",
        b"GET /never  HTTP/1.1",
        b"GET\t/never HTTP/1.1",
        b"GET /never HTTP/1.1 ",
        b" GET /never HTTP/1.1",
        b"GET /never HTTP/1.2",
        b"GET /never HTTP/2",
        b"GET /never HTTP/11",
        b"GET /never HTTP/ 1.1",
        b"GET /never http/1.1",
        b"GET /never",
        b"GET never HTTP/1.1",
        b"GET //x/../never\x00 HTTP/1.1",
        b"GET /never\x7f HTTP/1.1",
        b"GET /never\n HTTP/1.1",
        b"G@T /never HTTP/1.1",
        b"GET http://shop.example:port/never HTTP/1.1",
        b"GET http:///never HTTP/1.1",
        b"GET http://a@shop.example/never HTTP/1.1",
    ],
)
def test_a_request_line_that_is_none_is_refused(gateway: Gateway, shop: Scripted, line: bytes) -> None:
    """Its spaces, its version, its target."""
    expect_problem(refuse(gateway, line + b"\r\n" + HOST + b"\r\n"), 400)
    assert shop.asked == []


@pytest.mark.parametrize("host", [b"", b"a b", b"a,b", b"a/b", b"user@a", b"a:port", b"[::1", b"a\tb"])
def test_a_host_that_is_none_is_refused(gateway: Gateway, shop: Scripted, host: bytes) -> None:
    """RFC 9112, section 3.2."""
    expect_problem(refuse(gateway, b"GET /never HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"), 400)
    assert shop.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\r\nX: \x00\r\n\r\n",
    ],
)
def test_chunks_that_are_none_never_make_a_whole_request(gateway: Gateway, shop: Scripted, body: bytes) -> None:
    """The head may have left by then, but no end of a body follows it, and nothing that comes behind."""
    head = b"POST /never HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"

    expect_problem(refuse(gateway, head + body), 400)
    assert shop.asked == []


def test_what_came_before_is_answered_first(gateway: Gateway) -> None:
    """A good request, then a bad one in the same write: 200, 400, and the end."""
    with connected(gateway) as client:
        client.send(get("/echo") + get("/never", "Content-Length: x") + get("/behind"))
        answers = [client.read(), client.read()]
        assert client.read_rest() == b""

    assert [answer.first for answer in answers] == [b"200", b"400"]
    expect_problem(answers[1], 400)


def test_a_refusal_harms_nobody_else(gateway: Gateway) -> None:
    """Another connection goes on as if nothing had been."""
    with connected(gateway) as client:
        client.ask(get("/204"))
        refuse(gateway, b"\x00\r\n\r\n")
        assert client.ask(get("/204")).first == b"204"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /fine HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /fine HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    ],
)
def test_a_length_that_is_said_twice_is_at_most_passed_on_once(
    gateway: Gateway, shop: Scripted, request_bytes: bytes
) -> None:
    """RFC 9110, section 8.6, leaves the choice: refuse it, or make one of it."""
    with connected(gateway) as client:
        status = client.ask(request_bytes).first

    passed = [request for request in shop.asked if b"/fine" in request]
    assert (status == b"400" and not passed) or all(b"\r\nContent-Length: 5\r\n" in request for request in passed)
