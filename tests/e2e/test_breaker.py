"""A candidate that fails everything rests after a few failures, and comes back by itself when it is well again."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.exposition import scrape, sum_by
from tests.e2e.wire import Client, ask, connected, get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Start
    from tests.e2e.gateway import Gateway

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, expose: true, timeouts: {{drain: 1s}}, override: {{from: 127.0.0.1/32}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 50, guard: []}}}}
routes:
  - {{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop, breaker: {{open: {rest}}}}}
"""


class Moody(http.server.ThreadingHTTPServer):
    """Answers with ``status``, and counts what it is asked."""

    daemon_threads = True
    request_queue_size = 128  # who is late to accept is not one who refuses
    status = 200
    asked = 0

    @property
    def url(self) -> str:
        """Of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    """One connection from the gateway."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    server: Moody

    def do_GET(self) -> None:
        """Whatever the path is."""
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def moody() -> Iterator[Moody]:
    """A running one."""
    with Moody(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def ask_as(client: Client, user: int) -> tuple[bytes, bytes]:
    """The status and the reason that a user gets."""
    answer = client.ask(get("/", f"X-User-ID: {user}"))
    return answer.first, answer.all(b"x-crossfade-reason")[0]


def decisions(gateway: Gateway) -> Counter[tuple[str, ...]]:
    """By arm and reason."""
    return sum_by(scrape(gateway)["crossfade_decisions"], "_total", "arm", "reason")


def test_users_of_a_candidate_that_fails_everything_see_no_error(start_gateway: Start) -> None:
    """From one request to the next it answers 500 to everything: failover first, then the breaker; eight at a time."""
    with moody() as legacy, moody() as new:
        gateway = start_gateway(CONFIGURATION.format(legacy=legacy.url, new=new.url, rest="1h"))

        def ask_often(first: int) -> list[tuple[bytes, bytes]]:
            with connected(gateway) as client:
                return [ask_as(client, user) for user in range(first, first + 200)]

        with ThreadPoolExecutor(8) as pool:
            under_way = [pool.submit(ask_often, 1000 * number) for number in range(8)]
            new.status = 500
            answers = [answer for each in under_way for answer in each.result()]

        assert {status for status, _ in answers} == {b"200"}
        assert {reason for _, reason in answers} == {b"split", b"breaker"}
        before = new.asked
        with connected(gateway) as client:
            assert {ask_as(client, user)[0] for user in range(100)} == {b"200"}
        assert new.asked == before
        kept_away = sum(reason == b"breaker" for _, reason in answers)
        gateway.wait_until(lambda: decisions(gateway)["baseline", "breaker"] > kept_away)


def test_a_candidate_that_is_well_again_gets_its_share_again(start_gateway: Start) -> None:
    """After its rest single requests try; meanwhile nobody sees an error, and in the end the reason is the split's."""
    with moody() as legacy, moody() as new:
        gateway = start_gateway(CONFIGURATION.format(legacy=legacy.url, new=new.url, rest="200ms"))
        new.status = 503
        with connected(gateway) as client:
            statuses = Counter(ask_as(client, user)[0] for user in range(200))
            new.status = 200
            gateway.wait_until(lambda: ask_as(client, 0)[0] == b"200" and _is_split(client))

        assert statuses == {b"200": 200}


def _is_split(client: Client) -> bool:
    """Whether no user is kept away from the candidate."""
    return all(ask_as(client, user)[1] == b"split" for user in range(30))


def test_who_forces_the_candidate_gets_it_while_it_rests(start_gateway: Start) -> None:
    """So a person can look at what is broken; its failure still fails over."""
    with moody() as legacy, moody() as new:
        new.status = 500
        gateway = start_gateway(CONFIGURATION.format(legacy=legacy.url, new=new.url, rest="1h"))
        with connected(gateway) as client:
            for user in range(100):
                ask_as(client, user)
        before = new.asked
        answer = ask(gateway, get("/", "X-Crossfade-Arm: candidate"))

        assert new.asked == before + 1
        assert answer.all(b"x-crossfade-reason") == [b"override"]
