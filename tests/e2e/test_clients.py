"""The clients that people use, through the gateway and past it: they can't tell the difference."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

import pytest

from tests.e2e.clients import (
    Answer,
    Asking,
    Headers,
    ask_with_curl,
    ask_with_httpx,
    ask_with_node,
    ask_with_requests,
    run_curl,
)
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server, content

Ask = Callable[[str, Iterable[Asking]], list[Answer]]

LARGE_BYTES = 10 << 20
WRK_SECONDS = 1

OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}
"""Each connection has its own; how a body is framed shows in the body."""

ADDED = {"x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
ADDED_TO_REQUESTS = ADDED | {"x-crossfade-route", "x-crossfade-arm"}

DIFFERS_BY_ITSELF = {"date", "host"}
"""From moment to moment, from port to port."""

FOR_ALL = [
    Asking("GET", "/bytes/0"),
    Asking("GET", "/bytes/1"),
    Asking("GET", "/bytes/65536"),
    Asking("GET", f"/bytes/{LARGE_BYTES}"),
    Asking("GET", "/gzip/65536", (("Accept-Encoding", "gzip"),)),
    Asking("HEAD", "/bytes/1000"),
    Asking("GET", "/status/404"),
    Asking("HEAD", "/status/404"),
    Asking("GET", "/status/503"),
    Asking("GET", "/empty"),
    Asking("OPTIONS", "/status/200"),
    Asking("DELETE", "/status/200"),
    Asking("POST", "/status/201", body=content(1000)),
    Asking("PUT", "/status/200", body=content(1000)),
    Asking("GET", "/status/418"),
]

FOR_FILES = [
    Asking("GET", "/bytes/1000", (("If-None-Match", "*"),)),
    Asking("GET", "/bytes/1000", (("Range", "bytes=10-19"),)),
    Asking("DELETE", "/bytes/1000"),
]

FOR_APPLICATIONS = [
    Asking("GET", "/chunked/100000"),
    Asking("GET", "/echo/a%20b//c;d?x=1&y=%2F&z"),
    Asking("POST", "/echo", body=b""),
    Asking("POST", "/echo", body=content(1000)),
    Asking("PUT", "/echo", body=content(LARGE_BYTES)),
    Asking("DELETE", "/echo", body=content(10)),
    Asking("POST", "/echo", body=content(1_000_000), is_chunked=True),
    Asking("GET", "/echo", (("Cookie", "a=1; b=2"), ("X-Odd", '~\t;,= "'))),
]

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{{backends}}}
routes: [{routes}]
"""


@pytest.fixture(scope="module")
def gateway(
    nginx: Server, gunicorn: Server, aiohttp: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Before all three; `X-To` chooses."""
    servers = (nginx, gunicorn, aiohttp)
    backends = ", ".join(f"{server.name}: {server.url}" for server in servers)
    routes = ", ".join(
        f"{{name: {server.name}, match: {{headers: {{X-To: {server.name}}}}}, backend: {server.name}}}"
        for server in servers
    )
    text = CONFIGURATION.format(backends=backends, routes=routes)
    with Gateway(text, tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture(params=["nginx", "gunicorn", "aiohttp"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of them."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


def address(askings: Iterable[Asking], server: Server) -> list[Asking]:
    """The same, to this server."""
    return [
        Asking(asking.method, asking.path, (("X-To", server.name), *asking.headers), asking.body, asking.is_chunked)
        for asking in askings
    ]


def keep_essential(headers: Headers, added: set[str]) -> Headers:
    """Without what a proxy owes to each side alone."""
    left_out = OF_A_CONNECTION | DIFFERS_BY_ITSELF | added
    return tuple((name, value) for name, value in headers if name.lower() not in left_out)


def essence(answer: Answer) -> tuple[int, Headers, object]:
    """What must be the same, however the answer came; an echo is compared by what the server saw."""
    headers = keep_essential(answer.headers, ADDED)
    if not answer.body.startswith(b'{"method"'):
        return answer.status, headers, (len(answer.body), sha256(answer.body).hexdigest())
    seen = json.loads(answer.body)
    seen["headers"] = keep_essential(tuple((name, value) for name, value in seen["headers"]), ADDED_TO_REQUESTS)
    without_length = tuple((name, value) for name, value in headers if name.lower() != "content-length")
    return answer.status, without_length, seen


@pytest.mark.parametrize("ask", [ask_with_curl, ask_with_httpx, ask_with_requests, ask_with_node])
def test_a_client_hears_the_same_as_if_it_asked_the_server_itself(gateway: Gateway, server: Server, ask: Ask) -> None:
    """Status, headers in their order and case, and the body byte for byte; the server sees the same request."""
    askings = address(FOR_ALL + (FOR_FILES if server.name == "nginx" else FOR_APPLICATIONS), server)

    direct, proxied = ask(server.url, askings), ask(gateway.url, askings)

    for asking, expected, heard in zip(askings, direct, proxied, strict=True):
        assert essence(heard) == essence(expected), str(asking)
        assert any(name.lower() == "x-request-id" for name, _ in heard.headers), str(asking)


def test_curl_is_told_to_go_on_with_a_large_body(gateway: Gateway, gunicorn: Server) -> None:
    """`Expect: 100-continue` gets its interim answer, and the final one after the body."""
    (asking,) = address([Asking("POST", "/echo", (("Expect", "100-continue"),), content(LARGE_BYTES))], gunicorn)

    answers = run_curl(gateway.url, asking, "--expect100-timeout", "30")

    assert [answer.status for answer in answers] == [100, 200]
    assert json.loads(answers[-1].body)["body_length"] == LARGE_BYTES


def test_curl_gets_what_nginx_compressed(gateway: Gateway, nginx: Server) -> None:
    """A compressed body passes as it is: still compressed, and still what it was."""
    (asking,) = address([Asking("GET", "/gzip/65536")], nginx)

    (plain,) = run_curl(gateway.url, asking)
    (decompressed,) = run_curl(gateway.url, asking, "--compressed")

    assert decompressed.body == plain.body == content(65_536)
    assert ("Content-Encoding", "gzip") in decompressed.headers


def test_wrk_counts_no_errors(gateway: Gateway, server: Server) -> None:
    """Sixteen connections that never rest: every answer is a good one."""
    command = ["wrk", "-t1", "-c16", f"-d{WRK_SECONDS}s", "--timeout", "20s", "-H", f"X-To: {server.name}"]

    report = subprocess.run([*command, f"{gateway.url}/bytes/1000"], capture_output=True, text=True, check=True).stdout

    assert "Socket errors" not in report, report
    assert "Non-2xx" not in report, report
    assert int(re.findall(r"(\d+) requests in", report)[0]) > 0
