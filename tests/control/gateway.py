"""A controller without its processes: time and counts are the test's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gateway.control.conductor import Conductor
from gateway.control.figures import Batch, Figures
from gateway.control.findings import Finding, find_worst
from gateway.control.gates import ExternalGates
from gateway.control.history import History
from gateway.control.rollouts import Rollouts
from gateway.control.watches import Clocks, Sight
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.lifecycle import Transition
from gateway.core.plans import Do, Guard, Plan, Stage
from gateway.core.rules import parse_rule
from gateway.core.tallies import PathTally
from gateway.core.types import KeyKind, KeySource, Match, Route, Table
from gateway.store.records import Actor, Event
from gateway.store.sqlite import SqliteStore
from tests.core.asking import rollout
from tests.proxy.wiring import table

ADA = Actor("operator", "ada")
STAGES = (Stage(5, hold_seconds=10), Stage(50, hold_seconds=10), Stage(100, hold_seconds=10))


class Gateway:
    """A controller without its processes: time and counts are the test's."""

    def __init__(self, folder: Path, *rules: tuple[str, Do], stages: tuple[Stage, ...] = STAGES) -> None:
        self.second = 1000.0
        self.wall = 1_700_000_000.0
        self.store = SqliteStore(str(folder / "state.db"))
        self.published: list[Table] = []
        self.heard: list[tuple[Event, Transition]] = []
        guards = tuple(Guard(parse_rule(text), do) for text, do in rules)
        self.plan = Plan(stages=stages, starts_by_itself=True, guards=guards)
        self.percent = 5.0
        self.figures = Figures(self.wall)
        self.sequence = 0
        self.found: list[PathTally] = []
        """By comparing."""
        self.start()

    def start(self) -> None:
        """A controller begins, with the figures and the store that there are."""
        self.rollouts = Rollouts(self.store, self.published.append, self.now)
        self.history = History()
        self.rollouts.listeners += [self.hear, lambda event, _: self.history.hear(event)]
        clocks = Clocks(lambda: self.second, lambda: self.wall, self.now)
        gates = ExternalGates(lambda: self.second, lambda: self.wall)
        sight = Sight(
            self.figures, lambda: len(self.published), find_worst=self.find_worst, list_events=self.history.events
        )
        self.conductor = Conductor(sight, self.rollouts, gates, clocks)

    def find_worst(self, routes: frozenset[str], path: str | None) -> list[Finding]:
        """What differs most on these routes, or on one path of them."""
        found = [each for each in self.found if each.route in routes and path in {None, each.path}]
        return find_worst(found, 5)

    def hear(self, event: Event, transition: Transition | None) -> None:
        """Something happened to a rollout."""
        if transition is not None:
            self.heard.append((event, transition))

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self.wall, UTC)

    async def begin(self) -> None:
        """Read the store and the file."""
        await self.rollouts.begin()
        await self.history.restore(self.store, self.wall)
        self.publish()

    def publish(self) -> None:
        """Put what the file says in force."""
        about = rollout(name="shop", percent=self.percent, key=((KeySource(KeyKind.CLIENT_IP),),), plan=self.plan)
        routes = (Route("orders", Match(), "legacy", "new", "shop"),)
        self.rollouts.publish(table(rollouts=(about,), routes=routes))

    async def live(self, seconds: int, errors: int = 0, *, wall_step: float = 1.0, mismatches: int = 0) -> None:
        """So many seconds in each of which both arms had 100 requests and 50 copies were compared.

        Of the candidate's so many failed, of the copies so many were mismatches.
        """
        for _ in range(seconds):
            self.second += 1
            self.wall += wall_step
            self.count(errors, mismatches)
            await self.conductor.tick()

    def count(self, errors: int, mismatches: int = 0, *, serial: int | None = None) -> None:
        """What workers and the comparer report in a second, by the table with this serial; by the newest if None."""
        copies = {("match", ""): 50 - mismatches, ("mismatch", ""): mismatches}
        self.sequence += 1
        counted = tuple(
            Counted(
                Subject("orders", "/a", arm, is_forced=False),
                PathFigures(
                    answers={Answer(arm, "GET", 200, "split"): 100},
                    errors={"5xx": failed} if failed else {},
                    copies=copies if arm == "candidate" else {},
                ),
            )
            for arm, failed in (("candidate", errors), ("baseline", 0))
        )
        served_by = len(self.published) if serial is None else serial
        self.figures.record(Batch(1, self.sequence, self.wall, counted, served_by))

    @property
    def share(self) -> float:
        """What workers were told last."""
        return self.published[-1].rollouts[0].percent

    @property
    def kinds(self) -> list[str]:
        """What happened."""
        return [event.kind for event, _ in self.heard]

    async def begin_again(self) -> None:
        """Another controller, with what this one leaves."""
        await self.rollouts.close()
        self.start()
        await self.begin()

    async def end(self) -> None:
        """As a controller ends."""
        await self.rollouts.close()
        await self.store.close()
