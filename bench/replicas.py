"""Replicas of a fleet without requests: what each says to the store every second, and asks of it, is a real one's.

A few processes play them all. Reports are made beforehand and said again and again, so that those who play take little
of the machine whose store and leader are measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from random import Random
from typing import NamedTuple

import msgspec

from gateway.core.figures import Subject
from gateway.core.fleet import BEAT_SECONDS, Finds, Portion, Presence, Report
from gateway.core.histogram import bucket_of
from gateway.core.progress import Progress, State
from gateway.core.tallies import FieldTally, PathTally, Sample
from gateway.core.types import Arm
from gateway.core.windows import Cell
from gateway.errors import StoreUnavailable
from gateway.store import Store, open_fleet, open_store
from gateway.store.fleet import FleetStore

PATHS = 3
"""Of each route."""
CANDIDATE_SHARE = 0.25
SPREAD = 0.2
"""Of the logarithm of latencies. Seconds are said again and again, so what is rare in one would be rare no more."""
SAMPLE_LENGTH = 200
"""Of each side of a difference, in characters."""
VARIANTS = 5
"""So many different seconds are made for each process."""
AGAIN_SECONDS = 0.5

Cells = list[tuple[Subject, Cell]]


class Traffic(NamedTuple):
    """What each replica serves: requests spread evenly, which makes the most of cells."""

    routes: int
    requests_per_second: float
    found: int = 0
    """Differences that each replica's comparer hands in with each report."""
    policy: str = ""
    """By which it finds them."""


class Sighting(NamedTuple):
    """A replica has learnt that a rollout is rolled back. Seconds are of the machine's clocks."""

    rollout: str
    replica: str
    monotonic: float
    epoch: float


@dataclass(slots=True)
class Outcome:
    """What the replicas of one process have seen."""

    sightings: list[Sighting] = field(default_factory=list)
    beats: int = 0
    misses: int = 0
    """Beats that the store did not answer."""
    follows: int = 0
    """How often somebody read how all rollouts stand."""
    cells: int = 0


def name_rollout(number: int) -> str:
    """As the configuration has it."""
    return f"r{number}"


def name_route(number: int) -> str:
    """As the configuration has it."""
    return f"route-{number}"


def name_path(number: int, path: int) -> str:
    """As the configuration has it."""
    return f"/r{number}/p{path}/{{id}}"


class Script:
    """What the replicas of a process report: versions of progress as they stand, some candidates failing."""

    def __init__(self, traffic: Traffic, dice: Random) -> None:
        self._dice = dice
        self._variants = [make_second(traffic, dice) for _ in range(VARIANTS)]
        self._found = [make_found(traffic, dice) for _ in range(VARIANTS)]
        self._batch = 0
        self._failing: dict[str, float] = {}
        self.progresses: Mapping[str, Progress] = {}

    def follow(self, progresses: Mapping[str, Progress]) -> None:
        """Count under these versions from now on; who is rolled back has no candidate any more."""
        for portions in self._variants:
            for name, portion in portions.items():
                after, before = progresses.get(name), self.progresses.get(name)
                if after is not None and (before is None or after.version > before.version):
                    portion.version = after.version
                    if after.state is State.ROLLED_BACK:
                        portion.cells = [each for each in portion.cells if each[0].arm != Arm.CANDIDATE]
        self.progresses = progresses

    def fail(self, faults: Mapping[str, float]) -> None:
        """These rollouts' candidates fail every request, each from its second on."""
        self._failing = dict(faults)

    def read(self, replica: str, second: float) -> Report:
        """What ``replica`` counted in the second that ends now."""
        portions = self._dice.choice(self._variants)
        bad = {
            name: Portion(portions[name].version, self._break(portions[name].cells, min(1.0, second - since)))
            for name, since in self._failing.items()
            if second > since and name in portions
        }
        self._batch += 1
        return Report(replica, portions | bad, self._dice.choice(self._found), batch=self._batch)

    def _break(self, cells: Cells, share: float) -> Cells:
        return [
            (subject, self._break_cell(cell, share) if subject.arm == Arm.CANDIDATE else cell)
            for subject, cell in cells
        ]

    def _break_cell(self, cell: Cell, share: float) -> Cell:
        failed = sum(self._dice.random() < share for _ in range(cell.requests))
        return msgspec.structs.replace(cell, errors={"5xx": failed} if failed else {})


def make_second(traffic: Traffic, dice: Random) -> dict[str, Portion]:
    """What one replica counts in a second, by rollout: log-normal latencies, no errors."""
    counted: dict[int, dict[Subject, Cell]] = {}
    for _ in range(round(traffic.requests_per_second * BEAT_SECONDS)):
        number = dice.randrange(traffic.routes)
        arm = Arm.CANDIDATE if dice.random() < CANDIDATE_SHARE else Arm.BASELINE
        subject = Subject(name_route(number), name_path(number, dice.randrange(PATHS)), str(arm), is_forced=False)
        cell = counted.setdefault(number, {}).setdefault(subject, Cell())
        cell.requests += 1
        bucket = bucket_of(dice.lognormvariate(-3, SPREAD))
        cell.latencies[bucket] = cell.latencies.get(bucket, 0) + 1
    return {name_rollout(number): Portion(0, list(cells.items())) for number, cells in counted.items()}


def make_found(traffic: Traffic, dice: Random) -> list[Finds]:
    """What one replica's comparer finds: a field with a sample on each of some paths."""
    now, found = time.time(), []
    for _ in range(traffic.found):
        number = dice.randrange(traffic.routes)
        sample = Sample(f"{dice.getrandbits(128):032x}", now, "x" * SAMPLE_LENGTH, "y" * SAMPLE_LENGTH)
        tally = FieldTally(10, 10, 0, now, now, [sample])
        name = name_path(number, dice.randrange(PATHS))
        found.append((traffic.policy, PathTally(name_route(number), name, 100, 0, {("$.total", "value"): tally})))
    return found


class Replica:
    """One of them, with connections of its own. It never asks for the lease."""

    def __init__(self, name: str, stores: tuple[FleetStore, Store], script: Script, outcome: Outcome) -> None:
        self._name = name
        self._fleet, self._store = stores
        self._script = script
        self._outcome = outcome
        self._presence = Presence(
            host=name, admin="127.0.0.1:0", version="1", revision="r", workers=2, ready=True, started_at=time.time()
        )
        self._moves = -1
        self._fence = 0
        self._heard = asyncio.Event()
        self._rolled_back: set[str] = set()

    async def live(self, first_seconds: float) -> None:
        """Report, listen and follow until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._follow_all())
            tasks.create_task(self._beat_all(first_seconds))

    async def _beat_all(self, first_seconds: float) -> None:
        due = time.monotonic() + first_seconds
        while True:
            await asyncio.sleep(due - time.monotonic())
            try:
                await self._beat()
            except StoreUnavailable:
                self._outcome.misses += 1
            due = max(due + BEAT_SECONDS, time.monotonic())

    async def _beat(self) -> None:
        report = self._script.read(self._name, time.monotonic())
        presence = msgspec.structs.replace(self._presence, moves=max(0, self._moves))
        pulse = await self._fleet.report(self._name, presence, report, lease_seconds=0, known_fence=self._fence)
        self._outcome.beats += 1
        self._outcome.cells += sum(len(portion.cells) for portion in report.portions.values())
        self._fence = max(self._fence, pulse.fence)
        if pulse.moves != self._moves:
            self._moves = pulse.moves
            self._heard.set()

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self._fleet.listen(self._heard.set)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow_all(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            with contextlib.suppress(StoreUnavailable):
                self._note(await self._store.progresses())

    def _note(self, progresses: Mapping[str, Progress]) -> None:
        self._outcome.follows += 1
        ended = {name for name, progress in progresses.items() if progress.state is State.ROLLED_BACK}
        for name in ended - self._rolled_back:
            self._outcome.sightings.append(Sighting(name, self._name, time.monotonic(), time.time()))
        self._rolled_back = ended
        self._script.follow(progresses)


def play(url: str, names: list[str], traffic: Traffic, orders: Connection) -> None:
    """Be these replicas. ``orders`` brings which rollouts fail since when, and None at the end; then it answers."""
    orders.send(asyncio.run(_play(url, names, traffic, orders)))


async def _play(url: str, names: list[str], traffic: Traffic, orders: Connection) -> Outcome:
    dice, outcome, is_over = Random(names[0]), Outcome(), asyncio.Event()
    script = Script(traffic, dice)

    def obey() -> None:
        faults = orders.recv()
        if faults is None:
            is_over.set()
        else:
            script.fail(faults)

    stores = [(_open_fleet(url), open_store(url)) for _ in names]
    replicas = [Replica(name, each, script, outcome) for name, each in zip(names, stores, strict=True)]
    tasks = [asyncio.create_task(replica.live(BEAT_SECONDS * dice.random())) for replica in replicas]
    asyncio.get_running_loop().add_reader(orders.fileno(), obey)
    ending = asyncio.create_task(is_over.wait())
    await asyncio.wait([ending, *tasks], return_when=asyncio.FIRST_COMPLETED)
    await _end(tasks)
    for fleet, store in stores:
        await fleet.close()
        await store.close()
    return outcome


def _open_fleet(url: str) -> FleetStore:
    fleet = open_fleet(url)
    assert fleet is not None
    return fleet


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel them. Raises what one of them has ended with."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Crowd:
    """Many replicas, in a few processes."""

    def __init__(self, url: str, replicas: int, processes: int, traffic: Traffic) -> None:
        names = [f"replica-{number:03}" for number in range(replicas)]
        spawn = get_context("spawn")
        self._ends: list[Connection] = []
        self._processes = []
        for part in range(min(processes, replicas)):
            mine, its = spawn.Pipe()
            self._ends.append(mine)
            self._processes.append(spawn.Process(target=play, args=(url, names[part::processes], traffic, its)))

    @property
    def pids(self) -> list[int]:
        """Of those that play."""
        return [process.pid for process in self._processes if process.pid is not None]

    @contextlib.contextmanager
    def playing(self) -> Iterator[None]:
        """While they play."""
        try:
            for process in self._processes:
                process.start()
            yield
        finally:
            for process in (each for each in self._processes if each.pid is not None):
                process.kill()  # whoever was ended has said all, whoever was not has nothing to say any more
                process.join()

    def fail(self, faults: Mapping[str, float]) -> None:
        """Let these rollouts' candidates fail, each from its second of the monotonic clock on."""
        for end in self._ends:
            end.send(dict(faults))

    def end(self) -> Outcome:
        """Let them end; what they saw."""
        together = Outcome()
        for end in self._ends:
            end.send(None)
        for end in self._ends:
            _add(together, end.recv())
        return together


def _add(into: Outcome, other: Outcome) -> None:
    into.sightings += other.sightings
    into.beats += other.beats
    into.misses += other.misses
    into.follows += other.follows
    into.cells += other.cells
