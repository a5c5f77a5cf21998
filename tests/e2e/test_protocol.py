"""HTTP/1.1 on the wire, as clients and backends see it: bytes in, bytes out, through the real command."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """\
version: 1
server:
  listen: 127.0.0.1:0
  workers: 1
  access_log: all
  trusted_proxies: [{trusted}]
  limits: {{header_bytes: 4KiB, header_count: 20, body: 1000}}
  timeouts: {{header: 1s, idle: 1s, drain: 2s}}
admin: {{listen: 127.0.0.1:0}}
backends:
  shop: {{endpoints: {backend}, connections: 8}}
  hasty: {{endpoints: {backend}, timeouts: {{response: 300ms, idle: 300ms}}}}
  dead: http://127.0.0.1:9
routes:
  - {{name: dead, match: /dead, backend: dead}}
  - {{name: silence, match: /silence, backend: hasty}}
  - {{name: stall, match: /stall, backend: hasty}}
  - name: moved
    match: /v1/**
    backend: shop
    rewrite: {{arm: baseline, path: /v2/**, headers: {{set: {{X-New: "1"}}, remove: [X-Old]}}}}
  - {{name: shop, match: {{path: /**, host: ["shop.example", "*.test", "127.0.0.1"]}}, backend: shop}}
  - {{name: old, match: {{path: /echo, methods: GET}}, backend: shop}}
"""

HOST = b"Host: shop.example\r\n"


@pytest.fixture(scope="module")
def backend() -> Iterator[Scripted]:
    """The backend of all tests here."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(backend: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that believes its peers' X-Forwarded-*."""
    text = CONFIG.format(trusted="127.0.0.0/8", backend=backend.url)
    with Gateway(text, tmp_path_factory.mktemp("protocol")) as running:
        yield running


def say(gateway: Gateway, *parts: bytes, ends: bool = False) -> bytes:
    """Send ``parts``, and read until the gateway closes. A connection that is kept is closed by it after 1 s."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        for part in parts:
            connection.sendall(part)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


def get(path: str, *lines: str, version: str = "1.1") -> bytes:
    """A request that ends its connection."""
    fields = "".join(f"{line}\r\n" for line in lines)
    return f"GET {path} HTTP/{version}\r\n{HOST.decode()}Connection: close\r\n{fields}\r\n".encode()


def test_a_request_arrives_as_it_was_sent_less_what_is_hop_by_hop(gateway: Gateway) -> None:
    """Order, case and repeats stay; what a trusted peer said is continued; ours comes last."""
    answer = say(
        gateway,
        b"GET /echo?a=1 HTTP/1.1\r\nHost: Shop.Example:80\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n"
        b"X-b: 1\r\nx-B: 2\r\nX-Crossfade-Arm: candidate\r\nX-Forwarded-For: 9.9.9.9\r\nX-Request-ID: abc\r\n\r\n",
    )

    assert answer.partition(b"\r\n\r\n")[2] == (
        b"GET /echo?a=1 HTTP/1.1\r\nHost: Shop.Example:80\r\nX-b: 1\r\nx-B: 2\r\n"
        b"X-Forwarded-For: 9.9.9.9, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: Shop.Example:80\r\n"
        b"X-Crossfade-Route: shop\r\nX-Crossfade-Arm: baseline\r\nX-Request-ID: abc\r\n\r\n"
    )


def test_an_untrusted_peer_is_not_believed(backend: Scripted, tmp_path: Path) -> None:
    """Its X-Forwarded-* are replaced."""
    with Gateway(CONFIG.format(trusted="10.0.0.0/8", backend=backend.url), tmp_path) as gateway:
        answer = say(gateway, get("/echo", "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https"))

    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" in answer
    assert b"9.9.9.9" not in answer


def test_an_answer_arrives_as_it_was_sent_less_what_is_hop_by_hop(gateway: Gateway) -> None:
    """The request's ID is the gateway's word."""
    answer = say(gateway, get("/hop-by-hop", "X-Request-ID: ours"))

    assert answer == (
        b"HTTP/1.1 200 OK\r\nX-a: 1\r\nX-A: 2\r\nContent-Length: 0\r\nX-Request-ID: ours\r\nConnection: close\r\n\r\n"
    )


def test_a_rewrite_changes_path_and_fields(gateway: Gateway) -> None:
    """What one arm needs otherwise."""
    answer = say(gateway, get("/v1/a%20b?c", "X-Old: 1", "x-new: 0"))

    assert b"\r\n\r\nGET /v2/a%20b?c HTTP/1.1\r\n" in answer
    assert b"X-New: 1\r\n" in answer
    assert b"X-Old" not in answer
    assert b"x-new: 0" not in answer


@pytest.mark.parametrize(
    ("request_bytes", "status", "body", "fields"),
    [
        (get("/chunked"), 200, b"b\r\nhello world\r\n0\r\nX-Sum: 7\r\n\r\n", [b"Transfer-Encoding: chunked"]),
        (b"GET /chunked HTTP/1.0\r\n" + HOST + b"\r\n", 200, b"hello world", [b"Connection: close"]),
        (get("/until-close"), 200, b"b\r\nuntil close\r\n0\r\n\r\n", [b"Transfer-Encoding: chunked"]),
        (b"GET /until-close HTTP/1.0\r\n" + HOST + b"\r\n", 200, b"until close", [b"Connection: close"]),
        (get("/204"), 204, b"", [b"X-A: b"]),
        (get("/304"), 304, b"", [b"Content-Length: 100", b"ETag: a"]),
        (get("/echo").replace(b"GET", b"HEAD"), 200, b"", []),
        (b"GET /204 HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n", 204, b"", [b"Connection: keep-alive"]),
    ],
)
def test_bodies_are_framed_as_the_client_understands(
    gateway: Gateway, request_bytes: bytes, status: int, body: bytes, fields: list[bytes]
) -> None:
    """Chunked, by length, by closing, and not at all."""
    head, _, received = say(gateway, request_bytes).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")

    assert int(lines[0].split(b" ")[1]) == status
    assert received == body
    assert set(fields) <= set(lines)


def test_http_1_0_without_a_host_gets_the_endpoint_s(gateway: Gateway, backend: Scripted) -> None:
    """It matches routes without ``host``."""
    answer = say(gateway, b"GET /echo HTTP/1.0\r\n\r\n")

    assert b"\r\nHost: " + backend.url.removeprefix("http://").encode() + b"\r\n" in answer
    assert b"X-Crossfade-Route: old\r\n" in answer


def test_interim_answers_pass(gateway: Gateway) -> None:
    """103 before the answer, 100 to who waits for it."""
    assert say(gateway, get("/103")).startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")

    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        answer = connection.makefile("rb").read()
    assert answer.endswith(b"\r\n\r\nhello")


def test_chunks_and_trailers_of_a_request_arrive(gateway: Gateway) -> None:
    """But for trailers that would mean something in a head."""
    answer = say(
        gateway,
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\nHost: evil\r\n\r\n",
    )

    sent = answer.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2]
    assert sent.endswith(b"0\r\nX-Sum: 7\r\n\r\n")
    assert b"evil" not in answer


def test_pipelined_requests_are_answered_in_order_even_when_the_client_ends(gateway: Gateway) -> None:
    """Fifty in one write, then a half-close."""
    requests = b"".join(b"GET /echo?%d HTTP/1.1\r\n" % number + HOST + b"\r\n" for number in range(50))

    answer = say(gateway, requests, ends=True)

    assert [int(part.split(b" ")[0]) for part in answer.split(b"GET /echo?")[1:]] == list(range(50))


@pytest.mark.parametrize(
    ("path", "status"),
    [("/garbage", 502), ("/both", 502), ("/nothing", 502), ("/silence", 504), ("/dead", 502)],
)
def test_a_broken_backend_becomes_a_problem_document(gateway: Gateway, path: str, status: int) -> None:
    """RFC 9457: what failed, and for which request."""
    head, _, body = say(gateway, get(path, "X-Request-ID: broken" + path[1:])).partition(b"\r\n\r\n")
    problem = json.loads(body)

    assert b"\r\nContent-Type: application/problem+json\r\n" in head
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert (problem["status"], problem["request_id"]) == (status, "broken" + path[1:])


@pytest.mark.parametrize("path", ["/cut", "/stall", "/cut-chunks"])
def test_an_answer_that_breaks_off_is_seen_to(gateway: Gateway, path: str) -> None:
    """Fewer bytes than announced, or no last chunk: never a clean end."""
    try:
        answer = say(gateway, get(path))
    except ConnectionResetError:
        return

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not answer.endswith(b"0\r\n\r\n")
    assert len(answer.partition(b"\r\n\r\n")[2]) < 100


def test_a_stale_connection_costs_a_get_nothing_and_a_post_is_sent_once(gateway: Gateway, backend: Scripted) -> None:
    """The backend closes a kept connection when it is used again."""
    before = len(backend.asked)
    path = b"/closes-later"
    get_twice = b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"

    answer = say(gateway, get_twice, get_twice.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    post = b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 1\r\n\r\nx"
    answer = say(gateway, post)

    assert answer[9:12] in {b"200", b"502"}
    assert sum(request.startswith(b"POST") for request in backend.asked[before:]) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        b"POST /never HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /never HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /never HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET /never HTTP/1.1\r\n" + HOST + b"A: b\rc\r\n\r\n",
        b"GET /never HTTP/1.1\r\n" + HOST + b"A: b\nc: d\r\n\r\n",
        b"GET /never HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n",
        b"GET /never HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n",
        b"GET /never HTTP/1.1\r\n" + HOST + b"A: \0\r\n\r\n",
        b"GET /never HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET /never HTTP/1.1\r\n\r\n",
        b"GET /never\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /never#a HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://other/never HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT never:80 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /never\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03never\r\n\r\n",
    ],
)
def test_what_is_ambiguous_is_refused_and_nothing_of_it_is_passed_on(
    gateway: Gateway, backend: Scripted, hostile: bytes
) -> None:
    """400, the connection closed, and a backend that never heard of it."""
    answer = say(gateway, hostile + get("/never"))

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1 4") == 1
    assert not any(b"never" in request for request in backend.asked)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"GET / HTTP/1.1\r\nHost: shop.exa"], 408),
        ([b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nabc"], 408),
        ([b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n"], 413),
        ([b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000], 413),
        ([b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 5000 + b"\r\n\r\n"], 431),
        ([b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 20 + b"\r\n"], 431),
        ([b"GET / HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n"], 404),
        ([b"POST /echo HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"], 404),
    ],
)
def test_what_is_too_slow_too_large_or_for_nobody_is_told_so(gateway: Gateway, parts: list[bytes], status: int) -> None:
    """With a document that names the request."""
    head, _, body = say(gateway, *parts).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["status"] == status


def test_a_chunk_that_is_no_chunk_ends_a_request_in_its_middle(gateway: Gateway) -> None:
    """The head had passed; the backend's connection is given up."""
    answer = say(
        gateway, b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"xyz\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_failures_are_logged_with_their_kind(gateway: Gateway) -> None:
    """One JSON line each on standard output."""
    kinds = {"/garbage": "protocol", "/nothing": "reset", "/silence": "timeout", "/dead": "connect", "/echo": None}
    for path in kinds:
        say(gateway, get(path, "X-Request-ID: kind-of" + path))

    def logged() -> dict[str, dict[str, object]]:
        lines = map(json.loads, gateway.stdout.read_text().splitlines())
        return {line["target"]: line for line in lines if line["request_id"].startswith("kind-of")}

    gateway.wait_until(lambda: len(logged()) == len(kinds))
    assert {path: line["error"] for path, line in logged().items()} == kinds
