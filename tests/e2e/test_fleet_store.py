"""What a fleet does while its store is away, and when it comes back without what it knew: no user notices."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

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
    view_fleet,
    view_rollout,
)
from tests.store.servers import RedisServer, lead_by_sentinel, wait_until
from tests.store.servers import running as listening

USERS = [f"user-{number}" for number in range(40)]
AOF = ("--appendonly", "yes")
TEXTS = {
    "away": "percent: 50, guard: [], cooldown: 1h",
    "gone": "percent: 50, guard: [], cooldown: 1h",
    "left": "percent: 50, guard: [], cooldown: 1h",
    "bad": "percent: 50, guard: [error_rate > 20% for 1m], cooldown: 1h",
    "wiped": "percent: 50, guard: [], cooldown: 1h",
    "emptied": "percent: 50, guard: [], cooldown: 1h",
    "lost": "percent: 50, guard: [], cooldown: 1h",
    "kept": "percent: 50, guard: []",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store writes its log."""
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[RedisServer]:
    """A store that keeps a log of all that is written."""
    server = RedisServer(folder, *AOF)
    with listening(server):
        yield server


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, behind: Backends, redis: RedisServer) -> Iterator[Fleet]:
    """A fleet that is led; each test has a rollout of its own."""
    made = Fleet(configure(behind, **TEXTS), tmp_path_factory.mktemp("fleet"), [redis.url] * REPLICAS)
    with running(made):
        made.await_leader()
        made.await_standing("kept", "running", 50)
        yield made


def are_degraded(fleet: Fleet) -> bool:
    """Whether each gateway says that it hears nothing of the store."""
    statuses = [gateway.ask("/api/v1/status")[1] for gateway in fleet.awake]
    return all(status["degraded"] for status in statuses) and all(view["role"] == "degraded" for view in fleet.views())


def are_well(fleet: Fleet) -> bool:
    """Whether none says so any more."""
    return not any(gateway.ask("/api/v1/status")[1]["degraded"] for gateway in fleet.awake)


def assert_left(fleet: Fleet, rollout: str) -> None:
    """The candidate gets nothing of it, through any worker."""
    assert {(view["state"], view["percent"]) for view in fleet.rollouts(rollout)} == {("rolled_back", 0)}
    assert all(set(ask_arms(gateway, rollout, USERS, 2)) == {"baseline"} for gateway in fleet.awake)


def roll_back(fleet: Fleet, rollout: str) -> None:
    """By an operator, everywhere."""
    assert act(fleet.gateways[0], rollout, "rollback")[0] == 200
    fleet.await_standing(rollout, "rolled_back", 0)


def test_while_the_store_is_away_users_are_served_as_before_and_only_a_rollback_is_taken(
    fleet: Fleet, redis: RedisServer
) -> None:
    """It is in force at once where it was asked for, and everywhere when the store, killed and started, is back."""
    roll_back(fleet, "gone")
    first, second, _ = fleet.gateways
    with loads(fleet.gateways, "kept", clients=1) as asking:
        redis.stop()
        fleet.wait_until(lambda: are_degraded(fleet))
        refused = act(second, "away", "percent", percent=5)
        assert act(first, "left", "rollback")[0] == 200
        here, there = ask_arms(first, "left", USERS, 2), ask_arms(second, "left", USERS)
        redis.start()
        fleet.await_leader()
        fleet.await_standing("left", "rolled_back", 0)

    assert [load.failures for load in asking] == [[]] * REPLICAS
    assert (refused[0], refused[1]["status"]) == (503, 503)
    assert (set(here), set(there)) == ({"baseline"}, {"baseline", "candidate"})
    fleet.wait_until(lambda: are_well(fleet))
    assert_left(fleet, "left")
    assert_left(fleet, "gone")
    fleet.await_standing("away", "running", 50)
    fleet.wait_until(lambda: fleet.events("left"))
    assert [event["kind"] for event in fleet.events("left")] == ["rollback"]


def test_a_guard_goes_on_by_what_its_gateway_alone_sees_and_the_fleet_follows_later(
    fleet: Fleet, behind: Backends, redis: RedisServer
) -> None:
    """One gateway has the bad candidate's users while the store is away: it leaves, and later all do, by one event."""
    first, second, _ = fleet.gateways
    redis.stop()
    fleet.wait_until(lambda: are_degraded(fleet))
    behind.failing.add("bad")
    ask_arms(first, "bad", USERS, connections=4)
    fleet.wait_until(lambda: view_rollout(first, "bad")["state"] == "rolled_back")
    fleet.wait_until(lambda: set(ask_arms(first, "bad", USERS, 2)) == {"baseline"})  # workers have a second for it
    elsewhere = view_rollout(second, "bad")["state"]
    redis.start()
    fleet.await_leader()
    fleet.await_standing("bad", "rolled_back", 0)

    assert elsewhere == "running"
    assert_left(fleet, "bad")
    fleet.wait_until(lambda: fleet.incidents("bad"))
    assert [event["kind"] for event in fleet.events("bad")] == ["rollback"]
    assert len(fleet.incidents("bad")) == 1


def flush(redis: RedisServer, _: Path) -> None:
    """Everything in it is deleted."""
    redis.ask("FLUSHALL")


def restart_empty(redis: RedisServer, folder: Path) -> None:
    """Its disk is lost."""
    redis.stop()
    shutil.rmtree(folder / "appendonlydir")
    redis.start()


@pytest.mark.parametrize(("rollout", "wipe"), [("wiped", flush), ("emptied", restart_empty)])
def test_a_store_that_was_wiped_is_told_what_the_fleet_knows(
    fleet: Fleet, redis: RedisServer, folder: Path, rollout: str, wipe: Callable[[RedisServer, Path], None]
) -> None:
    """Rolled back stays rolled back on every gateway, nobody notices, and a leader leads."""
    fleet.await_leader()
    roll_back(fleet, rollout)
    fences = [view["fence"] for view in fleet.views()]
    with loads(fleet.gateways, rollout, clients=1) as asking:
        wipe(redis, folder)
        fleet.wait_until(lambda: all(redis.ask("HEXISTS", "{crossfade}:progress", name) for name in (rollout, "kept")))
        fleet.await_leader()
        assert_left(fleet, rollout)

    assert [load.failures for load in asking] == [[]] * REPLICAS
    fleet.wait_until(lambda: view_fleet(fleet.gateways[0])["fence"] >= max(fences))
    fleet.wait_until(lambda: act(fleet.gateways[1], "kept", "percent", percent=50)[0] == 200)
    fleet.await_standing(rollout, "rolled_back", 0)


def test_a_rollback_that_a_failover_has_lost_is_in_force_all_the_same(
    tmp_path_factory: pytest.TempPathFactory, behind: Backends
) -> None:
    """The new master never heard of it: the gateways did, and tell it."""
    folder = tmp_path_factory.mktemp("sentinel")
    master = RedisServer(folder, "--repl-diskless-sync-delay", "0")
    replica = RedisServer(folder, "--replicaof", f"127.0.0.1 {master.port}")
    guard = RedisServer(folder, is_sentinel=True)
    with listening(master, replica, guard):
        wait_until(lambda: b"connected" in replica.ask("ROLE"))  # so the Sentinel finds it at once
        lead_by_sentinel(master, guard)
        url = f"redis+sentinel://127.0.0.1:{guard.port}/main"
        fleet = Fleet(configure(behind, **TEXTS), folder / "fleet", [url] * 2)
        with running(fleet):
            fleet.await_leader()
            fleet.await_standing("lost", "running", 50)
            wait_until(lambda: replica.ask("HEXISTS", "{crossfade}:progress", "lost"))
            with loads(fleet.gateways, "lost", clients=1) as asking:
                lose_a_write(master, replica, lambda: roll_back(fleet, "lost"))
                wait_until(lambda: replica.ask("ROLE")[0] == b"master")
                wait_until(lambda: b'"rolled_back"' in replica.ask("HGET", "{crossfade}:progress", "lost"))
                fleet.await_leader()
                assert_left(fleet, "lost")

    assert [load.failures for load in asking] == [[]] * 2
    assert any(gateway.events("store_went_back") for gateway in fleet.gateways)


def lose_a_write(master: RedisServer, replica: RedisServer, write: Callable[[], None]) -> None:
    """The master takes it, and is killed before the replica has it."""
    os.kill(replica.pid, signal.SIGSTOP)
    master.ask("CLIENT", "KILL", "TYPE", "replica")  # else it were in the socket's buffer
    write()
    master.stop()
    os.kill(replica.pid, signal.SIGCONT)
