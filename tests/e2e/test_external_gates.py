"""Gates outside: a plan waits for what a webhook and a real Prometheus say, and a guard acts on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import servers
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.receiver import Receiver, receiver
from tests.e2e.servers import Server

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts:
  shop:
    key: header:X-User-ID
    start: auto
    stages: [{{percent: 10, hold: 1s, gates: [{gate}]}}, {{percent: 50, hold: 1h, gates: []}}]
    guard: [{guard}]
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
ONCE_A_SECOND = "interval: 1s, timeout: 1s"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that computes what it is asked for."""
    with prometheus(tmp_path_factory.mktemp("figures") / "prometheus", []) as running:
        yield running


@pytest.fixture
def outside() -> Iterator[Receiver]:
    """Whoever must approve."""
    with receiver() as server:
        yield server


def figure(url: str, query: str, when: str) -> str:
    """A Prometheus gate, as it is configured."""
    return f'{{prometheus: "{url}", query: "{query}", when: "{when}", {ONCE_A_SECOND}}}'


def shown(gateway: Gateway) -> Any:
    return gateway.ask("/api/v1/rollouts/shop")[1]


def gate_says(gateway: Gateway) -> list[tuple[str, str | None]]:
    """What the one gate says, and why; nothing before rules were judged first."""
    return [(rule["verdict"], rule["reason"]) for rule in shown(gateway)["rules"] if rule["kind"] == "gate"]


def test_a_plan_waits_until_the_webhook_approves(start_gateway: Start, nginx: Server, outside: Receiver) -> None:
    """However often it refuses, the stage stays; it is asked once the hold is over, with what the decision rests on."""
    outside.status = 403
    gate = f'{{webhook: "http://{outside.address}/approve", {ONCE_A_SECOND}}}'
    gateway = start_gateway(CONFIGURATION.format(server=nginx, gate=gate, guard=""))
    gateway.wait_until(lambda: len(outside.posted) >= 3)
    gateway.wait_until(lambda: [verdict for verdict, _ in gate_says(gateway)] == ["broken"])
    assert shown(gateway)["percent"] == 10
    told = json.loads(outside.posted[0].body)
    assert told["rollout"] == "shop"

    outside.status = 204
    gateway.wait_until(lambda: shown(gateway)["percent"] == 50)


def test_a_plan_goes_by_a_figure_of_prometheus(start_gateway: Start, nginx: Server, figures: Prometheus) -> None:
    """It passes where the comparison holds, and stays where it does not; the edit that mends it is heard of."""
    url = f"http://127.0.0.1:{figures.port}"
    bad, good = (figure(url, f"vector({value})", "< 0.8") for value in (2, 0.5))
    gateway = start_gateway(CONFIGURATION.format(server=nginx, gate=bad, guard=""))
    gateway.wait_until(lambda: gate_says(gateway) == [("broken", "not_met")])
    assert shown(gateway)["percent"] == 10

    gateway.edit(CONFIGURATION.format(server=nginx, gate=good, guard=""))
    gateway.wait_until(lambda: shown(gateway)["percent"] == 50)


@pytest.mark.parametrize("kind", ["webhook", "prometheus"])
def test_whoever_cannot_be_reached_approves_nothing(start_gateway: Start, nginx: Server, kind: str) -> None:
    """Unknown is not ok."""
    url = f"http://127.0.0.1:{servers.free_port()}"
    gate = f'{{webhook: "{url}", {ONCE_A_SECOND}}}' if kind == "webhook" else figure(url, "vector(0)", "< 1")
    gateway = start_gateway(CONFIGURATION.format(server=nginx, gate=gate, guard=""))

    gateway.wait_until(lambda: gate_says(gateway) == [("unknown", "unreachable: Connection refused")])
    assert shown(gateway)["percent"] == 10


def test_a_guard_on_a_figure_of_prometheus_rolls_back(
    start_gateway: Start, nginx: Server, figures: Prometheus, outside: Receiver
) -> None:
    """Memory, say, which no proxy sees; an unreachable gate beside it changes nothing."""
    outside.status = 500
    gate = f'{{webhook: "http://{outside.address}/", {ONCE_A_SECOND}}}'
    guard = figure(f"http://127.0.0.1:{figures.port}", "vector(3)", "> 2").replace("}", ", do: rollback}")
    gateway = start_gateway(CONFIGURATION.format(server=nginx, gate=gate, guard=guard))

    gateway.wait_until(lambda: shown(gateway)["state"] == "rolled_back")
    gateway.wait_until(lambda: gateway.ask("/api/v1/incidents")[1]["items"])  # in force before it is stored
    (row,) = gateway.ask("/api/v1/incidents")[1]["items"]
    assert "vector(3)" in row["rule"]
    assert row["values"]["value"] == 3
