"""A real Prometheus scrapes the running gateway and knows what went through it."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.reference import QUERIES
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.servers import Server

TOKEN = "a-token-for-prometheus"
ASKED = ("/status/200", "/status/404", "/status/500", "/bytes/1000")
WINDOW_SECONDS = 5

Tally = Counter[tuple[str, str, str]]
"""How many answers by path template, arm and code."""


def configuration(server: Server, metrics: str) -> str:
    """Half the users to each of two backends, the same server both, and an API behind a token."""
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0, token: {TOKEN}, metrics: {metrics}}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts: {{shop: {{key: [header:X-User-ID, client_ip], percent: 50}}}}
routes:
  - {{name: status, match: /status/**, baseline: legacy, candidate: new, rollout: shop, paths: [/status/404]}}
  - {{name: bytes, match: /bytes/**, baseline: legacy, candidate: new, rollout: shop}}
"""


def job(name: str, gateway: Gateway, token: str = "") -> dict[str, Any]:
    """A scrape configuration, as the reference page shows it."""
    target = {"targets": [f"127.0.0.1:{gateway.admin_port}"], "labels": {"instance": "it"}}
    authorization = {"authorization": {"credentials": token}} if token else {}
    return {"job_name": name, "static_configs": [target], **authorization}


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


def requests_of(found: Prometheus) -> Tally:
    """What Prometheus has of them by now."""
    rows = found.query('sum by (path, arm, code) (crossfade_requests_total{route!=""})')
    counted = [(dict(labels), value) for labels, value in rows.items()]
    return Counter({(row["path"], row["arm"], row["code"]): int(value) for row, value in counted})


@pytest.mark.parametrize(("metrics", "token"), [("open", ""), ("token", TOKEN)])
def test_prometheus_knows_what_went_through(
    start_gateway: Start, aiohttp: Server, tmp_path: Path, metrics: str, token: str
) -> None:
    """Every request is counted once, by path, arm and code, over both workers, with the token and without."""
    gateway = start_gateway(configuration(aiohttp, metrics))
    with prometheus(tmp_path / "prometheus", [job("crossfade", gateway, token)]) as found:
        found.wait_until(lambda: found.value("up") == 1)
        sent = send(gateway, users=50)
        found.wait_until(lambda: requests_of(found) == sent, lambda: (requests_of(found), sent))

        assert found.value("sum(crossfade_requests_total)") == sum(sent.values()) == 200
        assert {arm for _, arm, _ in sent} == {"baseline", "candidate"}
        errors = 'sum(crossfade_backend_errors_total{kind="5xx"})'
        assert found.value(errors) == 50
        assert found.value("sum(crossfade_request_duration_seconds_count)") == 200
        assert found.value("sum(crossfade_backend_duration_seconds_count)") == 200
        assert found.value('crossfade_rollout_percent{rollout="shop"}') == 50
        assert found.value('crossfade_workers{state="ready"}') == 2


def test_series_that_the_configuration_gives_are_seen_to_increase_from_0(
    start_gateway: Start, aiohttp: Server, tmp_path: Path
) -> None:
    """Prometheus had the 0, so the first requests of all count as an increase."""
    gateway = start_gateway(configuration(aiohttp, "open"))
    with prometheus(tmp_path / "prometheus", [job("crossfade", gateway)]) as found:
        durations = 'sum(crossfade_request_duration_seconds_count{path="/status/404"})'
        decisions = 'sum(crossfade_decisions_total{reason="split"})'
        found.wait_until(lambda: found.value(durations) == 0 and found.value(decisions) == 0)
        send(gateway, users=50)
        found.wait_until(lambda: found.value(durations) == 50 and found.value(decisions) == 200)
        grown = 'sum(increase(crossfade_request_duration_seconds_count{path="/status/404"}[1m]))'

        # `increase` extends what it saw to the ends of its window: by a scrape on each side, at the most.
        found.wait_until(lambda: (found.value(grown) or 0) == pytest.approx(50, rel=0.2), lambda: found.value(grown))


def test_rates_are_those_of_the_client(start_gateway: Start, aiohttp: Server, tmp_path: Path) -> None:
    """Under a steady load `rate` gives what the client counts, the page's queries give figures, and the arms' share is
    the rollout's.
    """
    gateway = start_gateway(configuration(aiohttp, "open"))
    with (
        prometheus(tmp_path / "prometheus", [job("crossfade", gateway)]) as found,
        Load(gateway.port, "/bytes/1000") as load,
    ):
        answered: list[tuple[float, int]] = []

        def compare() -> tuple[float, float]:
            """Answers per second in the window that ends now, as the client and as Prometheus have it."""
            answered.append((time.time(), load.answered))
            until, count = answered[-1]
            since, before = max((each for each in answered if each[0] <= until - WINDOW_SECONDS), default=(0.0, 0))
            shown = found.value(f"sum(rate(crossfade_requests_total[{WINDOW_SECONDS}s]))", until)
            return (count - before) / (until - since), shown or 0.0

        def agrees() -> bool:
            own, shown = compare()
            return answered[0][0] <= answered[-1][0] - WINDOW_SECONDS and shown == pytest.approx(own, rel=0.1)

        found.wait_until(agrees, lambda: answered[-10:])
        figures = {title: found.query(query) for title, query in QUERIES.items()}

        assert load.failures == []
    (share,) = (rows for title, rows in figures.items() if "share" in title)
    assert share == {(("route", "bytes"),): pytest.approx(0.5, abs=0.15)}
    for title, rows in figures.items():
        assert bool(rows) != title.startswith("Alert"), (title, rows)


def test_who_lacks_the_token_gets_nothing(start_gateway: Start, aiohttp: Server, tmp_path: Path) -> None:
    """With `metrics: token` a scrape without it, or with another, fails with 401; health stays open."""
    gateway = start_gateway(configuration(aiohttp, "token"))
    jobs = [job("right", gateway, TOKEN), job("none", gateway), job("wrong", gateway, TOKEN + "x")]
    with prometheus(tmp_path / "prometheus", jobs) as found:
        found.wait_until(lambda: len(found.query("up")) == 3 and found.value('up{job="right"}') == 1)
        targets = found.ask("/api/v1/targets")["activeTargets"]
        errors = {target["labels"]["job"]: target["lastError"] for target in targets}

        assert found.value('up{job="none"}') == found.value('up{job="wrong"}') == 0
        assert "401" in errors["none"]
        assert "401" in errors["wrong"]
        assert gateway.ask("/healthz")[0] == 200
