"""TLS on both sides: what clients are shown, and what backends must show."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e import servers
from tests.e2e.certificates import Pair, make_pair
from tests.e2e.clients import Asking, run_curl
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server, content

PATIENCE_SECONDS = 20

LISTENING = """\
version: 1
server:
  listen: [{{address: 127.0.0.1:0, tls: {{cert: {pair.cert}, key: {pair.key}}}}}, 127.0.0.1:0]
  workers: {workers}
  timeouts: {{drain: 1s}}
admin: {{listen: 127.0.0.1:0}}
backends: {{shop: {url}}}
rollouts: {{cart: {{key: cookie:session, on_missing_key: cookie, percent: 50}}}}
routes: [{{name: all, match: /**, baseline: shop, candidate: shop, rollout: cart}}]
"""

CALLING = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{shop: {{endpoints: ["{endpoints}"], tls: {{{tls}}}}}}}
routes: [{{name: all, match: /**, backend: shop}}]
"""


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """The listener's."""
    return make_pair(tmp_path, "first")


@pytest.fixture
def other(tmp_path: Path) -> Pair:
    """What may come in its place."""
    return make_pair(tmp_path, "second")


@pytest.fixture
def gateway(start_gateway: Start, pair: Pair, aiohttp: Server) -> Gateway:
    """The first listener speaks HTTPS, the second HTTP."""
    return start_gateway(LISTENING.format(pair=pair, url=aiohttp.url, workers=1))


@pytest.fixture(scope="module")
def backend_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The backend's."""
    return make_pair(tmp_path_factory.mktemp("backend"), "backend")


@pytest.fixture(scope="module")
def secure(backend_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A backend that speaks HTTPS."""
    with servers.aiohttp(tmp_path_factory.mktemp("secure"), "secure", tls=backend_pair.both) as server:
        yield server


def trust(pair: Pair) -> ssl.SSLContext:
    """A client that accepts this certificate and no other."""
    return ssl.create_default_context(cafile=pair.cert)


def shake_hands(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection as a browser makes it."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname="127.0.0.1")
    except ssl.SSLError:
        plain.close()
        raise


def is_shown(port: int, pair: Pair) -> bool:
    """Whether a newcomer sees this certificate."""
    with contextlib.suppress(ssl.SSLCertVerificationError), shake_hands(port, trust(pair)):
        return True
    return False


def ask(connection: ssl.SSLSocket) -> bytes:
    """A request on a connection that stays open; the status line."""
    connection.sendall(b"GET /bytes/1 HTTP/1.1\r\nHost: shop\r\n\r\n")
    with connection.makefile("rb") as answer:
        line = answer.readline()
        while answer.readline() != b"\r\n":
            pass
        answer.read(1)
    return line


def call(start_gateway: Start, tls: str, *servers_behind: Server) -> Gateway:
    """A gateway before these, all of one backend."""
    endpoints = '", "'.join(server.url for server in servers_behind)
    return start_gateway(CALLING.format(endpoints=endpoints, tls=tls))


def test_a_listener_speaks_https(gateway: Gateway, pair: Pair) -> None:
    """With its certificate, over TLS 1.2 and later, and in HTTP/1.1 even to those who could do more."""
    context = trust(pair)
    context.set_alpn_protocols(["h2", "http/1.1"])

    with shake_hands(gateway.port, context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}
        assert ask(connection) == b"HTTP/1.1 200 OK\r\n"


def test_curl_and_httpx_speak_https_with_it(gateway: Gateway, pair: Pair) -> None:
    """Large bodies both ways."""
    url, body = f"https://127.0.0.1:{gateway.port}", content(3_000_000)

    (answer,) = run_curl(url, Asking("GET", "/bytes/3000000"), "--cacert", str(pair.cert))
    with httpx.Client(base_url=url, verify=trust(pair), trust_env=False) as client:
        seen = client.post("/echo", content=body).json()

    assert answer.body == body
    assert seen["body_length"] == len(body)


def test_the_backend_learns_how_the_client_spoke(gateway: Gateway, pair: Pair) -> None:
    """`X-Forwarded-Proto` is `https` on the one listener and `http` on the other."""
    secure = httpx.get(f"https://127.0.0.1:{gateway.ports[0]}/echo", verify=trust(pair), trust_env=False)
    plain = httpx.get(f"http://127.0.0.1:{gateway.ports[1]}/echo", trust_env=False)

    spoken = [dict(answer.json()["headers"])["X-Forwarded-Proto"] for answer in (secure, plain)]

    assert spoken == ["https", "http"]


def test_a_sticky_cookie_is_secure_where_the_connection_is(gateway: Gateway, pair: Pair) -> None:
    """Browsers then never send it in the clear; on a plain listener they could not send it at all."""
    secure = httpx.get(f"https://127.0.0.1:{gateway.ports[0]}/bytes/1", verify=trust(pair), trust_env=False)
    plain = httpx.get(f"http://127.0.0.1:{gateway.ports[1]}/bytes/1", trust_env=False)
    attributes = "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"

    assert re.fullmatch(f"crossfade_key=[0-9a-f]{{32}}{attributes}; Secure", secure.headers["Set-Cookie"])
    assert re.fullmatch(f"crossfade_key=[0-9a-f]{{32}}{attributes}", plain.headers["Set-Cookie"])


def test_plain_http_on_a_tls_listener_harms_nobody(gateway: Gateway, pair: Pair) -> None:
    """Who speaks the wrong protocol is cut off; the next one is served."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as lost:
        lost.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while lost.recv(4096):
                pass

    with shake_hands(gateway.port, trust(pair)) as connection:
        assert ask(connection) == b"HTTP/1.1 200 OK\r\n"


def test_a_certificate_replaced_on_disk_is_shown_to_newcomers(
    start_gateway: Start, pair: Pair, other: Pair, aiohttp: Server
) -> None:
    """By every worker, without a restart; connections that are open stay open."""
    gateway = start_gateway(LISTENING.format(pair=pair, url=aiohttp.url, workers=2))
    with shake_hands(gateway.port, trust(pair)) as connection:
        assert ask(connection) == b"HTTP/1.1 200 OK\r\n"
        pair.copy_from(other)
        gateway.wait_until(lambda: len(gateway.events("certificate_reloaded")) == 2)

        assert all(is_shown(gateway.port, other) for _ in range(10))
        assert ask(connection) == b"HTTP/1.1 200 OK\r\n"


def test_a_broken_pair_leaves_the_old_one_in_force(gateway: Gateway, pair: Pair, other: Pair, tmp_path: Path) -> None:
    """A certificate whose key is missing is refused and told; when the key comes, both are shown."""
    first = Pair(tmp_path / "kept.pem", tmp_path / "kept.key")
    first.copy_from(pair)

    pair.cert.write_bytes(other.cert.read_bytes())
    gateway.wait_until(lambda: gateway.events("certificate_refused"))
    is_old_shown = is_shown(gateway.port, first)
    pair.key.write_bytes(other.key.read_bytes())
    gateway.wait_until(lambda: gateway.events("certificate_reloaded"))

    assert is_old_shown
    assert is_shown(gateway.port, other)


def test_a_backend_is_trusted_by_its_authority(start_gateway: Start, secure: Server, backend_pair: Pair) -> None:
    """`tls: {ca}` names it: requests pass, with bodies, on connections that are kept."""
    gateway = call(start_gateway, f"ca: {backend_pair.cert}", secure)
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        seen = client.post("/echo", content=content(3_000_000)).json()
        received = client.get("/chunked/3000000").content

    assert seen["body_length"] == 3_000_000
    assert received == content(3_000_000)


def test_a_backend_with_another_authority_is_not_talked_to(start_gateway: Start, secure: Server, pair: Pair) -> None:
    """502, and the backend sees nothing of the request."""
    gateway = call(start_gateway, f"ca: {pair.cert}", secure)

    status, body = gateway.get("/bytes/1")

    assert status == 502
    assert json.loads(body)["status"] == 502


def test_a_self_signed_backend_is_not_trusted_unless_told(start_gateway: Start, secure: Server) -> None:
    """The system's authorities decide when nothing is written."""
    gateway = call(start_gateway, "", secure)

    assert gateway.get("/bytes/1")[0] == 502


def test_verification_can_be_turned_off(start_gateway: Start, secure: Server) -> None:
    """`verify: false` takes any certificate."""
    gateway = call(start_gateway, "verify: false", secure)

    assert gateway.get("/bytes/1000") == (200, content(1000))


def test_a_backend_may_have_endpoints_with_and_without_tls(
    start_gateway: Start, secure: Server, aiohttp: Server, backend_pair: Pair
) -> None:
    """Each is spoken to as its URL says."""
    gateway = call(start_gateway, f"ca: {backend_pair.cert}", secure, aiohttp)
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        answers = [client.get("/bytes/1000") for _ in range(10)]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["X-Server"] for answer in answers} == {"secure", "aiohttp"}
