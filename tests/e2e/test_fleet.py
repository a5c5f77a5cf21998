"""A fleet of three gateways on one Redis acts as one: for users, for guards and for operators."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.fleet import (
    REPLICAS,
    Backends,
    Fleet,
    act,
    ask_arms,
    configure,
    loads,
    running,
    view_rollout,
)
from tests.e2e.gateway import Gateway
from tests.e2e.servers import free_port
from tests.store.servers import RedisServer
from tests.store.servers import running as listening

USERS = [f"user-{number}" for number in range(100)]
FEW_USERS = USERS[:12]
PROMISED_SECONDS = 2.0
"""From a guard's verdict to the last request on the candidate, in every gateway of a fleet."""
ENOUGH, EACH = 100, 40
"""Requests that the guard wants to see, and those that each gateway has."""
CHANGES = 20
TEXTS = {
    "guarded": f"percent: 30, min_requests: {ENOUGH}, guard: [error_rate > 20% for 1m], cooldown: 1h",
    "fading": "percent: 0, guard: []",
    "set": "percent: 10, guard: []",
    "contested": "percent: 10, guard: []",
    "left": "percent: 50, guard: [], cooldown: 1h",
    "raised": "percent: 10, guard: []",
    "edited": "percent: 10, guard: []",
}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The store."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with listening(server):
        yield server


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, behind: Backends, redis: RedisServer) -> Iterator[Fleet]:
    """A fleet that is led; each test has a rollout of its own."""
    made = Fleet(configure(behind, **TEXTS), tmp_path_factory.mktemp("fleet"), [redis.url] * REPLICAS)
    with running(made):
        made.await_leader()
        made.await_standing("set", "running", 10)
        yield made


def find_candidates(gateway: Gateway, rollout: str) -> list[str]:
    """Those of the users whom the candidate answers."""
    arms = ask_arms(gateway, rollout, USERS)
    return [user for user, arm in zip(USERS, arms, strict=True) if arm == "candidate"]


def test_a_candidate_that_fails_too_rarely_for_one_gateway_is_left_by_all(fleet: Fleet, behind: Backends) -> None:
    """Together they saw enough: within two seconds no worker of any asks it; by one decision, with one incident."""
    users = find_candidates(fleet.gateways[0], "guarded")
    behind.failing.add("guarded")
    for gateway in fleet.gateways:
        ask_arms(gateway, "guarded", (users * EACH)[: EACH // 2], connections=2)
    fleet.wait_until(lambda: fleet.events("guarded", "rollback"))

    with loads(fleet.gateways, "guarded") as asking:
        fleet.await_standing("guarded", "rolled_back", 0)
        for load in asking:
            load.wait_for_answers(10)
        asked = len(behind.times("guarded"))
        for load in asking:
            load.wait_for_answers(100)

    (event,) = fleet.events("guarded", "rollback")
    (incident,) = fleet.incidents("guarded")
    requests = incident["values"]["requests"]["candidate"]
    assert (len(behind.times("guarded")), event["inputs"]["incident"]) == (asked, incident["id"])
    assert max(behind.times("guarded")) <= datetime.fromisoformat(event["time"]).timestamp() + PROMISED_SECONDS
    assert ENOUGH <= requests <= REPLICAS * EACH + len(users)
    assert sum(path["candidate"]["requests"] for path in incident["paths"]) == requests
    assert all(set(ask_arms(gateway, "guarded", users, 4)) == {"baseline"} for gateway in fleet.gateways)


def test_a_key_has_one_arm_whichever_gateway_it_asks_while_the_share_grows(fleet: Fleet) -> None:
    """Of each version of the rollout one arm per key over all gateways; who has moved to the candidate stays there."""
    with watching(fleet, "fading") as watch:
        for number in range(CHANGES):
            gateway = fleet.gateways[number % REPLICAS]
            status, view = act(gateway, "fading", "percent", percent=5.0 * (number + 1))
            assert status == 200, view
            fleet.wait_until(lambda version=view["version"]: watch.seen_by[version] >= REPLICAS)

    arms = {version: dict(watch.arms[version]) for version in sorted(watch.arms)}
    assert len(arms) >= CHANGES
    assert [each for each in arms.values() if any(len(seen) > 1 for seen in each.values())] == []
    for user in FEW_USERS:
        courses = [arm for each in arms.values() for arm in each[user]]
        assert courses == sorted(courses), user  # baseline, then candidate
    assert {arm for each in arms.values() for seen in each.values() for arm in seen} == {"baseline", "candidate"}


class Watch:
    """Users who ask through every gateway all the while. An answer counts when it is known for which version."""

    def __init__(self, rollout: str) -> None:
        self.is_over = threading.Event()
        self.arms: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.seen_by: dict[int, int] = defaultdict(int)
        """Through how many gateways answers were counted for a version."""
        self._rollout = rollout
        self._lock = threading.Lock()

    def look(self, gateway: Gateway) -> None:
        """Until it is over: the version before and after, and every worker serves it."""
        known: set[int] = set()
        while not self.is_over.is_set():
            version = view_rollout(gateway, self._rollout)["version"]
            is_served = gateway.is_ready()
            arms = ask_arms(gateway, self._rollout, FEW_USERS)
            if is_served and version == view_rollout(gateway, self._rollout)["version"]:
                self._note(version, arms, is_first=version not in known)
                known.add(version)

    def _note(self, version: int, arms: list[str], *, is_first: bool) -> None:
        with self._lock:
            for user, arm in zip(FEW_USERS, arms, strict=True):
                self.arms[version][user].add(arm)
            self.seen_by[version] += is_first


@contextmanager
def watching(fleet: Fleet, rollout: str) -> Iterator[Watch]:
    """While users ask each of the gateways; what fails there fails here."""
    watch = Watch(rollout)
    with ThreadPoolExecutor(REPLICAS) as threads:
        looks = [threads.submit(watch.look, gateway) for gateway in fleet.gateways]
        try:
            yield watch
        finally:
            watch.is_over.set()
        for look in looks:
            look.result()


def test_what_an_operator_sets_through_a_follower_is_in_force_on_all(fleet: Fleet) -> None:
    """And it is one event, of that operator."""
    follower = fleet.followers()[0]

    status, view = act(follower, "set", "percent", percent=70, reason="by a follower")

    assert (status, view["percent"]) == (200, 70)
    fleet.await_standing("set", "running", 70)
    arms = [ask_arms(gateway, "set", USERS, 2) for gateway in fleet.gateways]
    assert all(each == arms[0] for each in arms)
    assert [event["reason"] for event in fleet.events("set", "percent")] == ["by a follower"]


def test_of_two_who_act_at_once_through_two_gateways_one_is_told_to_look_again(fleet: Fleet) -> None:
    """One of them moves the rollout, for all; the other gets 409 with a sentence."""
    fleet.await_standing("contested", "running", 10)
    version = view_rollout(fleet.gateways[0], "contested")["version"]

    def wish(number: int) -> tuple[int, Any]:
        return act(fleet.gateways[number], "contested", "percent", percent=20.0 + number, version=version)

    with ThreadPoolExecutor(2) as threads:
        answers = sorted(threads.map(wish, range(2)), key=lambda answer: answer[0])

    assert [status for status, _ in answers] == [200, 409]
    assert "`contested`" in answers[1][1]["detail"]
    fleet.await_standing("contested", "running", answers[0][1]["percent"])
    assert len(fleet.events("contested", "percent")) == 1


def test_a_file_that_is_reloaded_on_one_gateway_only_shows_as_a_second_revision(fleet: Fleet, behind: Backends) -> None:
    """On every gateway, until the files agree again; and a follower's file moves nobody."""
    text, follower = configure(behind, **TEXTS), fleet.followers()[0]
    assert {len(view["revisions"]) for view in fleet.views()} == {1}

    follower.edit(
        text.replace("edited: {key: header:X-User-ID, percent: 10", "edited: {key: header:X-User-ID, percent: 90")
    )
    fleet.wait_until(lambda: {len(view["revisions"]) for view in fleet.views()} == {2})
    arms = [ask_arms(gateway, "edited", USERS, 2) for gateway in fleet.gateways]
    follower.edit(text)
    fleet.wait_until(lambda: {len(view["revisions"]) for view in fleet.views()} == {1})

    assert all(each == arms[0] for each in arms)
    assert {view["percent"] for view in fleet.rollouts("edited")} == {10}


def test_a_gateway_that_joins_serves_as_the_fleet_stands_from_its_first_request(
    fleet: Fleet, behind: Backends, redis: RedisServer
) -> None:
    """Who was rolled back meets no candidate there, and a share that an operator set holds at once."""
    act(fleet.gateways[0], "left", "rollback")
    act(fleet.gateways[0], "raised", "percent", percent=100)
    port = free_port()
    text = configure(behind, **TEXTS).replace("listen: 127.0.0.1:0", f"listen: 127.0.0.1:{port}", 1)
    newcomer = fleet.add(redis.url, text)
    fleet.silent.add(newcomer)
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(newcomer.start)
        newcomer.port = port
        first = [first_arm(newcomer, starting, rollout) for rollout in ("left", "raised")]
        starting.result()

    fleet.silent.discard(newcomer)
    fleet.await_leader()
    assert first == ["baseline", "candidate"]
    assert set(ask_arms(newcomer, "left", USERS, 2)) == {"baseline"}
    assert set(ask_arms(newcomer, "raised", USERS, 2)) == {"candidate"}
    fleet.wait_until(lambda: {len(view["replicas"]) for view in fleet.views()} == {REPLICAS + 1})
    newcomer.stop()
    fleet.gateways.remove(newcomer)
    fleet.wait_until(lambda: {len(view["replicas"]) for view in fleet.views()} == {REPLICAS})


def first_arm(gateway: Gateway, starting: Future[None], rollout: str) -> str:
    """Who answers the first request that is answered."""
    while True:
        try:
            return ask_arms(gateway, rollout, USERS[:1])[0]
        except OSError:
            assert not starting.done() or starting.exception() is None, starting.exception()
            time.sleep(0.002)
