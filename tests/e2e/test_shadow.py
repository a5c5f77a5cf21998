"""What a user of shadow mode is promised, with real processes: copies are what was sent, bugs are named, gates hold."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.fidelity import Mirror
from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Said, Shop, say_json, shop
from tests.e2e.test_commands import crossfade
from tests.e2e.users import ask_all, await_comparing, await_copies, settled_of, totals_of

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
  quiet: {{mode: shadow, key: client_ip, percent: 100}}
  drifting: {{key: client_ip, guard: [], stages: [{held}, {{percent: 100, hold: 1h}}]}}
  agreeing: {{key: client_ip, guard: [], stages: [{held}, {{percent: 100, hold: 1h}}]}}
  soft: {{key: client_ip, percent: 100, guard: []}}
  guarded: {{key: client_ip, percent: 0, guard: [{{when: mismatches > 5 for 1m, do: shadow}}]}}
routes:
{routes}
"""
HELD = '{percent: 0, hold: 1s, gates: ["mismatch_rate < 30% for 1s"]}'
ROUTE = """\
  - name: {name}
    match: /{name}/**
    baseline: legacy
    candidate: new
    rollout: {name}
    shadow: {{percent: 100, direction: both, compare: {{noise: {noise}}}}}
"""
NOISE = {"quiet": 50, "drifting": 0, "agreeing": 0, "soft": 0, "guarded": 0}
BUGGY = 10
"""One order of so many has a wrong total."""
BUSY = {"comparer_busy", "concurrency"}
"""Why a machine that has much to do skips copies."""


class Orders:
    """An arm: answers have the time and a list in no order; the new one rounds some totals wrongly."""

    def __init__(self, *, is_new: bool) -> None:
        self._is_new = is_new
        self._times = itertools.count(1_700_000_000)
        self._dice = random.Random(int(is_new))

    def __call__(self, asked: Asked) -> Said:
        _, route, number = asked.path.split("/")
        order, tags = int(number), ["new", "gift", "fragile", "heavy"]
        self._dice.shuffle(tags)
        is_wrong = self._is_new and route != "agreeing" and (is_buggy(asked.path) or route != "quiet")
        total = {"net": order + 0.5, "total": order * 1.19 + 0.01 * is_wrong}
        if route != "quiet":
            return say_json({"order": order, **total})
        return say_json({"order": order, "lines": [total], "tags": tags, "served_at": next(self._times)})


@pytest.fixture(scope="module")
def candidate() -> Iterator[Shop]:
    """With a bug."""
    with shop(Orders(is_new=True)) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(candidate: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all stories, each with a route and a rollout of its own."""
    routes = "".join(ROUTE.format(name=name, noise=noise) for name, noise in NOISE.items())
    with shop(Orders(is_new=False)) as baseline:
        text = CONFIGURATION.format(legacy=baseline.url, new=candidate.url, routes=routes, held=HELD)
        with Gateway(text, tmp_path_factory.mktemp("shadow")) as running:
            await_comparing(running, "/agreeing/1", "agreeing")
            yield running


def orders(route: str, count: int) -> list[str]:
    """Paths of so many orders."""
    return [f"/{route}/{number}" for number in range(1, count + 1)]


def is_buggy(path: str) -> bool:
    """Whether it is of an order whose total is wrong."""
    return int(path.rpartition("/")[2]) % BUGGY == 0


def count_skipped(totals: dict[str, Any]) -> int:
    """How many copies were not compared."""
    return sum(totals["skipped"].values())


def shown(gateway: Gateway, rollout: str) -> Any:
    return gateway.ask(f"/api/v1/rollouts/{rollout}")[1]


def events(gateway: Gateway, rollout: str, kind: str) -> list[Any]:
    """A rollout's events of one kind, in order."""
    items = gateway.ask(f"/api/v1/events?rollout={rollout}")[1]["items"]
    return [event for event in items if event["kind"] == kind]


def blockages(gateway: Gateway, rollout: str) -> list[Any]:
    """What a plan was held up by that was found; not that nothing was compared yet, as on a machine that is busy."""
    return [event for event in events(gateway, rollout, "blocked") if event["inputs"]["fields"]]


def count_copies(candidate: Shop, route: str) -> int:
    """How many copies the candidate got, and it was never asked for an answer to anybody."""
    own = [asked for asked in list(candidate.asked) if asked.path.startswith(f"/{route}/")]
    return sum(asked.all(b"x-crossfade-shadow") == [b"1"] for asked in own)


def test_copies_are_what_was_sent_byte_for_byte(tmp_path: Path) -> None:
    """Method, target, fields in their order and case, repeats, bodies and trailers: but for documented fields."""
    with Mirror(tmp_path) as mirror:
        assert mirror.run(300, seed=1) == []
        totals = totals_of(mirror.gateway, "all")

    assert totals["match"] >= 300
    assert (totals["mismatch"], totals["error"]) == (0, 0)


def test_a_bug_among_noise_is_named_and_the_noise_set_apart(gateway: Gateway, candidate: Shop) -> None:
    """In a mode in which the candidate answers nobody; by the command, the export, and beside the path's figures."""
    right, wrong = ([path for path in orders("quiet", 200) if is_buggy(path) == bug] for bug in (False, True))
    ask_all(gateway, right)
    before = await_copies(gateway, "quiet", len(right))
    ask_all(gateway, wrong)
    totals = await_copies(gateway, "quiet", 200)
    assert (before["mismatch"], totals["error"], totals["skipped"].keys() - BUSY) == (0, 0, set())
    assert totals["mismatch"] == len(wrong) - (count_skipped(totals) - count_skipped(before))
    assert all(asked.all(b"x-crossfade-shadow") == [b"1"] for asked in candidate.asked if "quiet" in asked.path)

    status, out, err = crossfade(gateway, "mismatches", "quiet")
    counted, _, noise = out.partition("noise, which is not counted:")
    assert (status, err) == (0, "")
    (row,) = [line.split() for line in counted.splitlines() if "/quiet/{id}" in line]
    assert row[:4] == ["/quiet/{id}", "$.lines[*].total", "value", str(totals["mismatch"])]
    table = noise.partition("\n\n")[0]
    assert {tuple(line.split()[1:3]) for line in table.splitlines() if "{id}" in line} == {
        ("$.served_at", "value"),
        ("$.tags", "order"),
    }

    lines = [json.loads(line) for line in crossfade(gateway, "mismatches", "quiet", "--ndjson")[1].splitlines()]
    bugs = [line for line in lines if line["field"] == "$.lines[*].total"]
    assert len(bugs) == 5
    assert all(round(bug["candidate"] - bug["baseline"], 6) == 0.01 for bug in bugs)
    (path,) = gateway.ask("/api/v1/paths?route=quiet")[1]["items"]
    assert path["compared"] == totals["match"] + totals["mismatch"] + totals["noise"]
    assert path["mismatch_rate"] == pytest.approx(totals["mismatch"] / path["compared"])


def steer(gateway: Gateway, method: str, path: str, **wish: Any) -> None:
    """What an operator does over the API."""
    headers = {"Content-Type": "application/json"}
    assert gateway.ask(f"/api/v1/rollouts/{path}", method, json.dumps(wish), headers)[0] == 200


def test_drift_holds_a_plan_up_and_the_event_names_the_field(gateway: Gateway) -> None:
    """`blocked`, with what differs; the share stays where it is."""
    steer(gateway, "POST", "drifting/start")

    def is_blocked() -> bool:
        ask_all(gateway, orders("drifting", 10))
        return bool(blockages(gateway, "drifting"))

    gateway.wait_until(is_blocked)
    (blocked,) = blockages(gateway, "drifting")
    assert "$.total value" in blocked["reason"]
    assert blocked["inputs"]["fields"][0]["field"] == "$.total"
    assert (shown(gateway, "drifting")["percent"], shown(gateway, "drifting")["stage"]["index"]) == (0, 1)


def test_a_candidate_that_agrees_passes(gateway: Gateway) -> None:
    """The same gate, on as much evidence: the plan goes on by itself."""
    steer(gateway, "POST", "agreeing/start")

    def has_gone_on() -> bool:
        ask_all(gateway, orders("agreeing", 10))
        return bool(shown(gateway, "agreeing")["percent"] == 100)

    gateway.wait_until(has_gone_on)
    assert (blockages(gateway, "agreeing"), totals_of(gateway, "agreeing")["mismatch"]) == ([], 0)


def test_a_rollback_to_shadow_goes_on_comparing_and_a_plain_one_does_not(gateway: Gateway, candidate: Shop) -> None:
    """Nobody is answered by the candidate in either case."""
    assert crossfade(gateway, "rollback", "soft", "--to", "shadow")[0] == 0
    assert (shown(gateway, "soft")["state"], shown(gateway, "soft")["percent"]) == ("rolled_back", 0)
    ask_all(gateway, orders("soft", 10))
    await_copies(gateway, "soft", 10)
    assert count_copies(candidate, "soft") == sum("/soft/" in asked.path for asked in candidate.asked) == 10

    steer(gateway, "POST", "soft/resume", force=True)
    assert crossfade(gateway, "rollback", "soft")[0] == 0
    ask_all(gateway, orders("soft", 10))
    await_comparing(gateway, "/agreeing/1", "agreeing", 1)  # what comes later was copied, and compared
    assert settled_of(totals_of(gateway, "soft")) == 10
    assert sum("/soft/" in asked.path for asked in candidate.asked) == 10


def test_a_guard_on_mismatches_takes_the_soft_way_back(gateway: Gateway) -> None:
    """`do: shadow`: users are back with the baseline, while comparing goes on; the incident has samples."""
    steer(gateway, "PUT", "guarded/percent", percent=50)

    def has_incident() -> bool:
        ask_all(gateway, orders("guarded", 10))
        return bool(gateway.ask("/api/v1/incidents?rollout=guarded")[1]["items"])

    gateway.wait_until(has_incident)
    assert shown(gateway, "guarded")["state"] == "rolled_back"
    (rollback,) = events(gateway, "guarded", "rollback")
    assert (rollback["actor"]["type"], rollback["inputs"]["to"]) == ("rule", "shadow")
    (incident,) = gateway.ask("/api/v1/incidents?rollout=guarded")[1]["items"]
    samples = gateway.ask(f"/api/v1/incidents/{incident['id']}")[1]["samples"]
    assert {sample["field"] for sample in samples if "field" in sample} == {"$.total"}
    await_comparing(gateway, "/guarded/1", "guarded", 5)
