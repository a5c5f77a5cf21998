"""How the gateways of a fleet start when their store does not answer, or has forgotten everything."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Start
from tests.e2e.fleet import Backends, Fleet, act, ask_arms, configure, running, view_rollout
from tests.store.servers import RedisServer
from tests.store.servers import running as listening

USERS = [f"user-{number}" for number in range(40)]
CACHE = "store_cache: store.cache"
TEXTS = {
    "left": "percent: 50, guard: [], cooldown: 1h",
    "going": "percent: 50, guard: []",
    "planned": "start: auto, stages: [{percent: 30, hold: 1h}, {percent: 100}], gates: [], guard: []",
}
"""With the file's share none of them is at 40 %."""


def test_without_a_store_nobody_is_moved_until_it_is_there(
    start_gateway: Start, behind: Backends, tmp_path: Path
) -> None:
    """The gateway waits and says for what, serves the baseline then, and begins its rollouts once it can store that."""
    redis = RedisServer(tmp_path)
    gateway = start_gateway(configure(behind, **TEXTS), {"STORE": redis.url})
    standing = {(view_rollout(gateway, name)["state"], view_rollout(gateway, name)["percent"]) for name in TEXTS}
    arms = {arm for name in TEXTS for arm in ask_arms(gateway, name, USERS, 2)}

    gateway.wait_until(lambda: gateway.events("waiting_for_store"))
    assert (standing, arms) == ({("pending", 0)}, {"baseline"})
    with listening(redis):
        gateway.wait_until(lambda: view_rollout(gateway, "going")["percent"] == 50)
        gateway.wait_until(lambda: view_rollout(gateway, "planned")["percent"] == 30)
        assert set(ask_arms(gateway, "going", USERS, 2)) == {"baseline", "candidate"}
        gateway.stop()


def test_all_that_a_fleet_knew_is_in_its_caches(behind: Backends, tmp_path: Path) -> None:
    """Everything ends and the store is lost: the gateways start by their caches without it, and tell the new one."""
    redis = RedisServer(tmp_path)
    fleet = Fleet(configure(behind, CACHE, **TEXTS), tmp_path / "fleet", [redis.url] * 2)
    with listening(redis), running(fleet):
        fleet.await_leader()
        fleet.await_standing("going", "running", 50)
        assert act(fleet.gateways[1], "going", "percent", percent=40)[0] == 200
        assert act(fleet.gateways[0], "left", "rollback")[0] == 200
        fleet.await_standing("left", "rolled_back", 0)
        fleet.await_standing("going", "running", 40)

    with running(fleet):
        assert_as_before(fleet)
        with listening(redis):  # which keeps nothing on disk
            fleet.wait_until(lambda: redis.ask("HEXISTS", "{crossfade}:progress", "left"))
            fleet.await_leader()
            assert_as_before(fleet)
            stop_all(fleet)


def assert_as_before(fleet: Fleet) -> None:
    """As it was when everything ended."""
    fleet.await_standing("left", "rolled_back", 0)
    fleet.await_standing("going", "running", 40)
    assert all(set(ask_arms(gateway, "left", USERS, 2)) == {"baseline"} for gateway in fleet.gateways)


def stop_all(fleet: Fleet) -> None:
    """While the store is there."""
    fleet.stop()
    fleet.silent.update(fleet.gateways)
