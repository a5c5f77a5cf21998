"""What a large fleet costs its leader and its store, and how soon all of it is away from a bad candidate.

``python -m bench.fleet [--replicas N] [--routes N] [--rate N] [--seconds N] [--faults N] [--found N]``

One Redis, one real gateway, which leads, and so many replicas that say each second what real ones would
(`bench.replicas`). Each route has a rollout of its own, with a quarter of its users on the candidate, under the default
guard. Meanwhile candidates fail one after the other, and each replica notes when it knows of the rollback.

CPU is that of the processes, so it matters little what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.cases import KIB
from bench.command import carry_out
from bench.processes import BenchError, cpu_seconds_of, resident_bytes_of
from bench.replicas import CANDIDATE_SHARE, PATHS, Crowd, Outcome, Traffic, name_path, name_rollout, name_route
from gateway.control.mismatches import name_policy
from gateway.core.progress import Progress, State
from gateway.settings.compile import Switches, compile_table
from gateway.settings.load import load_text
from gateway.store import open_store
from tests.e2e.gateway import Gateway
from tests.store.servers import RedisServer

MOST_LEADER_CPU = 0.5
MOST_REDIS_CPU = 0.2
"""Of a core each."""
MOST_FOLLOWING_SECONDS = 2.0
"""From a verdict until every replica goes by it."""
GATE = "error_rate < 1% for 5m"
PROCESSES = 2
"""That play replicas."""
WARM_UP_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.2
MIB = KIB * KIB


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used up to a moment."""

    at: float
    leader_cpu: float
    redis_cpu: float
    playing_cpu: float
    redis_in: int
    """Bytes."""
    redis_out: int


@dataclass(frozen=True, slots=True)
class Delays:
    """Of one rollback, in seconds."""

    rollout: str
    committed: float
    """From the first bad second's beginning to the verdict."""
    followed: float
    """From the verdict until the last replica knew."""


@dataclass(slots=True)
class Scene:
    """All that runs."""

    redis: RedisServer
    gateway: Gateway
    crowd: Crowd

    @property
    def leader_pid(self) -> int:
        """The controller's."""
        pids = self.gateway.pids("contr")
        if len(pids) != 1:
            raise BenchError("the leader's controller is not there")
        return pids[0]

    @property
    def redis_pid(self) -> int:
        """The server's."""
        return int(self.told("server")["process_id"])

    def told(self, section: str) -> dict[str, Any]:
        """What Redis says of itself."""
        told = self.redis.ask("INFO", section)
        assert isinstance(told, dict)
        return told

    def use(self) -> Usage:
        """What was used up to now."""
        stats = self.told("stats")
        return Usage(
            at=time.monotonic(),
            leader_cpu=cpu_seconds_of(self.leader_pid),
            redis_cpu=cpu_seconds_of(self.redis_pid),
            playing_cpu=sum(map(cpu_seconds_of, self.crowd.pids)),
            redis_in=stats["total_net_input_bytes"],
            redis_out=stats["total_net_output_bytes"],
        )

    def progresses(self) -> dict[str, Progress]:
        """How the rollouts stand."""
        return asyncio.run(_read_progresses(self.redis.url))


def build_configuration(redis: RedisServer, routes: int, *, compares: bool) -> str:
    """Backends are never asked: the gateway itself has no requests."""
    shadow = ", shadow: {}" if compares else ""
    rollouts = "".join(
        f"  {name_rollout(number)}: {{key: header:X-User-ID, start: auto, "
        f"stages: [{{percent: {100 * CANDIDATE_SHARE:g}, hold: 1d, gates: [{GATE}]}}, {{percent: 100}}]}}\n"
        for number in range(routes)
    )
    lines = "".join(
        f"  - {{name: {name_route(number)}, match: /r{number}/**, baseline: legacy, candidate: new, "
        f"rollout: {name_rollout(number)}, paths: [{_list_paths(number)}]{shadow}}}\n"
        for number in range(routes)
    )
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, access_log: off}}
admin: {{listen: 127.0.0.1:0}}
store: {redis.url}
backends: {{legacy: http://127.0.0.1:9, new: http://127.0.0.1:9}}
rollouts:
{rollouts}routes:
{lines}"""


def name_policy_of(configuration: str) -> str:
    """How its first route is compared; empty when it is not."""
    loaded = load_text(configuration, "gateway.yaml", {}, Path())
    shadow = compile_table(loaded.config, "", Switches(), Path()).routes[0].shadow
    return "" if shadow is None else name_policy(shadow.compare)


def _list_paths(number: int) -> str:
    return ", ".join(f'"{name_path(number, path)}"' for path in range(PATHS))


async def _read_progresses(url: str) -> dict[str, Progress]:
    store = open_store(url)
    try:
        return await store.progresses()
    finally:
        await store.close()


async def read_verdicts(url: str) -> dict[str, float]:
    """When each rollout was rolled back, in seconds since the epoch."""
    store = open_store(url)
    try:
        events = await store.events(limit=10_000)
    finally:
        await store.close()
    ends = (event for event in events if event.kind == "rollback")
    return {event.rollout or "": datetime.fromisoformat(event.time).timestamp() for event in ends}


async def count_found(url: str) -> int:
    """How many differences the store has of all that comparers found."""
    store = open_store(url)
    try:
        return sum(field.count for record in await store.mismatches() for field in record.tally.fields.values())
    finally:
        await store.close()


@contextlib.contextmanager
def served(replicas: int, traffic: Traffic) -> Iterator[Scene]:
    """All of it, when every rollout has begun."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name:
        folder = Path(name)
        redis = RedisServer(folder)
        redis.start()
        try:
            configuration = build_configuration(redis, traffic.routes, compares=traffic.found > 0)
            traffic = traffic._replace(policy=name_policy_of(configuration))
            crowd = Crowd(redis.url, replicas, PROCESSES, traffic)
            with Gateway(configuration, folder) as gateway, crowd.playing():
                scene = Scene(redis, gateway, crowd)
                gateway.wait_until(lambda: _have_begun(scene.progresses().values(), traffic.routes), PATIENCE_SECONDS)
                yield scene
        finally:
            redis.stop()


def _have_begun(progresses: Iterable[Progress], routes: int) -> bool:
    return sum(progress.state is State.RUNNING for progress in progresses) == routes


def measure(scene: Scene, seconds: float, faults: int) -> tuple[Usage, Usage, dict[str, float]]:
    """What is used meanwhile, and when each candidate has begun to fail."""
    time.sleep(WARM_UP_SECONDS)
    before = scene.use()
    apart = (seconds - MOST_FOLLOWING_SECONDS) / max(1, faults)
    failing = {name_rollout(number): before.at + 1.0 + number * apart for number in range(faults)}
    scene.crowd.fail(failing)
    time.sleep(seconds)
    after = scene.use()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _have_ended(scene.progresses(), failing):
        if time.monotonic() > deadline:
            raise BenchError("not every candidate that failed was rolled back")
        time.sleep(LOOK_SECONDS)
    time.sleep(MOST_FOLLOWING_SECONDS)  # the last one's followers
    return before, after, failing


def _have_ended(progresses: dict[str, Progress], failing: Iterable[str]) -> bool:
    return all(progresses[name].state is State.ROLLED_BACK for name in failing)


def list_delays(failing: dict[str, float], verdicts: dict[str, float], outcome: Outcome, replicas: int) -> list[Delays]:
    """Raises `BenchError` when a replica has never heard of a rollback."""
    to_epoch = time.time() - time.monotonic()
    found = []
    for name, since in failing.items():
        seen = {sighting.replica: sighting.epoch for sighting in outcome.sightings if sighting.rollout == name}
        if len(seen) < replicas:
            raise BenchError(f"{replicas - len(seen)} replicas did not hear of the rollback of {name}")
        found.append(Delays(name, verdicts[name] - since - to_epoch, max(seen.values()) - verdicts[name]))
    return found


def show(replicas: int, traffic: Traffic, seconds: float, faults: int) -> None:
    """Print what was used and how long it took. Raises `BenchError` beyond the bounds."""
    with served(replicas, traffic) as scene:
        before, after, failing = measure(scene, seconds, faults)
        memory = resident_bytes_of(scene.leader_pid), resident_bytes_of(scene.redis_pid)
        outcome = scene.crowd.end()
        verdicts, found = asyncio.run(read_verdicts(scene.redis.url)), asyncio.run(count_found(scene.redis.url))
    delays = list_delays(failing, verdicts, outcome, replicas)
    passed = after.at - before.at
    leader, redis = ((after.leader_cpu - before.leader_cpu) / passed, (after.redis_cpu - before.redis_cpu) / passed)
    grid = Table("", "leader", "Redis")
    grid.add_row("CPU, of a core", f"{leader:.1%}", f"{redis:.1%}")
    grid.add_row("memory", *(f"{size / MIB:.0f} MiB" for size in memory))
    grid.add_row("bytes in, per second", "", f"{(after.redis_in - before.redis_in) / passed / MIB:.1f} MiB")
    grid.add_row("bytes out, per second", "", f"{(after.redis_out - before.redis_out) / passed / MIB:.1f} MiB")
    Console(width=110).print(
        f"{replicas} replicas of {traffic.requests_per_second:g} requests/s, {traffic.routes} rollouts, {seconds:g} s",
        grid,
        describe_replicas(outcome, (after.playing_cpu - before.playing_cpu) / passed),
        describe_delays(delays),
        f"{found:,} differences are in the record",
        sep="\n",
    )
    check(leader, redis, delays)


def describe_replicas(outcome: Outcome, cpu: float) -> str:
    """What those that were played did."""
    return (
        f"{outcome.beats:,} beats of {outcome.cells / max(1, outcome.beats):.0f} cells, {outcome.misses} unanswered; "
        f"{outcome.follows:,} times one read how all stand\nplaying them took {cpu:.0%} of a core"
    )


def describe_delays(delays: list[Delays]) -> str:
    """Median and worst."""
    if not delays:
        return "no candidate failed"
    committed, followed = [each.committed for each in delays], [each.followed for each in delays]
    return (
        f"{len(delays)} candidates failed: verdict after {median(committed):.2f} s, at most {max(committed):.2f} s\n"
        f"the last replica knew {median(followed):.2f} s later, at most {max(followed):.2f} s"
    )


def check(leader: float, redis: float, delays: list[Delays]) -> None:
    """Raises `BenchError` for what is beyond its bound."""
    if leader > MOST_LEADER_CPU or redis > MOST_REDIS_CPU:
        raise BenchError("the fleet costs its leader or its store too much")
    if any(each.followed > MOST_FOLLOWING_SECONDS for each in delays):
        raise BenchError("a replica followed a rollback too late")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.fleet", description="What a large fleet costs.")
    parser.add_argument("--replicas", type=int, default=100, help="beside the one that leads (default 100)")
    parser.add_argument("--routes", type=int, default=200, help="each with a rollout (default 200)")
    parser.add_argument("--rate", type=float, default=1000, help="requests per second of each replica (default 1000)")
    parser.add_argument("--seconds", type=float, default=30, help="that are measured (default 30)")
    parser.add_argument("--faults", type=int, default=8, help="candidates that fail meanwhile (default 8)")
    parser.add_argument("--found", type=int, default=0, help="differences each hands in a second (default 0)")
    options = parser.parse_args()
    traffic = Traffic(options.routes, options.rate, options.found)
    carry_out(lambda: show(options.replicas, traffic, options.seconds, options.faults))


if __name__ == "__main__":
    main()
