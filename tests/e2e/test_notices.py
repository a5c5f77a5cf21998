"""People are told, and asked, outside of the gateway."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.prometheus import prometheus
from tests.e2e.receiver import receiver
from tests.e2e.servers import Server

SECRET = "a-secret-for-the-webhook"
HEAD = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {server.url}, new: {server.url}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
TOLD = (
    HEAD
    + """\
notify:
  - {{url: "json://{receiver.address}/told", events: [rollback, config]}}
  - {{url: "json://ada:t0ken@127.0.0.1:1/nobody", events: [rollback]}}
rollouts: {{shop: {{key: client_ip, percent: 50}}}}
"""
)
ASKED = (
    HEAD
    + """\
rollouts:
  shop:
    key: client_ip
    start: auto
    stages: [{{percent: 5}}, {{percent: 50, hold: 1h}}]
    gates: [{{webhook: "http://{receiver.address}/approve", secret: {secret}, interval: 1s}}]
"""
)
WATCHED = (
    HEAD
    + """\
rollouts:
  shop:
    key: client_ip
    percent: 50
    guard: [{{prometheus: "http://127.0.0.1:{port}", query: vector(3), when: "> 2", interval: 1s, do: pause}}]
"""
)


def rollout_of(gateway: Gateway) -> Any:
    return gateway.ask("/api/v1/rollouts/shop")[1]


def pauses_of(gateway: Gateway) -> list[Any]:
    events = gateway.ask("/api/v1/events?rollout=shop")[1]["items"]
    return [event for event in events if event["kind"] == "pause"]


def test_a_rollback_is_told_with_its_percentages_and_a_link(start_gateway: Start, aiohttp: Server) -> None:
    """To whoever can be reached; a target that is down holds up neither the rollback nor the others."""
    with receiver() as server:
        gateway = start_gateway(TOLD.format(server=aiohttp, receiver=server))
        headers = {"Content-Type": "application/json"}
        gateway.ask("/api/v1/rollouts/shop/rollback", "POST", '{"reason": "customers call"}', headers)
        gateway.wait_until(lambda: len(server.posted) == 2)
        gateway.wait_until(lambda: gateway.events("notice_failed"))

    first, posted = server.posted
    assert json.loads(first.body)["title"] == "Crossfade: a configuration was put in force"
    sent = json.loads(posted.body)
    (incident,) = gateway.ask("/api/v1/incidents")[1]["items"]
    assert posted.path == "/told"
    assert sent["title"] == "Crossfade: shop rolled back (50 % -> 0 %)"
    assert "reason: customers call" in sent["message"]
    assert f"see {gateway.admin}/api/v1/incidents/{incident['id']}" in sent["message"]
    assert gateway.events("notice_failed")[0]["target"] == "notify.1 json"
    assert "t0ken" not in gateway.stderr.read_text()


def test_a_webhook_has_the_last_word_on_a_stage(start_gateway: Start, aiohttp: Server) -> None:
    """While it refuses, the stage stays and says why; a yes lets it go on. Each question is signed."""
    with receiver() as server:
        server.status, server.text = 403, "frozen until Monday"
        gateway = start_gateway(ASKED.format(server=aiohttp, receiver=server, secret=SECRET))
        gateway.wait_until(lambda: "it answered 403: frozen until Monday" in json.dumps(rollout_of(gateway)["rules"]))
        assert rollout_of(gateway)["percent"] == 5
        server.status, server.text = 204, ""  # a 204 has no body: what would follow it is no HTTP
        gateway.wait_until(lambda: rollout_of(gateway)["percent"] == 50)

    posted = server.posted[0]
    signed = posted.headers["X-Crossfade-Timestamp"].encode() + b"." + posted.body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert posted.headers["X-Crossfade-Signature"] == f"sha256={expected}"
    asked = json.loads(posted.body)
    assert asked["from"] == {"state": "running", "percent": 5, "stage": 1}
    assert asked["to"] == {"state": "running", "percent": 50, "stage": 2}
    assert asked["revision"] == rollout_of(gateway)["revision"]


def test_a_figure_of_prometheus_guards_a_rollout(start_gateway: Start, aiohttp: Server, tmp_path: Path) -> None:
    """What no proxy sees stops what it must not go on with."""
    with prometheus(tmp_path / "prometheus", []) as server:
        gateway = start_gateway(WATCHED.format(server=aiohttp, port=server.port))
        gateway.wait_until(lambda: rollout_of(gateway)["state"] == "paused")
        gateway.wait_until(lambda: pauses_of(gateway))  # in force before it is stored

    (pause,) = pauses_of(gateway)
    assert pause["actor"] == {"type": "rule", "name": "vector(3) > 2"}
    assert (pause["inputs"]["value"], pause["inputs"]["bound"]) == (3, 2)
