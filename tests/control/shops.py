"""Rollouts over a store in a file, a clock that a test sets, and what was published."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.control.cache import Cache
from gateway.control.rollouts import Rollouts
from gateway.control.standing import RolloutState
from gateway.core.lifecycle import Action, Progress, Transition, step
from gateway.core.plans import Do
from gateway.core.types import KeyKind, KeySource, Match, Rollout, Route, Table
from gateway.errors import Fenced, StoreUnavailable
from gateway.store.records import Actor, Event, Incident, NewEvent
from gateway.store.sqlite import SqliteStore
from tests.control.replicas import Memory
from tests.core.asking import rollout
from tests.core.lives import guard, said
from tests.proxy.wiring import table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADA = Actor("operator", "ada")
KEY = ((KeySource(KeyKind.CLIENT_IP),),)


def shop(percent: float = 5.0, **changes: Any) -> Rollout:
    """A rollout of the file, with a fixed percentage."""
    return rollout(percent, **{"name": "shop", "key": KEY, "salt": "shop"} | changes)


def file(*rollouts: Rollout, revision: str = "r1") -> Table:
    """What the file says."""
    routes = tuple(Route(f"to-{each.name}", Match(), "legacy", "new", each.name) for each in rollouts)
    return table(rollouts=rollouts, routes=routes, revision=revision)


class Disk(SqliteStore):
    """A store whose disk may stand still, or fail."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.turns = asyncio.Event()
        self.turns.set()
        self.fails = False
        self.fence = 0
        """Of the newest lease, as a store of several gateways has it."""

    async def commit(
        self,
        rollout: str,
        progress: Progress,
        event: NewEvent,
        incident: Incident | None = None,
        *,
        fence: int | None = None,
    ) -> Event:
        """As the store's, when the disk does."""
        await self.turns.wait()
        if self.fails:
            raise StoreUnavailable("the disk is full")
        if fence is not None and fence < self.fence:
            raise Fenced(f"lease {self.fence} was seen by the store; this one is older")
        return await super().commit(rollout, progress, event, incident, fence=fence)


class Shop:
    """A controller's rollouts, in a gateway that has this memory, or a new one."""

    def __init__(self, folder: Path, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self.store = Disk(str(folder / "state.db"))
        self.published: list[Table] = []
        self.heard: list[tuple[Event, Transition | None]] = []
        self.now = NOON
        self.rollouts = Rollouts(self.store, self.published.append, lambda: self.now, "gateway.yaml")
        self.rollouts.listeners.append(lambda event, transition: self.heard.append((event, transition)))

    async def begin(self, *rollouts: Rollout) -> Rollouts:
        """Start, and read the file."""
        await self.rollouts.begin(Cache(self.memory, None))
        self.rollouts.publish(file(*(rollouts or (shop(),))))
        return self.rollouts

    async def act(self, action: Action, name: str = "shop", **how: Any) -> RolloutState:
        """As an operator."""
        return await self.rollouts.act(name, action, **{"reason": "", "actor": ADA} | how)

    async def set_percent(self, percent: float, name: str = "shop") -> RolloutState:
        """As an operator."""
        return await self.act(Action.SET, name, percent=percent)

    def hit(self, do: Do = Do.ROLLBACK) -> Transition:
        """What a broken guard leads to."""
        rollout, progress = self.rollouts.plans()["shop"], self.rollouts.progress("shop")
        _, transition = step(rollout, progress, 0.0, self.now.timestamp(), [said(guard(do))], None)
        assert transition is not None
        return transition

    def wait(self, seconds: float) -> None:
        """The time of day goes on."""
        self.now += timedelta(seconds=seconds)

    async def close(self) -> None:
        """As a controller ends."""
        self.store.turns.set()
        await self.rollouts.close()
        await self.store.close()

    @property
    def percent(self) -> float:
        """Of the first rollout, in what was published last."""
        return self.published[-1].rollouts[0].percent
