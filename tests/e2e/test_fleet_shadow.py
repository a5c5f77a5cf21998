"""Two gateways on one Redis compare, and each shows what both have found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.fleet import Backends, Fleet, running, view_rollout
from tests.e2e.gateway import Gateway
from tests.e2e.shop import say_json
from tests.e2e.test_commands import crossfade
from tests.e2e.users import await_comparing, compared_of, totals_of
from tests.store.servers import RedisServer
from tests.store.servers import running as listening

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, expose: true}}
admin: {{listen: 127.0.0.1:0}}
store: ${{STORE}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
  found: {{mode: shadow, key: client_ip, percent: 100}}
  cleared: {{mode: shadow, key: client_ip, percent: 100}}
  failing: {{key: client_ip, percent: 100, guard: ["errors > 20 for 1m"], cooldown: 1h}}
routes:
  - {{name: found, match: /found/**, baseline: legacy, candidate: new, rollout: found, shadow: {shadow}}}
  - {{name: cleared, match: /cleared/**, baseline: legacy, candidate: new, rollout: cleared, shadow: {shadow}}}
  - {{name: failing, match: /failing/**, baseline: legacy, candidate: new, rollout: failing, failover: off}}
"""
SHADOW = "{percent: 100, compare: {noise: 0}}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, behind: Backends) -> Iterator[Fleet]:
    """A fleet that is led."""
    behind.legacy.answer = lambda _: say_json({"total": 1})
    behind.new.answer = lambda asked: say_json({"total": 2}, status=500 if "failing" in asked.path else 200)
    text = CONFIGURATION.format(legacy=behind.legacy.url, new=behind.new.url, shadow=SHADOW)
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    with listening(redis):
        made = Fleet(text, tmp_path_factory.mktemp("fleet"), [redis.url] * 2)
        with running(made):
            made.await_leader()
            yield made


def rows(gateway: Gateway, route: str) -> list[dict[str, Any]]:
    """What it says was found."""
    found = gateway.ask(f"/api/v1/mismatches?route={route}")[1]["items"]
    assert isinstance(found, list)
    return found


def counts(fleet: Fleet, route: str) -> list[dict[str, int]]:
    """By path, how often something differed, as each of them says."""
    return [{row["path"]: row["count"] for row in rows(gateway, route)} for gateway in fleet.gateways]


def test_what_either_has_compared_both_show(fleet: Fleet) -> None:
    """With samples of both, over the API and to the command; also after all of it was stopped and started."""
    for gateway, path in zip([*fleet.gateways, fleet.gateways[1]], ["/found/a", "/found/a", "/found/b"], strict=True):
        await_comparing(gateway, path, "found")

    def have_all() -> bool:
        one, other = counts(fleet, "found")
        compared = sum(compared_of(totals_of(gateway, "found")) for gateway in fleet.gateways)
        return one == other and sum(one.values()) == compared and one.keys() == {"/found/a", "/found/b"}

    fleet.wait_until(have_all)
    (_, said, _), before = crossfade(fleet.gateways[0], "mismatches", "found"), counts(fleet, "found")[0]
    assert ("/found/a" in said, "/found/b" in said) == (True, True)
    fleet.stop()
    fleet.start()
    fleet.await_leader()
    fleet.wait_until(lambda: all(each >= Counter(before) for each in map(Counter, counts(fleet, "found"))))
    assert all(row["samples"] for row in rows(fleet.gateways[1], "found"))


def test_a_record_is_begun_anew_on_all_by_one_command(fleet: Fleet) -> None:
    """Whichever of them was asked."""
    for gateway in fleet.gateways:
        await_comparing(gateway, "/cleared/a", "cleared")
    fleet.wait_until(lambda: all(each.get("/cleared/a", 0) >= 2 for each in counts(fleet, "cleared")))

    follower = fleet.followers()[0]
    assert follower.ask("/api/v1/mismatches?route=cleared", "DELETE")[0] == 200
    fleet.wait_until(lambda: counts(fleet, "cleared") == [{}, {}])


def test_an_incident_has_requests_that_failed_on_other_gateways(fleet: Fleet) -> None:
    """The leader records it, and had none of them."""
    follower = fleet.followers()[0]
    names: list[str] = []

    def is_left() -> bool:
        names.append(f"request-{len(names)}")
        follower.get("/failing/a", {"X-Request-ID": names[-1]})
        return bool(view_rollout(follower, "failing")["state"] == "rolled_back")

    fleet.wait_until(is_left)
    (row,) = fleet.incidents("failing")
    incident = follower.ask(f"/api/v1/incidents/{row['id']}")[1]
    samples = [sample["request_id"] for sample in incident["samples"]]
    assert samples
    assert set(samples) <= set(names)
