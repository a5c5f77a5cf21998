"""The rollouts: what the file asks for, and what operators have set over it.

The table that is compiled from the file passes through here on its way to the workers: each rollout's percentage is
the operator's where there is one, bounded by what the environment allows. An operator's percentage is in the store
before it is in force; it outlives restarts, edits of the file, and even the rollout's absence from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog

from gateway.core.types import Hash, Rollout, Table
from gateway.errors import BadValue, StoreUnavailable, UnknownRollout, WrongAction
from gateway.settings.names import suggest
from gateway.store.records import Actor, NewEvent, Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gateway.store import Store

State = Literal["pending", "running", "waiting", "paused", "rolled_back", "completed"]
Source = Literal["file", "plan", "operator", "switch"]

MOST_PERCENT = 100.0
WHOLE_PERCENTAGES = frozenset({Hash.UNLEASH, Hash.MD5_MOD100})
"""Schemes with 100 places: a fraction of a percentage has no meaning in them."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RolloutState:
    """How one rollout stands."""

    name: str
    mode: Literal["off", "shadow", "live"]
    state: State
    percent: float
    """In force."""
    source: Source
    """Who or what set it."""
    file_percent: float
    routes: tuple[str, ...]
    revision: str


class Rollouts:
    """See the module.

    ``publish`` gets each table that is to be in force, ``now`` tells the time of events, and ``file`` is the name of
    what they come from.
    """

    def __init__(
        self, store: Store, publish: Callable[[Table], None], now: Callable[[], datetime], file: str = ""
    ) -> None:
        self.table: Table | None = None
        """In force, with what operators set; None before the first."""
        self._store = store
        self._publish = publish
        self._now = now
        self._file_name = file
        self._file: Table | None = None
        self._percents: dict[str, float] = {}
        self._knows_percents = False
        self._one_at_a_time = asyncio.Lock()
        self._recording: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Read what operators had set. Without a store the gateway serves by the file, and says so."""
        try:
            self._percents = await self._store.percents()
        except StoreUnavailable as error:
            effect = "operators' percentages are not known: the file's are in force"
            log.error("store_unavailable", reason=str(error), effect=effect)  # noqa: TRY400 - the reason says it all
        else:
            self._knows_percents = True

    async def retry(self) -> None:
        """Read what operators had set, if that could not be read before, and put it in force."""
        if self._knows_percents:
            return
        async with self._one_at_a_time:
            with contextlib.suppress(StoreUnavailable):
                self._percents = await self._store.percents() | self._percents
                self._knows_percents = True
                log.info("store_available", percents=self._percents)
                if self._file is not None:
                    self._put_in_force(self._file, self._percents)

    async def close(self) -> None:
        """Wait for the events that are being recorded."""
        await asyncio.gather(*self._recording)

    def publish(self, table: Table) -> None:
        """Put a table that was compiled from the file in force, under what operators set. Raises what that raises."""
        self._put_in_force(table, self._percents)
        task = asyncio.get_running_loop().create_task(self._record_file(table))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    def states(self) -> list[RolloutState]:
        """How each rollout stands, in the file's order."""
        return [self._describe(rollout) for rollout in self._file.rollouts] if self._file is not None else []

    def state(self, name: str) -> RolloutState:
        """How one rollout stands. Raises `UnknownRollout`."""
        return self._describe(self._find(name))

    async def set_percent(self, name: str, percent: float, reason: str, actor: Actor) -> RolloutState:
        """Give a rollout an operator's percentage.

        Raises `UnknownRollout`, `BadValue` for what is no percentage of it, and `StoreUnavailable`: then nothing has
        changed.
        """
        async with self._one_at_a_time:
            check_percent(self._find(name), percent)
            await self._change(name, float(percent), reason, actor)
            return self.state(name)

    async def unset_percent(self, name: str, reason: str, actor: Actor) -> RolloutState:
        """Give a rollout back to the file.

        Raises `UnknownRollout`, `WrongAction` when no operator has set anything, and `StoreUnavailable`.
        """
        async with self._one_at_a_time:
            self._find(name)
            if name not in self._percents:
                raise WrongAction(f"`{name}` has no operator's percentage: the file's is in force already")
            await self._change(name, None, reason, actor)
            return self.state(name)

    async def _change(self, name: str, percent: float | None, reason: str, actor: Actor) -> None:
        """Record first, act then: after a crash in between, the next start puts in force what is in the store."""
        percents = {other: value for other, value in self._percents.items() if other != name}
        if percent is not None:
            percents[name] = percent
        rollout = self._find(name)
        before, after = self._standing(rollout, self._percents), self._standing(rollout, percents)
        event = self._event("percent" if percent is not None else "unset", actor, reason)
        inputs: dict[str, object] = {"percent": percent, "file_percent": rollout.percent}
        await self._store.set_percent(
            name,
            percent,
            msgspec.structs.replace(event, rollout=name, before=before, after=after, inputs=inputs),
        )
        self._percents = percents
        if self._file is not None:
            self._put_in_force(self._file, percents)

    def _put_in_force(self, table: Table, percents: dict[str, float]) -> None:
        laid_over = overlay(table, percents)
        self._publish(laid_over)
        self._file, self.table = table, laid_over

    async def _record_file(self, table: Table) -> None:
        """Tell the audit log, unless it is what the log was told last: a new controller reads the same file again."""
        event = self._event("config", Actor("file", self._file_name), "the file's content was put in force")
        inputs: dict[str, object] = {"routes": len(table.routes), "rollouts": len(table.rollouts)}
        try:
            newest = await self._store.newest(event.kind)
            if newest is None or newest.revision != table.revision:
                await self._store.record(msgspec.structs.replace(event, revision=table.revision, inputs=inputs))
        except StoreUnavailable as error:
            log.warning("event_lost", kind=event.kind, reason=str(error))

    def _event(self, kind: str, actor: Actor, reason: str) -> NewEvent:
        return NewEvent(
            time=self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            rollout=None,
            kind=kind,
            actor=actor,
            before=None,
            after=None,
            reason=reason,
            inputs={},
            revision=self._file.revision if self._file is not None else "",
        )

    def _find(self, name: str) -> Rollout:
        rollouts = {rollout.name: rollout for rollout in self._file.rollouts} if self._file is not None else {}
        if name not in rollouts:
            raise UnknownRollout(f"there is no rollout `{name}`{suggest(name, rollouts)}")
        return rollouts[name]

    def _standing(self, rollout: Rollout, percents: dict[str, float]) -> Standing:
        return Standing("running", percent_in_force(rollout, percents))

    def _describe(self, rollout: Rollout) -> RolloutState:
        assert self._file is not None  # noqa: S101 - it is where the rollout comes from
        return RolloutState(
            name=rollout.name,
            mode=rollout.mode.value,
            state="running",
            percent=percent_in_force(rollout, self._percents),
            source=source_of(rollout, self._percents),
            file_percent=rollout.percent,
            routes=tuple(route.name for route in self._file.routes if route.rollout == rollout.name),
            revision=self._file.revision,
        )


def overlay(table: Table, percents: dict[str, float]) -> Table:
    """The table with operators' percentages in place of the file's, as far as the environment allows them."""
    rollouts = tuple(
        msgspec.structs.replace(rollout, percent=min(percents[rollout.name], rollout.cap))
        if rollout.name in percents
        else rollout
        for rollout in table.rollouts
    )
    return msgspec.structs.replace(table, rollouts=rollouts)


def percent_in_force(rollout: Rollout, percents: dict[str, float]) -> float:
    """The share of a rollout of the file's table."""
    return 0.0 if rollout.killed else min(percents.get(rollout.name, rollout.percent), rollout.cap)


def source_of(rollout: Rollout, percents: dict[str, float]) -> Source:
    """Who or what set the share that is in force."""
    wanted = percents.get(rollout.name)
    bounded = wanted > rollout.cap if wanted is not None else rollout.percent == rollout.cap < MOST_PERCENT
    if rollout.killed or bounded:
        return "switch"
    return "file" if wanted is None else "operator"


def check_percent(rollout: Rollout, percent: float) -> None:
    """Raises `BadValue` for what is not from 0 to 100, or a fraction where the hash knows none."""
    if not 0 <= percent <= MOST_PERCENT:
        raise BadValue("percent", f"{percent:g} is not a percentage; it must be from 0 to 100")
    if rollout.hash in WHOLE_PERCENTAGES and percent % 1:
        raise BadValue("percent", f"`hash: {rollout.hash}` takes whole percentages only, not {percent:g}")
