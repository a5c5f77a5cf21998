"""A fleet loses its leader: another one goes on, and the one that was lost has nothing to say any more."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.fleet import REPLICAS, Backends, Fleet, act, ask_arms, backends, configure, loads, running, view_rollout
from tests.e2e.fleet_wires import Wires, are_permitted, wired_redis
from tests.e2e.gateway import Gateway
from tests.store.servers import RedisServer
from tests.store.servers import running as listening

STAGES = ", ".join(f"{{percent: {percent}, hold: 1s}}" for percent in range(1, 101))
WAYS = ("killed", "stopped", "cut")
TEXTS = {f"plan_{way}": f"stages: [{STAGES}], gates: [], guard: []" for way in WAYS} | {
    f"bad_{way}": "percent: 30, guard: [error_rate > 20% for 1m], cooldown: 1h" for way in WAYS
}


@dataclass
class Stage:
    """What the tests play on."""

    fleet: Fleet
    behind: Backends
    wires: Wires | None

    def strike(self, way: str, gateway: Gateway) -> Callable[[], None]:
        """Take a gateway out; returns what brings it back."""
        fleet, number = self.fleet, self.fleet.gateways.index(gateway)
        if way == "killed":
            fleet.kill(gateway)
            return lambda: fleet.revive(gateway)
        if way == "stopped":
            fleet.freeze(gateway)
            return lambda: fleet.thaw(gateway)
        if self.wires is None:
            pytest.skip("networks can't be made here: that takes Linux, root and iproute2")
        fleet.silent.add(gateway)
        self.wires.cut(number)
        return lambda: self._mend(number)

    def _mend(self, number: int) -> None:
        assert self.wires is not None
        self.wires.mend(number)
        self.fleet.silent.discard(self.fleet.gateways[number])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A fleet with a wire from each gateway to the store, where such can be laid."""
    folder = tmp_path_factory.mktemp("redis")
    if are_permitted():
        # What the gateways stand before is begun in there, too: it is another network.
        with wired_redis(folder, REPLICAS) as (redis, wires), backends() as behind:
            yield from play(tmp_path_factory, behind, wires, wires.urls(redis))
    else:
        redis = RedisServer(folder)
        with listening(redis), backends() as behind:
            yield from play(tmp_path_factory, behind, None, [redis.url] * REPLICAS)


def play(
    tmp_path_factory: pytest.TempPathFactory, behind: Backends, wires: Wires | None, stores: list[str]
) -> Iterator[Stage]:
    """A fleet on these stores."""
    fleet = Fleet(configure(behind, **TEXTS), tmp_path_factory.mktemp("fleet"), stores)
    with running(fleet):
        fleet.await_leader()
        fleet.await_standing("bad_cut", "running", 30)
        yield Stage(fleet, behind, wires)


@pytest.mark.parametrize("way", WAYS)
def test_a_leader_that_is_lost_has_a_successor_and_every_decision_is_made_once(stage: Stage, way: str) -> None:
    """A plan goes on stage by stage, a bad candidate is left by one rollback, and whoever comes back follows.

    Who was cut off has served all the while, and has left the bad candidate by what it saw alone.
    """
    fleet, plan, bad = stage.fleet, f"plan_{way}", f"bad_{way}"
    leader = fleet.await_leader()
    assert act(fleet.followers()[0], plan, "start")[0] == 200
    fleet.wait_until(lambda: all(view["percent"] >= 2 for view in fleet.rollouts(plan)))

    stage.behind.failing.add(bad)
    bring_back = stage.strike(way, leader)
    serving = [*fleet.awake, leader] if way == "cut" else fleet.awake
    with loads(serving, bad):
        assert fleet.await_leader() is not leader
        fleet.await_standing(bad, "rolled_back", 0)
        if way == "cut":
            fleet.wait_until(lambda: view_rollout(leader, bad)["state"] == "rolled_back")
    reached = max(view["percent"] for view in fleet.rollouts(plan))
    fleet.wait_until(lambda: all(view["percent"] > reached for view in fleet.rollouts(plan)))
    assert way != "cut" or view_rollout(leader, plan)["percent"] <= reached
    bring_back()

    assert fleet.await_leader() is not leader
    fleet.await_standing(bad, "rolled_back", 0)
    fleet.wait_until(lambda: all(view["percent"] > reached + 1 for view in fleet.rollouts(plan)))
    assert act(leader, plan, "pause")[0] == 200
    fleet.await_standing(plan, "paused")
    assert_once(fleet, plan, bad)
    assert all(
        set(ask_arms(gateway, bad, [f"user-{n}" for n in range(30)], 2)) == {"baseline"} for gateway in fleet.awake
    )


def assert_once(fleet: Fleet, plan: str, bad: str) -> None:
    """Each stage was begun once, in order, without a gap; and there was one rollback."""
    log = fleet.events(plan)
    assert [(before, after) for before, after in itertools.pairwise(log) if before["to"] != after["from"]] == []
    shares = [event["to"]["percent"] for event in log if event["kind"] in {"start", "stage"}]
    assert shares == list(range(1, len(shares) + 1))
    assert len({view["percent"] for view in fleet.rollouts(plan)}) == 1
    kinds = [event["kind"] for event in fleet.events(bad)]
    assert [kind for kind in kinds if kind != "notify"] == ["rollback"]  # who was cut off tells of its own guard, too
    assert len(fleet.incidents(bad)) == 1
