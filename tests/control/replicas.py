"""A fleet without its processes: time, counts and the store are the test's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from gateway.control.cache import Cache, Remembered
from gateway.control.conductor import Conductor
from gateway.control.figures import Batch, Figures
from gateway.control.fleet_findings import FleetFindings
from gateway.control.gates import ExternalGates
from gateway.control.history import PER_ROLLOUT, History
from gateway.control.membership import Membership
from gateway.control.mismatches import Mismatches
from gateway.control.rollouts import Rollouts
from gateway.control.samples import Samples
from gateway.control.standing import RolloutState
from gateway.control.watches import Clocks, Sight
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.fleet import Role
from gateway.core.lifecycle import Action, Progress, State, Transition
from gateway.core.plans import Do, Guard, Plan, Stage
from gateway.core.rules import parse_rule
from gateway.core.shadowing import Shadow
from gateway.core.types import KeyKind, KeySource, Match, Route, Table
from gateway.store import FleetStore, Store
from gateway.store.records import Actor, Event
from tests.control.meeting import Door, Meeting
from tests.control.members import presence
from tests.core.asking import rollout
from tests.proxy.wiring import table

ADA = Actor("operator", "ada")
STAGES = (Stage(5, hold_seconds=10), Stage(50, hold_seconds=10), Stage(100, hold_seconds=10))
LONG = (Stage(5, hold_seconds=9999), Stage(50))
"""Nothing goes on by itself."""


class Memory:
    """What outlives a controller."""

    def __init__(self) -> None:
        self.kept: Remembered | None = None

    def put(self, kept: Remembered) -> None:
        self.kept = kept

    def newest(self) -> Remembered | None:
        return self.kept


class Replica:
    """One gateway of the fleet, and what its file says."""

    def __init__(self, fleet: Fleet, name: str, rules: tuple[tuple[str, Do], ...], stages: tuple[Stage, ...]) -> None:
        self.name = name
        self.fleet = fleet
        self.door = Door(fleet.meeting)
        self.store: Store = self.door
        self.meeting: FleetStore = self.door
        guards = tuple(Guard(parse_rule(text), do) for text, do in rules)
        self.plan = Plan(stages=stages, starts_by_itself=bool(stages), guards=guards)
        self.percent = 5.0
        self.revision = "r1"
        self.cache_file: Path | None = None
        self.memory = Memory()
        self.shadow: Shadow | None = None
        """How its one route is compared."""
        self.figures = Figures(fleet.wall)
        self.published: list[Table] = []
        self.heard: list[tuple[Event, Transition]] = []
        self.sequence = 0
        self.start()

    def start(self) -> None:
        """A controller begins, with the figures and the memory that there are."""
        fleet = self.fleet
        self.mismatches, self.samples, self.history = Mismatches(), Samples(), History()
        self.findings = FleetFindings(
            self.name,
            self.mismatches,
            self.samples,
            self.store,
            lambda: fleet.wall,
            lambda: self.membership.mandate().conducts,
        )
        self.membership = Membership(
            self.name,
            self.meeting,
            lambda: presence(self.name, revision=self.revision, moves=self.membership.moves),
            cache=Cache(self.memory, self.cache_file),
            findings=self.findings,
            monotonic=lambda: fleet.second,
            counting=lambda: fleet.wall,
            sleep=fleet.sleep,
        )
        self.membership.hear_events = self._hear_events
        self.rollouts = Rollouts(self.store, self._publish, fleet.now, "gateway.yaml", self.membership.mandate)
        self.rollouts.listeners.append(self.hear)
        clocks = Clocks(lambda: fleet.second, lambda: fleet.wall, fleet.now)
        gates = ExternalGates(lambda: fleet.second, lambda: fleet.wall)
        sight = Sight(self.figures, lambda: len(self.published), list_events=self.list_events)
        self.conductor = Conductor(sight, self.rollouts, gates, clocks, self.membership)

    def _publish(self, published: Table) -> None:
        self.published.append(published)
        self.figures.adopt(published)
        self.membership.leading.figures.adopt(published)
        self.mismatches.adopt(published, self.fleet.wall)
        self.findings.adopt(published, self.fleet.wall)

    async def _hear_events(self, newest: int) -> bool:
        self.findings.hear(await self.history.catch_up(self.store, newest), newest)
        return not self.history.is_behind

    def list_events(self, name: str) -> list[Event]:
        """The newest of a rollout, of all gateways."""
        return [each for each in self.fleet.meeting.stored.events if each.rollout == name][-PER_ROLLOUT:]

    def hear(self, event: Event, transition: Transition | None) -> None:
        """Something that it did happened to a rollout."""
        if transition is not None:
            self.heard.append((event, transition))

    async def begin(self) -> None:
        """Join, and read the file."""
        await self.membership.begin(self.rollouts)
        self.publish()
        await self.finish()

    def publish(self) -> None:
        """Put what the file says in force."""
        about = rollout(name="shop", percent=self.percent, key=((KeySource(KeyKind.CLIENT_IP),),), plan=self.plan)
        routes = (Route("orders", Match(), "legacy", "new", "shop", shadow=self.shadow),)
        self.rollouts.publish(table(rollouts=(about,), routes=routes, revision=self.revision))

    async def beat(self) -> None:
        """One report."""
        await self.membership.beat(self.rollouts)
        await self.finish()

    async def live(self) -> None:
        """What happens each second."""
        await self.membership.beat(self.rollouts)
        self.rollouts._kept_at = float("-inf")  # time that passed is written with each tick, not every few
        await self.conductor.tick()
        await self.finish()

    async def finish(self) -> None:
        """Wait for what is being recorded."""
        await asyncio.gather(*self.rollouts._tasks)

    async def act(self, action: Action, percent: float | None = None) -> RolloutState:
        """As an operator, through this gateway."""
        return await self.rollouts.act("shop", action, reason=f"by {self.name}", actor=ADA, percent=percent)

    def count(self, requests: int, errors: int = 0, serial: int | None = None) -> None:
        """What workers report: so many requests of each arm, of the candidate's so many failed."""
        self.sequence += 1
        counted = tuple(
            Counted(
                Subject("orders", "/a", arm, is_forced=False),
                PathFigures(
                    answers={Answer(arm, "GET", 200, "split"): requests}, errors={"5xx": failed} if failed else {}
                ),
            )
            for arm, failed in (("candidate", errors), ("baseline", 0))
        )
        newest = len(self.published) if serial is None else serial
        self.figures.record(Batch(1, self.sequence, self.fleet.wall, counted, newest))

    @property
    def role(self) -> Role:
        return self.membership.role

    @property
    def progress(self) -> Progress:
        return self.rollouts.progress("shop")

    @property
    def state(self) -> State:
        return self.progress.state

    @property
    def share(self) -> float:
        """What workers were told last."""
        return self.published[-1].rollouts[0].percent

    @property
    def kinds(self) -> list[str]:
        """What it did, as people heard of it."""
        return [event.kind for event, _ in self.heard]


class Fleet:
    """See the module. All files say the same at the beginning: rules, and stages or a fixed percentage."""

    def __init__(self, *rules: tuple[str, Do], stages: tuple[Stage, ...] = LONG, size: int = 2) -> None:
        self.second = 1000.0
        self.wall = 1_700_000_000.0
        self.meeting = Meeting(lambda: self.second, self.sleep)
        self.replicas = [Replica(self, f"gw-{number}", rules, stages) for number in range(size)]

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self.wall, UTC)

    def pass_time(self, seconds: float) -> None:
        """Nobody does anything meanwhile."""
        self.second += seconds
        self.wall += seconds

    async def sleep(self, seconds: float) -> None:
        """Time passes for who sleeps, and so for all."""
        self.pass_time(seconds)
        await asyncio.sleep(0)

    async def begin(self, *replicas: Replica) -> None:
        """Some, or all, start one after the other: the first of an empty store leads when all is done."""
        for each in replicas or self.replicas:
            await each.begin()
        await self.live(1, *replicas, requests=0)

    async def live(self, seconds: int, *replicas: Replica, requests: int = 100, errors: int = 0) -> None:
        """So many seconds of some replicas, or all; in each, each has so many requests of either arm, and errors."""
        for _ in range(seconds):
            self.pass_time(1.0)
            for each in replicas or self.replicas:
                each.count(requests, errors)
            for each in replicas or self.replicas:
                await each.live()

    @property
    def leader(self) -> Replica:
        """The one that leads."""
        (leader,) = (each for each in self.replicas if each.role is Role.LEADER)
        return leader

    @property
    def followers(self) -> list[Replica]:
        return [each for each in self.replicas if each.role is not Role.LEADER]

    @property
    def shares(self) -> list[float]:
        """What the workers of each were told last."""
        return [each.share for each in self.replicas]
