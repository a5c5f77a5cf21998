"""Backends of several endpoints: who gets the traffic, and what users notice when an endpoint fails."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load
from tests.e2e.servers import Server, free_port

Launch = Callable[[int], AbstractContextManager[Server]]

EJECT_AFTER = 3

ENDPOINTS = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends:
  shop:
    endpoints: [{endpoints}]
    timeouts: {{connect: 5s, response: 30s}}
    eject: {{consecutive_failures: {eject_after}, for: {rest}}}
    {health}
routes: [{{name: all, match: /**, backend: shop}}]
"""

HEALTH = "health: {path: /healthz, interval: 100ms, timeout: 30s, unhealthy_after: 2, healthy_after: 2}"

ARMS = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {{endpoints: [{new}], {health}}}}}
rollouts: {{move: {{key: header:X-User-ID, percent: 100, guard: []}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: move}}]
"""


class Doorslammer:
    """An endpoint that accepts every connection, reads what is asked, and closes without a word."""

    def __init__(self) -> None:
        self.slammed = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    connection.recv(65_536)
                    self.slammed += 1


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Start a server on a port that the test knows: it may come back there."""

    def start(port: int) -> AbstractContextManager[Server]:
        return servers.aiohttp(tmp_path, "new", port)

    return start


def configure(*ports: int, eject_after: int = EJECT_AFTER, rest: str = "1h", health: str = "") -> str:
    """One backend with these endpoints."""
    endpoints = ", ".join(f"http://127.0.0.1:{port}" for port in ports)
    return ENDPOINTS.format(endpoints=endpoints, eject_after=eject_after, rest=rest, health=health)


def ask(gateway: Gateway, method: str = "GET", user: str = "ann") -> tuple[int, dict[str, str]]:
    """A request on a connection of its own: status and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    with closing(connection):
        connection.request(method, "/bytes/1000", headers={"X-User-ID": user})
        response = connection.getresponse()
        response.read()
        return response.status, dict(response.getheaders())


def ask_often(gateway: Gateway, count: int, method: str = "GET") -> tuple[Counter[int], Counter[str]]:
    """How often each status came, and each server."""
    answers = [ask(gateway, method) for _ in range(count)]
    return Counter(status for status, _ in answers), Counter(headers.get("X-Server", "") for _, headers in answers)


def reason_of(gateway: Gateway) -> tuple[int, str, str]:
    """Status, arm and reason as one user sees them."""
    status, headers = ask(gateway)
    return status, headers["X-Crossfade-Arm"], headers["X-Crossfade-Reason"]


def test_requests_spread_over_all_endpoints(start_gateway: Start, gunicorn: Server, aiohttp: Server) -> None:
    """Where all are idle they take turns."""
    gateway = start_gateway(configure(gunicorn.port, aiohttp.port))

    statuses, names = ask_often(gateway, 40)

    assert statuses == {200: 40}
    assert names == {"gunicorn": 20, "aiohttp": 20}


def test_the_endpoint_with_less_to_do_gets_the_next_request(
    start_gateway: Start, gunicorn: Server, aiohttp: Server
) -> None:
    """While one is held up by a client that does not read, the other serves the rest."""
    gateway = start_gateway(configure(gunicorn.port, aiohttp.port))
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as slow:
        slow.request("GET", f"/bytes/{64 << 20}")
        held_up = slow.getresponse().headers["X-Server"]
        _, names = ask_often(gateway, 20)

    assert set(names) == {"gunicorn", "aiohttp"} - {held_up}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_endpoint_that_nobody_listens_on_harms_nobody(start_gateway: Start, aiohttp: Server, method: str) -> None:
    """Nothing has been sent yet: the request goes to another endpoint, whatever its method."""
    gateway = start_gateway(configure(free_port(), aiohttp.port, eject_after=1000))

    statuses, names = ask_often(gateway, 40, method)

    assert statuses == {200: 40}
    assert names == {"aiohttp": 40}


def test_an_endpoint_that_keeps_failing_is_ejected(start_gateway: Start, aiohttp: Server) -> None:
    """A few requests fail, as many as `consecutive_failures` says; then all are answered."""
    with Doorslammer() as broken:
        gateway = start_gateway(configure(broken.port, aiohttp.port))
        statuses, _ = ask_often(gateway, 4 * EJECT_AFTER)
        later, names = ask_often(gateway, 20)

        assert statuses == {200: 3 * EJECT_AFTER, 502: EJECT_AFTER}
        assert (later, names) == ({200: 20}, {"aiohttp": 20})
        assert broken.slammed == EJECT_AFTER


def test_an_ejected_endpoint_gets_another_chance(start_gateway: Start, aiohttp: Server) -> None:
    """After its rest; it is not forgotten."""
    with Doorslammer() as broken:
        gateway = start_gateway(configure(broken.port, aiohttp.port, eject_after=1, rest="500ms"))
        gateway.wait_until(lambda: ask(gateway) and broken.slammed == 1)
        gateway.wait_until(lambda: ask(gateway) and broken.slammed == 2)


def test_the_last_endpoint_is_never_ejected(start_gateway: Start) -> None:
    """However it fails: there is none to go to instead, and it may recover."""
    with Doorslammer() as broken:
        gateway = start_gateway(configure(broken.port, eject_after=1))
        statuses, _ = ask_often(gateway, 10)

        assert statuses == {502: 10}
        assert broken.slammed == 10


def test_a_backend_where_nobody_listens_is_told_as_a_problem(start_gateway: Start) -> None:
    """502, with a body that a program can read."""
    gateway = start_gateway(configure(free_port(), free_port()))

    status, body = gateway.get("/bytes/1")

    assert status == 502
    assert json.loads(body)["status"] == 502


def test_an_unhealthy_endpoint_gets_no_traffic_until_it_answers_again(
    start_gateway: Start, aiohttp: Server, launch: Launch
) -> None:
    """Nobody is failed while it is away, and it is used again when it is back."""
    port = free_port()
    gateway = start_gateway(configure(port, aiohttp.port, eject_after=1000, health=HEALTH))
    with Load(gateway.port, "/bytes/1000") as load:
        gateway.wait_until(lambda: gateway.events("endpoint_health_changed"))
        _, names = ask_often(gateway, 20)
        with launch(port):
            gateway.wait_until(lambda: len(gateway.events("endpoint_health_changed")) == 2)
            _, names_later = ask_often(gateway, 20)

    assert [event["healthy"] for event in gateway.events("endpoint_health_changed")][:2] == [False, True]
    assert set(names) == {"aiohttp"}
    assert set(names_later) == {"aiohttp", "new"}
    assert load.answered > 0


def test_users_of_a_candidate_without_healthy_endpoints_are_answered_by_the_baseline(
    start_gateway: Start, nginx: Server, launch: Launch
) -> None:
    """With reason `unhealthy`, in every worker; and back when it recovers."""
    port = free_port()
    text = ARMS.format(legacy=nginx.url, new=f"http://127.0.0.1:{port}", health=HEALTH)
    with launch(port):
        gateway = start_gateway(text)
        before = {reason_of(gateway) for _ in range(20)}
    gateway.wait_until(lambda: len(gateway.events("endpoint_health_changed")) == 2)
    during = {reason_of(gateway) for _ in range(20)}
    with launch(port):
        gateway.wait_until(lambda: len(gateway.events("endpoint_health_changed")) == 4)
        after = {reason_of(gateway) for _ in range(20)}

    assert before == {(200, "candidate", "split")}
    assert during == {(200, "baseline", "unhealthy")}
    assert after == {(200, "candidate", "split")}


def test_one_healthy_endpoint_keeps_the_users_on_the_candidate(
    start_gateway: Start, nginx: Server, aiohttp: Server
) -> None:
    """An endpoint's health never moves a user between arms while another is left."""
    new = f"{aiohttp.url}, http://127.0.0.1:{free_port()}"
    gateway = start_gateway(ARMS.format(legacy=nginx.url, new=new, health=HEALTH))

    gateway.wait_until(lambda: len(gateway.events("endpoint_health_changed")) == 2)

    assert {reason_of(gateway) for _ in range(20)} == {(200, "candidate", "split")}


def test_what_is_known_of_an_endpoint_outlives_a_change_of_the_configuration(
    start_gateway: Start, nginx: Server
) -> None:
    """An unhealthy candidate stays so: no user meets it anew after each edit."""
    text = ARMS.format(legacy=nginx.url, new=f"http://127.0.0.1:{free_port()}", health=HEALTH)
    gateway = start_gateway(text)
    gateway.wait_until(lambda: len(gateway.events("endpoint_health_changed")) == 2)

    seen = set()
    for connections in (10, 20, 30):
        gateway.edit(text.replace(HEALTH, f"{HEALTH}, connections: {connections}"))
        seen |= {reason_of(gateway) for _ in range(10)}

    assert seen == {(200, "baseline", "unhealthy")}
