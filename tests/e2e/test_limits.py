"""Bounds on what one client, or all of them, may take: of connections, of bytes and of time."""

from __future__ import annotations

import select
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import HOST, Client, ask, connected, get, post

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """\
version: 1
server:
  listen: 127.0.0.1:0
  workers: 1
  limits: {{connections: 4, body: 1000}}
  timeouts: {{header: 1s, idle: 30s, drain: 1s}}
admin: {{listen: 127.0.0.1:0}}
backends:
  hasty: {{endpoints: {url}, connections: 1, timeouts: {{connect: 500ms}}}}
  patient: {{endpoints: {url}, connections: 1, timeouts: {{connect: 30s}}}}
routes:
  - {{name: patient, match: {{path: /**, headers: {{X-Patient: "1"}}}}, backend: patient}}
  - {{name: hasty, match: /**, backend: hasty}}
"""

NOBODY_SECONDS = 0.2
"""How long is listened for what must not be said: an answer that is given comes far sooner."""


@pytest.fixture(scope="module")
def backend() -> Iterator[Scripted]:
    """The one behind all tests here."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(backend: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One with four connections to itself, and one to each backend."""
    with Gateway(CONFIGURATION.format(url=backend.url), tmp_path_factory.mktemp("limits")) as running:
        yield running


@pytest.fixture(autouse=True)
def shop(backend: Scripted) -> Iterator[Scripted]:
    """The backend as if it were new; what it holds is let go at the end."""
    backend.asked.clear()
    backend.let_go.clear()
    yield backend
    backend.let_go.set()


def hold(gateway: Gateway, shop: Scripted, client: Client, *lines: str) -> None:
    """Take the backend's only connection."""
    client.send(get("/held", *lines))
    gateway.wait_until(lambda: shop.asked)


def is_silent(client: Client) -> bool:
    """Whether nothing is there to be read."""
    return not select.select([client.socket], [], [], NOBODY_SECONDS)[0]


def test_past_the_bound_a_request_waits_in_vain_and_is_told_503(gateway: Gateway, shop: Scripted) -> None:
    """As long as it would wait for a connection; the one that it waited for is not harmed."""
    with connected(gateway) as first:
        hold(gateway, shop, first)
        refused = ask(gateway, get("/204"))
        shop.let_go.set()
        held, after = first.read(), ask(gateway, get("/204"))

    assert refused.first == b"503"
    assert refused.all(b"content-type") == [b"application/problem+json"]
    assert [held.first, after.first] == [b"200", b"204"]


def test_past_the_bound_requests_are_served_in_turn_when_there_is_room(gateway: Gateway, shop: Scripted) -> None:
    """Over the one connection, which the first gives back."""
    with connected(gateway) as first, connected(gateway) as second, connected(gateway) as third:
        hold(gateway, shop, first, "X-Patient: 1")
        for client in (second, third):
            client.send(get("/204", "X-Patient: 1"))
            assert is_silent(client)
        shop.let_go.set()
        answers = [client.read() for client in (first, second, third)]

    assert [answer.first for answer in answers] == [b"200", b"204", b"204"]


def test_past_its_connections_a_worker_accepts_nobody_until_one_leaves(gateway: Gateway) -> None:
    """Who came too late waits in the kernel's queue, and is served as soon as there is room."""
    with ExitStack() as stack:
        served = [stack.enter_context(connected(gateway)) for _ in range(4)]
        assert [client.ask(get("/204")).first for client in served] == [b"204"] * 4
        late = stack.enter_context(connected(gateway))
        late.send(get("/204"))
        assert is_silent(late)
        assert [client.ask(get("/204")).first for client in served] == [b"204"] * 4
        served[0].socket.close()

        assert late.read().first == b"204"


@pytest.mark.parametrize(("size", "status"), [(1000, b"200"), (1001, b"413")])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_may_be_as_large_as_its_bound(gateway: Gateway, size: int, status: bytes, is_chunked: bool) -> None:
    """And not a byte larger, by whichever framing."""
    body = b"x" * size
    head = get("/echo", "Transfer-Encoding: chunked").replace(b"GET", b"POST", 1)

    answer = ask(gateway, head + b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if is_chunked else post("/echo", body))

    assert answer.first == status


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(gateway: Gateway, shop: Scripted) -> None:
    """`Expect: 100-continue` gets 413 instead of an invitation, and no backend is asked."""
    request = b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"

    assert ask(gateway, request).first == b"413"
    assert shop.asked == []


def test_a_head_that_trickles_is_given_up(gateway: Gateway, shop: Scripted) -> None:
    """Each byte comes in time, the head as a whole does not."""
    with connected(gateway) as client:
        client.send(b"GET /echo HTTP/1.1\r\n" + HOST)
        while not select.select([client.socket], [], [], 0.02)[0]:
            client.send(b"a")
        answer = client.read()

    assert (answer.first, answer.keep_alive) == (b"408", False)
    assert shop.asked == []


def test_slow_clients_keep_nobody_waiting(gateway: Gateway) -> None:
    """Three send half a head each; the fourth is served all the while."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(gateway)) for _ in range(3)]
        for client in slow:
            client.send(b"GET /echo HTTP/1.1\r\n")
        assert ask(gateway, get("/204")).first == b"204"
        assert [client.read().first for client in slow] == [b"408"] * 3
