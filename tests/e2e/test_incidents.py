"""A candidate turns bad: the guard takes everybody back, and the incident tells what happened."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.exposition import scrape
from tests.e2e.gateway import Gateway
from tests.e2e.servers import ROOT, Server

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts:
  shop: {{key: header:X-User-ID, percent: 50, guard: ["error_rate > 20% for 5s"]}}
routes:
  - name: bad
    match: /status/**
    baseline: legacy
    candidate: new
    rollout: shop
    rewrite: {{arm: candidate, path: /status/500}}
  - {{name: good, match: /**, baseline: legacy, candidate: new, rollout: shop}}
"""
RULE = "error_rate > 20% for 5s"


class Users:
    """Each asks for something good and something bad; what they were answered."""

    def __init__(self, gateway: Gateway) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        self.statuses: set[int] = set()
        self.bad_on_candidate: set[str] = set()
        self._number = 0

    def ask(self) -> None:
        self._number += 1
        for path in ("/bytes/10", "/status/200"):
            name = f"request-{self._number}{path.replace('/', '-')}"
            headers = {"X-User-ID": f"u{self._number}", "X-Request-ID": name}
            self._connection.request("GET", path, headers=headers)
            response = self._connection.getresponse()
            response.read()
            self.statuses.add(response.status)
        self.bad_on_candidate.add(name)

    def close(self) -> None:
        self._connection.close()


def rollout_of(gateway: Gateway) -> Any:
    return gateway.ask("/api/v1/rollouts/shop")[1]


@pytest.fixture
def gone_bad(start_gateway: Start, aiohttp: Server) -> Iterator[tuple[Gateway, Users]]:
    """A gateway that has just rolled back, and those who were there."""
    gateway = start_gateway(CONFIGURATION.format(server=aiohttp))
    users = Users(gateway)

    def is_rolled_back() -> bool:
        for _ in range(20):
            users.ask()
        return bool(gateway.ask("/api/v1/incidents")[1]["items"])

    gateway.wait_until(is_rolled_back)
    yield gateway, users
    users.close()


def test_a_guards_rollback_leaves_an_incident(gone_bad: tuple[Gateway, Users]) -> None:
    """The rule and its values, the worst path first, requests by their IDs, and what led there; users saw nothing."""
    gateway, users = gone_bad
    assert users.statuses == {200}

    (row,) = gateway.ask("/api/v1/incidents")[1]["items"]
    incident = gateway.ask(f"/api/v1/incidents/{row['id']}")[1]
    assert (incident["rollout"], incident["rule"], incident["percent_before"]) == ("shop", RULE, 50)
    assert incident["values"]["verdict"] == "broken"
    assert incident["values"]["value"] > incident["values"]["bound"] == 0.2

    worst = incident["paths"][0]
    assert (worst["route"], worst["path"]) == ("bad", "/status/{id}")
    assert worst["candidate"]["error_rate"] == 1
    assert worst["baseline"]["error_rate"] == 0

    assert incident["samples"]
    for sample in incident["samples"]:
        assert sample["request_id"] in users.bad_on_candidate
        assert (sample["route"], sample["path"], sample["method"]) == ("bad", "/status/{id}", "GET")
        assert (sample["kind"], sample["status"]) == ("5xx", 200)


def test_the_event_and_the_metrics_know_of_the_incident(gone_bad: tuple[Gateway, Users]) -> None:
    """The audit log points to it, and Prometheus counts it."""
    gateway, _ = gone_bad
    (row,) = gateway.ask("/api/v1/incidents")[1]["items"]
    events = gateway.ask("/api/v1/events?rollout=shop")[1]["items"]

    (rollback,) = [event for event in events if event["kind"] == "rollback"]
    assert rollback["inputs"]["incident"] == row["id"]
    assert rollback["actor"] == {"type": "rule", "name": RULE}
    assert (rollback["from"]["percent"], rollback["to"]) == (50, {"state": "rolled_back", "percent": 0})
    shown = {labels["rule"]: value for labels, value in samples(gateway, "crossfade_rollbacks_total")}
    assert shown[RULE] == 1
    assert shown["operator"] == 0


def samples(gateway: Gateway, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and values of one metric."""
    found = scrape(gateway)[name.removesuffix("_total")].samples
    return [(sample.labels, sample.value) for sample in found if sample.name == name]


def test_the_command_shows_what_the_api_has(gone_bad: tuple[Gateway, Users]) -> None:
    """A table of all, and one as the page that a post-mortem begins with."""
    gateway, _ = gone_bad
    (row,) = gateway.ask("/api/v1/incidents")[1]["items"]
    table = command(gateway, "incidents")
    page = command(gateway, "incidents", row["id"])

    assert row["id"] in table
    assert RULE in table
    assert page.startswith("# shop was rolled back\n")
    assert f"The guard `{RULE}` was broken." in page
    assert "| bad | `/status/{id}` | candidate |" in page


def command(gateway: Gateway, *arguments: str) -> str:
    outcome = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments, "--admin", gateway.admin],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return outcome.stdout


def test_a_persons_rollback_is_an_incident_too_and_outlives_the_gateway(start_gateway: Start, aiohttp: Server) -> None:
    """It says who and why; a gateway that was stopped and started has it still."""
    gateway = start_gateway(CONFIGURATION.format(server=aiohttp))
    command(gateway, "rollback", "shop", "--reason", "customers call")
    gateway.stop()
    gateway.start()

    (row,) = gateway.ask("/api/v1/incidents")[1]["items"]
    incident = gateway.ask(f"/api/v1/incidents/{row['id']}")[1]
    assert (incident["rule"], incident["values"]["reason"]) == (None, "customers call")
    assert rollout_of(gateway)["state"] == "rolled_back"
