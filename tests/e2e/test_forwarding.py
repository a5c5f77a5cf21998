"""What the two sides learn of each other, whom the gateway believes, and what it writes down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import HOST, ask, get, post

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, timeouts: {{drain: 1s}}, {server}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {url}, new: {url}, dead: http://127.0.0.1:9}}
rollouts:
  users: {{key: header:X-User-ID, percent: 0}}
  places: {{key: client_ip, percent: 50}}
routes:
  - {{name: dead, match: /dead, backend: dead}}
  - {{name: places, match: /places, baseline: legacy, candidate: new, rollout: places}}
  - name: users
    match: /**
    baseline: legacy
    candidate: new
    rollout: users
    rewrite: {{arm: candidate, path: /v2/**, headers: {{set: {{X-New: "1"}}, remove: [X-Old]}}}}
"""

OPEN = "trusted_proxies: 127.0.0.0/8, override: {from: 127.0.0.0/8}, expose: true, access_log: errors"
WARY = "trusted_proxies: [], override: {token: open-sesame}, access_log: all"


@pytest.fixture(scope="module")
def shop() -> Iterator[Scripted]:
    """The backend of both arms."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def trusting(shop: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that believes the clients of these tests, shows what it decided, and logs errors."""
    text = CONFIGURATION.format(server=OPEN, url=shop.url)
    with Gateway(text, tmp_path_factory.mktemp("trusting")) as running:
        yield running


@pytest.fixture(scope="module")
def wary(shop: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that believes nobody, shows nothing, and logs all."""
    text = CONFIGURATION.format(server=WARY, url=shop.url)
    with Gateway(text, tmp_path_factory.mktemp("wary")) as running:
        yield running


def hear(gateway: Gateway, *lines: str, path: str = "/echo") -> list[str]:
    """The request that the backend heard for this one, line by line."""
    return ask(gateway, get(path, *lines)).body.decode("latin-1").split("\r\n")


def name(line: str) -> str:
    """A field's name, as it came."""
    return line.partition(":")[0]


def list_arms(gateway: Gateway) -> set[str]:
    """Those that thirty addresses in X-Forwarded-For lead to."""
    heard = (hear(gateway, f"X-Forwarded-For: 198.51.100.{number}", path="/places") for number in range(30))
    return {line for lines in heard for line in lines if name(line) == "X-Crossfade-Arm"}


def read_log(gateway: Gateway) -> list[dict[str, Any]]:
    """The access log so far; every line of it is JSON."""
    return [json.loads(line) for line in gateway.stdout.read_text().splitlines()]


def find_line(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The access log's line of this request, when it has been written."""
    gateway.wait_until(lambda: any(line["request_id"] == request_id for line in read_log(gateway)))
    (line,) = (line for line in read_log(gateway) if line["request_id"] == request_id)
    return line


def test_hop_by_hop_fields_end_at_the_gateway(wary: Gateway) -> None:
    """The known ones, and those that Connection names, wherever and however it does."""
    heard = hear(
        wary,
        "X-Before: 1",
        "connection: keep-alive, x-ONE",
        "X-One: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers, deflate",
        "Upgrade: parrot",
        "Connection: X-Two ,,",
        "x-two: 2",
        "X-After: 1",
    )

    assert [name(line) for line in heard[1:4]] == ["Host", "X-Before", "X-After"]
    gone = {"connection", "keep-alive", "proxy-connection", "te", "upgrade", "x-one", "x-two"}
    assert not gone & {name(line).lower() for line in heard}


@pytest.mark.parametrize("named", ["Host", "Content-Length", "X-Forwarded-For", "X-Crossfade-Arm", "X-Request-ID"])
def test_connection_can_not_take_away_what_the_gateway_vouches_for(wary: Gateway, named: str) -> None:
    """A client that names such fields is refused, or they arrive all the same."""
    answer = ask(wary, post("/echo", b"hello", f"Connection: {named}"))

    assert answer.first == b"400" or (f"\r\n{named}: ".encode() in answer.body and answer.body.endswith(b"hello"))


def test_bytes_that_are_no_ascii_pass(wary: Gateway) -> None:
    """In a value they are whatever client and backend agreed on."""
    request = b"GET /echo HTTP/1.1\r\n" + HOST + b"X-Name: \xff\xfe caf\xc3\xa9  \t x\r\n\r\n"

    assert b"\r\nX-Name: \xff\xfe caf\xc3\xa9  \t x\r\n" in ask(wary, request).body


@pytest.mark.parametrize("target", ["/a%2Fb/%2e%2E/c//d", "/echo?a=%20&b=c?d", "/%F0%9F%A6%9C;v=1", "/echo?", "/*"])
def test_a_target_is_forwarded_as_it_came(wary: Gateway, target: str) -> None:
    """Whatever it was matched as."""
    assert hear(wary, path=target)[0] == f"GET {target} HTTP/1.1"


def test_an_untrusted_peer_says_nothing_about_the_way_here(wary: Gateway) -> None:
    """`trusted_proxies: []`: its X-Forwarded-* are replaced, and its address is the key."""
    heard = hear(wary, "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "x-forwarded-host: else.where")

    said = [line for line in heard if name(line).lower().startswith("x-forwarded")]
    assert said == ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example"]
    assert len(list_arms(wary)) == 1


def test_a_trusted_peer_is_believed_about_the_way_here(trusting: Gateway) -> None:
    """Its list is continued, its proto and host are kept, and the client that it names is the key."""
    heard = hear(trusting, "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "x-forwarded-host: else.where")

    said = [line for line in heard if name(line).lower().startswith("x-forwarded")]
    assert said == ["X-Forwarded-For: 9.9.9.9, 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: else.where"]
    assert len(list_arms(trusting)) == 2


@pytest.mark.parametrize(
    ("line", "arm"),
    [
        ("X-Crossfade-Arm: candidate", "candidate"),
        ("x-crossfade-arm: baseline", "baseline"),
        ("X-Other: 1", "baseline"),
    ],
)
def test_a_peer_that_may_choose_an_arm_gets_it(trusting: Gateway, line: str, arm: str) -> None:
    """By its address; the backend hears of the arm from the gateway alone, once."""
    heard = hear(trusting, "X-User-ID: 1", line)

    assert [line for line in heard if name(line).lower() == "x-crossfade-arm"] == [f"X-Crossfade-Arm: {arm}"]


@pytest.mark.parametrize(("token", "arm"), [("open-sesame", "candidate"), ("open-sesam", "baseline"), ("", "baseline")])
def test_nobody_else_s_crossfade_fields_pass(wary: Gateway, token: str, arm: str) -> None:
    """Not the token either, whether it was right or wrong."""
    heard = hear(wary, f"X-Crossfade-Token: {token}", "X-Crossfade-Arm: candidate", "x-crossfade-SHADOW: 1")

    own = [line for line in heard if name(line).lower().startswith("x-crossfade")]
    assert own == ["X-Crossfade-Route: users", f"X-Crossfade-Arm: {arm}"]


def test_a_rewrite_is_for_its_arm_alone(trusting: Gateway) -> None:
    """Path and fields; the other arm hears the request as it came."""
    candidate = hear(trusting, "X-Old: 1", "X-Crossfade-Arm: candidate", path="/a%20b?c")
    baseline = hear(trusting, "X-Old: 1", "X-Crossfade-Arm: baseline", path="/a%20b?c")

    assert (candidate[0], "X-New: 1" in candidate, "X-Old: 1" in candidate) == ("GET /v2/a%20b?c HTTP/1.1", True, False)
    assert (baseline[0], "X-New: 1" in baseline, "X-Old: 1" in baseline) == ("GET /a%20b?c HTTP/1.1", False, True)


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/204", [b"users", b"baseline", b"missing_key"]), ("/dead", [b"dead", b"baseline", b"no_rollout"])],
)
def test_what_was_decided_shows_where_it_may(trusting: Gateway, wary: Gateway, path: str, shown: list[bytes]) -> None:
    """`expose: true`: route, arm and reason, with answers and with problems; otherwise nothing of it."""
    names = (b"x-crossfade-route", b"x-crossfade-arm", b"x-crossfade-reason")
    exposed, hidden = (ask(gateway, get(path)) for gateway in (trusting, wary))

    assert [exposed.all(name) for name in names] == [[value] for value in shown]
    assert not any(name.lower().startswith(b"x-crossfade") for name, _ in hidden.fields)


@pytest.mark.parametrize("given", ["abc", "4bf92f35-77b3:1/2", "a" * 64])
def test_a_request_id_that_is_sane_is_kept(wary: Gateway, given: str) -> None:
    """For the backend, and in the answer."""
    answer = ask(wary, get("/echo", f"x-request-id: {given}"))

    assert answer.all(b"x-request-id") == [given.encode()]
    assert answer.body.lower().count(b"\r\nx-request-id: " + given.encode() + b"\r\n") == 1


@pytest.mark.parametrize("given", ["", "a b", "é", "a" * 5000, 'a"b'])
def test_a_request_id_that_is_not_is_replaced(wary: Gateway, given: str) -> None:
    """By one of the gateway's, the same on both sides."""
    answer = ask(wary, get("/echo", f"X-Request-ID: {given}"))

    (made,) = answer.all(b"x-request-id")
    assert made != given.encode()
    assert answer.body.count(b"\r\nX-Request-ID: " + made + b"\r\n") == 1
    assert answer.body.lower().count(b"\r\nx-request-id:") == 1


def test_the_trace_s_context_passes(wary: Gateway) -> None:
    """`traceparent` and `tracestate`, untouched."""
    context = ["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate: a=b"]

    assert [line for line in hear(wary, *context) if line.startswith("trace")] == context


def test_the_log_tells_of_every_request_but_never_its_key(wary: Gateway) -> None:
    """The bucket stands for the key."""
    ask(wary, get("/204", "X-User-ID: a-secret-name", "X-Request-ID: the-log-1"))
    line = find_line(wary, "the-log-1")

    assert (line["route"], line["arm"], line["reason"], line["status"]) == ("users", "baseline", "split", 204)
    assert (line["method"], line["target"], line["backend"], line["error"]) == ("GET", "/204", "legacy", None)
    assert 0 <= line["bucket"] < 100
    assert "a-secret-name" not in wary.stdout.read_text() + wary.stderr.read_text()


def test_the_log_of_errors_tells_of_nothing_else(trusting: Gateway) -> None:
    """What the gateway had to answer itself is there, what the backend answered is not."""
    ask(trusting, get("/204", "X-Request-ID: the-log-2"))
    ask(trusting, get("/dead", "X-Request-ID: the-log-3"))

    assert find_line(trusting, "the-log-3")["status"] == 502
    assert "the-log-2" not in trusting.stdout.read_text()
