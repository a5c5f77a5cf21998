"""Whatever the candidate does, a GET whose answer has not begun is answered: by the baseline."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.e2e.exposition import scrape, sum_by
from tests.e2e.gateway import Gateway
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import ask, connected, get, post

if TYPE_CHECKING:
    from collections.abc import Iterator

# The candidate follows its scripts; the baseline is asked for other paths, and says what it was asked.
CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, expose: true, access_log: errors, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends:
  legacy: {legacy}
  new: {{endpoints: {new}, eject: {{consecutive_failures: 1000}}}}
  hasty: {{endpoints: {new}, timeouts: {{response: 300ms, idle: 300ms}}, eject: {{consecutive_failures: 1000}}}}
  dead: http://127.0.0.1:1
rollouts: {{shop: {{key: client_ip, percent: 100, guard: []}}}}
routes:
  - name: silence
    match: /silence
    baseline: legacy
    candidate: hasty
    rollout: shop
    rewrite: {{arm: baseline, path: /echo/silence}}
    failover: {{budget: 100%}}
    breaker: off
  - name: silent-posts
    match: /posts/silence
    baseline: legacy
    candidate: hasty
    rollout: shop
    rewrite: [{{arm: baseline, path: /echo/silence}}, {{arm: candidate, path: /silence}}]
    failover: {{methods: [GET, POST], budget: 100%, buffer: 64KiB}}
    breaker: off
  - name: posts
    match: /posts/**
    baseline: legacy
    candidate: new
    rollout: shop
    rewrite: [{{arm: baseline, path: /echo/**}}, {{arm: candidate, path: /**}}]
    failover: {{methods: [GET, POST], budget: 100%, buffer: 64KiB}}
    breaker: off
  - name: refused
    match: /refused/**
    baseline: legacy
    candidate: dead
    rollout: shop
    rewrite: {{arm: baseline, path: /echo/**}}
    failover: {{budget: 100%}}
    breaker: off
  - name: bounded
    match: /bounded/**
    baseline: legacy
    candidate: new
    rollout: shop
    rewrite: [{{arm: baseline, path: /echo/**}}, {{arm: candidate, path: /**}}]
    breaker: off
  - name: all
    match: /**
    baseline: legacy
    candidate: new
    rollout: shop
    rewrite: {{arm: baseline, path: /echo/**}}
    failover: {{budget: 100%}}
    breaker: off
"""


@pytest.fixture(scope="module")
def legacy() -> Iterator[Scripted]:
    """The baseline."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def new() -> Iterator[Scripted]:
    """The candidate."""
    with scripted() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(legacy: Scripted, new: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose candidate answers everything, and has 300 ms where it is silent."""
    text = CONFIGURATION.format(legacy=legacy.url, new=new.url)
    with Gateway(text, tmp_path_factory.mktemp("failover")) as running:
        yield running


def errors_of(gateway: Gateway, path: str) -> Counter[str]:
    """The candidate's errors on one path so far, by kind; each test has paths of its own."""
    errors = sum_by(scrape(gateway)["crossfade_backend_errors"], "_total", "path", "arm", "kind")
    return Counter({kind: count for (at, arm, kind), count in errors.items() if (at, arm) == (path, "candidate")})


def failovers_by(gateway: Gateway, route: str, reason: str) -> int:
    """How many requests of a route have failed over so far, for one reason."""
    return sum_by(scrape(gateway)["crossfade_failovers"], "_total", "route", "reason")[route, reason]


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("/refused/a", "connect", "connect"),
        ("/silence", "timeout", "timeout"),
        ("/garbage", "protocol", "protocol"),
        ("/both", "protocol", "protocol"),
        ("/nothing", "reset", "reset"),
        ("/fails", "5xx", "500"),
        ("/fails-cut", "5xx", "500"),
    ],
)
def test_no_get_is_lost(gateway: Gateway, path: str, kind: str, reason: str) -> None:
    """Five users each get the baseline's answer, and the candidate's failures are counted, each of its kind."""
    route = {"/refused/a": "refused", "/silence": "silence"}.get(path, "all")
    failovers = failovers_by(gateway, route, reason)
    answers = [ask(gateway, get(path)) for _ in range(5)]

    assert [answer.first for answer in answers] == [b"200"] * 5
    assert all(answer.body.startswith(b"GET /echo/") for answer in answers)
    assert all(answer.all(b"x-crossfade-arm") == [b"baseline"] for answer in answers)
    assert all(answer.all(b"x-crossfade-reason") == [b"split"] for answer in answers)
    gateway.wait_until(lambda: errors_of(gateway, path) == {kind: 5})
    assert failovers_by(gateway, route, reason) >= failovers + 5


def test_an_answer_that_breaks_off_is_seen_to_have_broken_off(gateway: Gateway) -> None:
    """What has reached the client can't be taken back: no second answer follows the first half of one."""
    received = b""
    with connected(gateway) as client:
        client.send(get("/cut"))
        try:
            while part := client.socket.recv(65536):
                received += part
        except ConnectionResetError:
            pass

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.count(b"HTTP/1.1") == 1
    gateway.wait_until(lambda: errors_of(gateway, "/cut") == {"reset": 1})


@pytest.mark.parametrize("path", ["/posts/nothing", "/posts/fails", "/posts/silence", "/posts/garbage"])
def test_a_small_post_fails_over_where_the_route_says_so(gateway: Gateway, path: str) -> None:
    """With its body, as it was."""
    answer = ask(gateway, post(path, b"a small body"))

    assert answer.first == b"200"
    assert answer.body.startswith(b"POST /echo/")
    assert answer.body.endswith(b"\r\n\r\na small body")


@pytest.mark.parametrize(("path", "status"), [("/posts/nothing", b"502"), ("/posts/fails", b"500")])
def test_a_large_post_does_not_fail_over(gateway: Gateway, legacy: Scripted, path: str, status: bytes) -> None:
    """Over the buffer the candidate's failure is the client's answer, and the baseline hears nothing."""
    before = len(legacy.asked)
    answer = ask(gateway, post(path, b"x" * 100_000))

    assert answer.first == status
    assert len(legacy.asked) == before


def test_a_post_is_not_sent_twice_unless_the_route_says_so(gateway: Gateway, new: Scripted, legacy: Scripted) -> None:
    """The candidate may have done it."""
    before = len(legacy.asked)
    answer = ask(gateway, post("/bounded/nothing?once", b"x"))

    assert answer.first == b"502"
    assert sum(b"/nothing?once" in request for request in new.asked) == 1
    assert len(legacy.asked) == before


@pytest.mark.parametrize("size", [5, 100_000])
def test_a_post_to_a_candidate_that_refuses_goes_to_the_baseline(gateway: Gateway, size: int) -> None:
    """Nothing was sent, so nothing can be sent twice; however large it is."""
    answer = ask(gateway, post("/refused/posted", b"x" * size))

    assert answer.first == b"200"
    assert answer.body.endswith(b"\r\n\r\n" + b"x" * size)


def test_the_budget_bounds_what_the_baseline_gets_beyond_its_share(gateway: Gateway) -> None:
    """Ten requests in ten seconds are always allowed; without a breaker, the others see what the candidate does."""
    answers = Counter(ask(gateway, get("/bounded/fails")).first for _ in range(20))

    assert answers == {b"200": 10, b"500": 10}


def test_the_access_log_says_what_failed_over(gateway: Gateway) -> None:
    """By the reason; the arm stays the candidate's, the backend is who answered."""
    ask(gateway, get("/posts/nothing?logged", "X-Request-ID: logged-failover"))
    gateway.wait_until(lambda: "logged-failover" in gateway.stdout.read_text())

    (line,) = [line for line in gateway.stdout.read_text().splitlines() if "logged-failover" in line]
    assert '"failover":"reset"' in line
    assert '"arm":"candidate"' in line
    assert '"backend":"legacy"' in line
