"""A backend's answer that is not HTTP reaches nobody, and what breaks off is seen to have broken off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import ask, connected, get, post
from tests.fuzz.strict import Incomplete, Malformed, read_response

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends:
  shop: {url}
  hasty: {{endpoints: {url}, timeouts: {{response: 400ms, idle: 400ms}}}}
routes:
  - {{name: silent, match: /say, backend: hasty}}
  - {{name: shop, match: /**, backend: shop}}
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Scripted]:
    """The backend."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(shop: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that waits 400 ms for an answer and for each part of it where the backend may fall silent."""
    with Gateway(CONFIGURATION.format(url=shop.url), tmp_path_factory.mktemp("broken")) as running:
        yield running


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: y\rZ: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: parrot\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_502(gateway: Gateway, answer: bytes) -> None:
    """A problem document takes its place, and the client's connection is still good."""
    with connected(gateway) as client:
        problem = client.ask(post("/say-last", answer))
        after = client.ask(get("/204")) if problem.keep_alive else ask(gateway, get("/204"))

    assert problem.first == b"502"
    assert json.loads(problem.body)["title"] == "Bad Gateway"
    assert after.first == b"204"


@pytest.mark.parametrize("path", ["/say", "/say-last"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y\r\n",
    ],
)
def test_an_answer_without_its_end_does_not_look_whole(gateway: Gateway, path: str, answer: bytes) -> None:
    """Whether the backend closed or fell silent: the client's connection ends before the message does."""
    received = b""
    with connected(gateway) as client:
        client.send(post(path, answer))
        try:
            while part := client.socket.recv(65536):
                received += part
        except ConnectionResetError:
            pass

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises((Incomplete, Malformed)):
        read_response(received, 0, b"POST", is_over=True)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize(("path", "status"), [("/say-last", b"502"), ("/say", b"504")])
def test_an_answer_that_breaks_off_in_its_head_is_a_problem(
    gateway: Gateway, path: str, status: bytes, part: bytes
) -> None:
    """502 when the backend closed, 504 when it fell silent; of the head nothing is passed on."""
    with connected(gateway) as client:
        client.send(post(path, part))
        answer = client.read()
        answer = client.read() if answer.first == b"100" else answer

    assert answer.first == status


def test_what_follows_an_answer_is_nobody_s(gateway: Gateway) -> None:
    """A second answer that nobody asked for ends the backend's connection instead of answering the next client."""
    honest = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest"
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

    first = ask(gateway, post("/say", honest + forged))
    later = [ask(gateway, get("/echo")) for _ in range(3)]

    assert first.body == b"honest"
    assert all(answer.body.startswith(b"GET /echo") for answer in later)


def test_a_read_is_sent_again_on_a_fresh_connection_and_a_write_is_not_sent_twice(
    gateway: Gateway, shop: Scripted
) -> None:
    """The backend ends kept connections at their second request, ten times in a row."""
    reads = [ask(gateway, get("/closes-later")).first for _ in range(10)]
    writes = [ask(gateway, post("/closes-later?write", b"x")).first for _ in range(10)]

    assert reads == [b"200"] * 10
    assert set(writes) <= {b"200", b"502"}
    assert sum(b"?write" in request for request in shop.asked) == 10


def test_an_answer_that_the_client_left_is_not_the_next_one_s(gateway: Gateway, shop: Scripted) -> None:
    """The backend's connection, with half an answer in it, is not used again."""
    with connected(gateway) as client:
        client.send(post("/say", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
        client.socket.recv(1000)
    answers = [ask(gateway, get("/echo")) for _ in range(3)]

    assert all(answer.body.startswith(b"GET /echo") for answer in answers)
