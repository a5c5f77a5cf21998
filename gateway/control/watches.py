"""The watches over all rollouts: what they see, second by second, and where they begin anew.

Each rollout has one of this gateway's own requests, and while this gateway leads a fleet one of all gateways' beside
it. A new one finds what was counted before it in the windows and goes on with that; evidence begins anew with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gateway.control.recall import Newcomer, group, pick, recall, recall_by_steps
from gateway.core.fleet import Role
from gateway.core.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gateway.control.figures import Figures
    from gateway.control.findings import Finding
    from gateway.control.leading import Leading
    from gateway.control.membership import Membership
    from gateway.control.rollouts import Rollouts
    from gateway.core.figures import Subject
    from gateway.core.histogram import Buckets
    from gateway.core.types import Rollout
    from gateway.core.windows import Cell
    from gateway.store.records import Event


class Clocks(NamedTuple):
    """The times that watches and their conductor go by."""

    monotonic: Callable[[], float]
    """Seconds; never goes back, and nobody sets it."""
    counting: Callable[[], float]
    """By which counts are recorded in the windows."""
    now: Callable[[], datetime]
    """The time of day."""


class Sight(NamedTuple):
    """What they see of this gateway."""

    figures: Figures
    serial: Callable[[], int]
    """Of the newest table."""
    waiting: Callable[[], Mapping[Subject, Buckets]] = dict
    """How long the requests under way have waited."""
    find_worst: Callable[[frozenset[str], str | None], Sequence[Finding]] = lambda _routes, _path: ()
    """What differs most on some routes (and on one path, if it is given)."""
    list_events: Callable[[str], Sequence[Event]] = lambda _name: ()
    """The newest of a rollout, whoever's they are."""


class _Watched:
    """One rollout, and the watches over it."""

    __slots__ = ("fleet", "own", "rollout", "routes")

    def __init__(self, rollout: Rollout, routes: frozenset[str]) -> None:
        self.rollout = rollout
        self.routes = routes
        self.own = Watch(rollout, routes)
        """Of this gateway's requests."""
        self.fleet: Watch | None = None
        """Of all gateways', for who leads them."""

    @property
    def watch(self) -> Watch:
        """The one to go by."""
        return self.own if self.fleet is None else self.fleet

    @property
    def watches(self) -> tuple[Watch, ...]:
        """All that there are."""
        return (self.own,) if self.fleet is None else (self.own, self.fleet)


class Watches:
    """See the module. ``membership`` is the gateway's in a fleet."""

    def __init__(self, sight: Sight, rollouts: Rollouts, clocks: Clocks, membership: Membership | None) -> None:
        self._sight = sight
        self._rollouts = rollouts
        self._clocks = clocks
        self._membership = membership
        self._watched: dict[str, _Watched] = {}
        sight.figures.drain()  # the controller before this one has seen that, and handed it in
        self._counted: Mapping[str, dict[Subject, Cell]] = {}
        """What was counted in this second, by route."""
        self._fence: int | None = None
        """The lease under which fleet watches were begun. They go on when it was interrupted for a moment."""

    def of(self, name: str) -> Watch:
        """The one to go by now for a rollout that is watched."""
        return self._watched[name].watch

    def routes(self, name: str) -> frozenset[str]:
        """Those at which the watches of a rollout look."""
        return self._watched[name].routes

    def arrange(self, plans: Mapping[str, Rollout], second: float) -> Collection[str]:
        """Watch each rollout of the configuration; the names of those whose plan or routes changed: they begin anew."""
        fresh = {}
        unwatched = plans.keys() - self._watched.keys()
        for name, rollout in plans.items():
            watched = self._watched.get(name)
            if watched is not None and watched.rollout is rollout:
                continue
            routes = frozenset(route.name for route in self._rollouts.routes(name))
            if watched is not None and watched.rollout.plan == rollout.plan and watched.routes == routes:
                watched.rollout = rollout
            else:
                fresh[name] = _Watched(rollout, routes)
        self._watched = {name: fresh.get(name) or self._watched[name] for name in plans}
        if self._membership is not None:
            for name in unwatched:
                self._membership.outbox.put(name, pick(fresh[name].routes, self._counted), {})
        newcomers = [self._introduce(name, each.own) for name, each in fresh.items()]
        if newcomers:
            recall(self._sight.figures.windows, newcomers, self._clocks.counting(), second)
        return fresh.keys()

    def _introduce(self, name: str, watch: Watch) -> Newcomer:
        """One that has seen nothing yet."""
        watched = self._watched[name]
        return Newcomer(watch, watched.rollout, watched.routes, self._rollouts.progress(name))

    def take(self, second: float) -> None:
        """See what this gateway has counted; in a fleet that is for the others, too."""
        self._counted = counted = group(self._sight.figures.drain())
        waiting = group(self._sight.waiting())
        for name, watched in self._watched.items():
            cells, ages = pick(watched.routes, counted), pick(watched.routes, waiting)
            watched.own.take(second, cells, ages)
            if self._membership is not None:
                self._membership.outbox.put(name, cells, ages)

    async def gather(self, role: Role, second: float) -> Collection[str]:
        """See what the whole fleet has counted, while this gateway leads it; the names of who begins with it."""
        if self._membership is None:
            return ()
        leading = self._membership.leading
        is_interrupted = role is Role.FOLLOWER and self._membership.fence == leading.fence
        if self._fence != leading.fence or not (role is Role.LEADER or is_interrupted):
            for watched in self._watched.values():
                watched.fleet = None
        if role is not Role.LEADER:
            return ()
        self._fence = leading.fence
        fresh = {name: watched for name, watched in self._watched.items() if watched.fleet is None}
        for name, watched in self._watched.items():
            cells, waiting = leading.figures.drain(name), leading.figures.waiting(name)
            if name not in fresh:
                watched.watch.take(second, cells, waiting)
        await self._recall_fleet(leading, fresh, second)
        return fresh.keys()

    async def _recall_fleet(self, leading: Leading, fresh: Mapping[str, _Watched], second: float) -> None:
        """Begin with what all counted. Others have a turn between its steps: a large fleet's take seconds together."""
        newcomers = {name: self._introduce(name, Watch(each.rollout, each.routes)) for name, each in fresh.items()}
        windows, at = leading.figures.windows, self._clocks.counting()
        for _ in recall_by_steps(windows, [*newcomers.values()], at, second) if newcomers else ():
            await asyncio.sleep(0)
        for name, watched in fresh.items():
            newcomer = newcomers[name]
            watched.fleet = newcomer.watch
            if self._rollouts.progress(name).version != newcomer.progress.version:  # it has moved meanwhile
                watched.fleet.restart(self._clocks.monotonic())

    def begin(self, name: str, *, is_restart: bool) -> None:
        """A move of a rollout is in force: its evidence begins anew, and by a restart everything that rules look at."""
        second, watched = self._clocks.monotonic(), self._watched[name]
        self.take(second)  # what was reported before the move is of before it, and counts go on with a stage
        self._sight.figures.begin(watched.routes, self._sight.serial())
        if self._membership is not None:
            self._membership.outbox.forget(name)
            self._membership.leading.figures.begin(name, self._rollouts.progress(name).version)
        for watch in watched.watches:
            if is_restart:
                watch.restart(second)
            else:
                watch.begin_stage(second)
