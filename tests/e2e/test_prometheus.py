"""A real Prometheus scrapes running gateways and knows what went through them.

One Prometheus scrapes a gateway for each test: it takes five seconds to find its first targets.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.telemetry.reference import QUERIES
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.servers import Server

TOKEN = "a-token-for-prometheus"
ASKED = ("/status/200", "/status/404", "/status/500", "/bytes/1000")
WINDOW_SECONDS = 3

Tally = Counter[tuple[str, str, str]]
"""How many answers by path template, arm and code."""


def configuration(server: Server, metrics: str) -> str:
    """Half the users to each of two backends, the same server both, and an API behind a token."""
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0, token: {TOKEN}, metrics: {metrics}}}
backends:
  legacy: {server.url}
  new: {{endpoints: {server.url}, health: {{path: /status/200, interval: 200ms}}}}
rollouts: {{shop: {{key: [header:X-User-ID, client_ip], percent: 50, guard: []}}}}
routes:
  - name: status
    match: /status/**
    baseline: legacy
    candidate: new
    rollout: shop
    paths: [/status/404]
    failover: off
    breaker: off
  - {{name: bytes, match: /bytes/**, baseline: legacy, candidate: new, rollout: shop}}
"""


@dataclass(frozen=True)
class Scene:
    """A Prometheus and the gateways that it scrapes, each with a job and of a name."""

    prometheus: Prometheus
    gateways: dict[str, Gateway]


@pytest.fixture(scope="module")
def scene(aiohttp: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everything started, and seen by Prometheus once."""
    folder = tmp_path_factory.mktemp("scene")
    with contextlib.ExitStack() as stack:
        gateways: dict[str, Gateway] = {}
        for name, metrics in (("open", "open"), ("guarded", "token"), ("new", "open"), ("busy", "open")):
            (folder / name).mkdir()
            gateways[name] = stack.enter_context(Gateway(configuration(aiohttp, metrics), folder / name))
        jobs = [
            job("open", gateways["open"]),
            job("guarded", gateways["guarded"], TOKEN),
            job("without-token", gateways["guarded"]),
            job("wrong-token", gateways["guarded"], TOKEN + "x"),
            job("new", gateways["new"]),
            job("busy", gateways["busy"]),
        ]
        found = stack.enter_context(prometheus(folder / "prometheus", jobs))
        found.wait_until(lambda: len(found.query("up")) == len(jobs), lambda: found.query("up"))
        yield Scene(found, gateways)


def job(name: str, gateway: Gateway, token: str = "") -> dict[str, Any]:
    """A scrape configuration, as the reference page shows it."""
    authorization = {"authorization": {"credentials": token}} if token else {}
    return {
        "job_name": name,
        "static_configs": [{"targets": [f"127.0.0.1:{gateway.admin_port}"]}],
        **authorization,
    }


def send(gateway: Gateway, users: int) -> Tally:
    """Each user asks for each of the paths once; what came back."""
    tally: Tally = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    for user in range(users):
        for path in ASKED:
            connection.request("GET", path, headers={"X-User-ID": f"user-{user}"})
            response = connection.getresponse()
            response.read()
            template = path if path == "/status/404" else path.rpartition("/")[0] + "/{id}"
            tally[template, response.getheader("X-Crossfade-Arm", ""), str(response.status)] += 1
    connection.close()
    return tally


def requests_of(name: str, found: Prometheus) -> Tally:
    """What Prometheus has of them by now."""
    rows = found.query(f'sum by (path, arm, code) (crossfade_requests_total{{job="{name}", route!=""}})')
    counted = [(dict(labels), value) for labels, value in rows.items()]
    return Counter({(row["path"], row["arm"], row["code"]): int(value) for row, value in counted})


@pytest.mark.parametrize("name", ["open", "guarded"])
def test_prometheus_knows_what_went_through(scene: Scene, name: str) -> None:
    """Every request is counted once, by path, arm and code, over both workers, with the token and without."""
    found = scene.prometheus
    sent = send(scene.gateways[name], users=50)
    found.wait_until(lambda: requests_of(name, found) == sent, lambda: (requests_of(name, found), sent))
    mine = f'job="{name}"'
    known = {
        f"sum(crossfade_requests_total{{{mine}}})": 200,
        f'sum(crossfade_backend_errors_total{{{mine}, kind="5xx"}})': 50,
        f"sum(crossfade_request_duration_seconds_count{{{mine}}})": 200,
        f"sum(crossfade_backend_duration_seconds_count{{{mine}}})": 200,
        f"sum(crossfade_rollout_percent{{{mine}}})": 50,
        f'sum(crossfade_workers{{{mine}, state="ready"}})': 2,
        f'sum(crossfade_backend_healthy{{{mine}, backend="legacy"}})': 1,
        f'sum(crossfade_backend_healthy{{{mine}, backend="new"}})': 1,
    }

    def shown() -> dict[str, float | None]:
        """None for a moment after a scrape that took too long."""
        return {expression: found.value(expression) for expression in known}

    found.wait_until(lambda: shown() == known, shown)
    assert sum(sent.values()) == 200
    assert {arm for _, arm, _ in sent} == {"baseline", "candidate"}


def test_series_that_the_configuration_gives_are_seen_to_increase_from_0(scene: Scene) -> None:
    """Prometheus had the 0, so the first requests of all count as an increase."""
    found = scene.prometheus
    durations = 'crossfade_request_duration_seconds_count{job="new", path="/status/404"}'
    decisions = 'crossfade_decisions_total{job="new", reason="split"}'
    found.wait_until(lambda: found.value(f"sum({durations})") == 0 and found.value(f"sum({decisions})") == 0)
    send(scene.gateways["new"], users=50)
    found.wait_until(lambda: found.value(f"sum({durations})") == 50 and found.value(f"sum({decisions})") == 200)
    grown = f"sum(increase({durations}[1m]))"

    # `increase` extends what it saw to the ends of its window: by a scrape on each side, at the most.
    found.wait_until(lambda: (found.value(grown) or 0) == pytest.approx(50, rel=0.2), lambda: found.value(grown))


def test_rates_are_those_of_the_client(scene: Scene) -> None:
    """Under a steady load `rate` gives what the client counts, and the page's queries give what they say."""
    found = scene.prometheus
    of_alerts = {title: query for title, query in QUERIES.items() if title.startswith("Alert")}
    of_figures = {title: query for title, query in QUERIES.items() if title not in of_alerts}
    with Load(scene.gateways["busy"].port, "/bytes/1000") as load:
        answered: list[tuple[float, int]] = []

        def agrees() -> bool:
            """Whether the client and Prometheus have the same rate in the window that ends now."""
            until, count = time.time(), load.answered
            answered.append((until, count))
            earlier = [each for each in answered if each[0] <= until - WINDOW_SECONDS]
            if not earlier:
                return False
            since, before = earlier[-1]
            shown = found.value(f'sum(rate(crossfade_requests_total{{job="busy"}}[{WINDOW_SECONDS}s]))', until)
            return shown == pytest.approx((count - before) / (until - since), rel=0.1)

        found.wait_until(agrees, lambda: answered[-10:])
        found.wait_until(lambda: all(bool(found.query(query)) for query in of_figures.values()))
        figures = {title: found.query(query) for title, query in of_figures.items()}

    assert load.failures == []
    (share,) = (rows for title, rows in figures.items() if "share" in title)
    assert share[("route", "bytes"),] == pytest.approx(0.5, abs=0.15)
    assert {title: rows for title, query in of_alerts.items() if (rows := found.query(query))} == {}


def test_who_lacks_the_token_gets_nothing(scene: Scene) -> None:
    """With `metrics: token` a scrape without it, or with another, fails with 401; health stays open."""
    found = scene.prometheus
    found.wait_until(lambda: found.value('up{job="guarded"}') == 1)

    def refused() -> list[bool]:
        targets = found.ask("/api/v1/targets")["activeTargets"]
        errors = {target["labels"]["job"]: target["lastError"] for target in targets}
        return ["401" in errors[job] for job in ("without-token", "wrong-token")]

    found.wait_until(lambda: all(refused()), lambda: found.ask("/api/v1/targets"))
    assert found.value('up{job="without-token"}') == found.value('up{job="wrong-token"}') == 0
    assert scene.gateways["guarded"].ask("/healthz")[0] == 200
