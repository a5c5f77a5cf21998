"""The rollouts as they stand: what the file asks for, and how far each one is.

The table that is compiled from the file passes through here on its way to the workers: each rollout gets the share and
the cohorts that its progress gives it (`gateway.core.lifecycle`). Progress is in the store before it is in force; it
outlives restarts, edits of the file, and even the rollout's absence from it.

What keeps users from harm does not wait for a disk: a rollback, and whatever a guard does, is in force half a second
later at the latest, and is stored as soon as that is possible.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.control.deposits import Deposit, Deposits
from gateway.control.readings import list_values
from gateway.control.standing import RolloutState, check_percent
from gateway.core import lifecycle
from gateway.core.lifecycle import Action, Progress, State, Transition
from gateway.core.types import Rollout, Route, Table
from gateway.errors import StoreUnavailable, UnknownRollout, WrongAction
from gateway.settings.names import suggest
from gateway.store.records import Actor, Event, Incident, NewEvent, Standing

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.store import Store

Listener = Callable[[Event, Transition | None], None]
Record = Callable[[Rollout, Sequence[Route], Transition], Awaitable[Incident | None]]

KEEP_SECONDS: Final = 5.0
"""How often passed time is written: a crash costs a hold so much at the most."""

log = structlog.get_logger()


class Rollouts:
    """See the module.

    ``publish`` gets each table that is to be in force, ``now`` tells the time of events, and ``file`` is the name of
    what they come from.
    """

    def __init__(
        self, store: Store, publish: Callable[[Table], None], now: Callable[[], datetime], file: str = ""
    ) -> None:
        self.table: Table | None = None
        """In force, as the workers have it; None before the first."""
        self.listeners: list[Listener] = []
        """Hear of every transition that is in force."""
        self.record: Record = _record_nothing
        """Makes the incident of a rollback."""
        self.unmet: Callable[[str], Sequence[str]] = lambda _name: ()
        """Which gates of a rollout are not ok now."""
        self._store = store
        self._publish = publish
        self._now = now
        self._file_name = file
        self._file: Table | None = None
        self._rollouts: dict[str, Rollout] = {}
        self._shared: dict[str, tuple[Route, ...]] = {}
        """The routes of each rollout."""
        self._progresses: dict[str, Progress] = {}
        self._is_known = False
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deposits = Deposits(store)
        self._passed: dict[str, Progress] = {}
        self._kept_at = 0.0

    # The store.

    async def begin(self) -> None:
        """Read how far every rollout is. Without a store the gateway serves by the file, and says so."""
        try:
            await self._read()
        except StoreUnavailable as error:
            effect = "how far rollouts were is not known: they stand as the file has them"
            log.error("store_unavailable", reason=str(error), effect=effect)  # noqa: TRY400 - the reason says it all

    async def retry(self) -> None:
        """Read what could not be read before and put it in force; write what could not be written."""
        async with self._one_at_a_time:
            with contextlib.suppress(StoreUnavailable):
                if not self._is_known:
                    await self._read()
                    log.info("store_available", rollouts=len(self._progresses))
                    if self._file is not None:
                        self._adopt(self._file)
                        self._put_in_force(self._file)
                await self._deposits.pay()

    async def _read(self) -> None:
        now = self._now().timestamp()
        stored = await self._store.progresses()
        for name, progress in stored.items():
            if name not in self._deposits.owed:
                self._progresses[name] = lifecycle.catch_up(progress, now)
        self._rollouts = {}  # each is adopted anew: nobody knows what the file said when this was stored
        self._is_known = True

    async def close(self) -> None:
        """Wait for what is being recorded, and write what passed and what is owed."""
        await asyncio.gather(*self._tasks)
        async with self._one_at_a_time:
            with contextlib.suppress(StoreUnavailable):
                await self._deposits.pay()
        await self._keep()

    # What the file says.

    def publish(self, table: Table) -> None:
        """Put a table that was compiled from the file in force, as far as its rollouts are. Raises what that raises."""
        former = self._rollouts, self._progresses, self._shared
        edits = self._adopt(table)
        try:
            self._put_in_force(table)
        except BaseException:
            self._rollouts, self._progresses, self._shared = former
            raise
        told = [(name, edit, self._tell(name, edit)) for name, edit in edits]
        self._spawn(self._record_file(table, told))

    def _adopt(self, table: Table) -> list[tuple[str, Transition]]:
        """Find each rollout's place in what the file says now; what moved by that."""
        now = self._now().timestamp()
        self._progresses = dict(self._progresses)
        edits = []
        for rollout in table.rollouts:
            before = self._progresses.get(rollout.name)
            if before is None:
                self._progresses[rollout.name] = lifecycle.begin(rollout, now)
                continue
            after = lifecycle.adopt(self._rollouts.get(rollout.name), rollout, before, now)
            self._progresses[rollout.name] = after
            if _stands(before) != _stands(after):
                edits.append((rollout.name, _edit(before, after)))
        self._rollouts = {rollout.name: rollout for rollout in table.rollouts}
        self._shared = _share(table)
        return edits

    def _put_in_force(self, table: Table) -> None:
        rollouts = tuple(lifecycle.effect(rollout, self._progresses[rollout.name]) for rollout in table.rollouts)
        laid_over = msgspec.structs.replace(table, rollouts=rollouts)
        self._publish(laid_over)
        self._file, self.table = table, laid_over

    async def _record_file(self, table: Table, edits: list[tuple[str, Transition, NewEvent]]) -> None:
        """Tell the audit log, unless it is what the log was told last: a new controller reads the same file again."""
        event = self._event("config", Actor("file", self._file_name), "the file's content was put in force")
        inputs: dict[str, object] = {"routes": len(table.routes), "rollouts": len(table.rollouts)}
        try:
            newest = await self._store.newest(event.kind)
            if newest is None or newest.revision != table.revision:
                stored = await self._store.record(
                    msgspec.structs.replace(event, revision=table.revision, inputs=inputs)
                )
                self._announce(stored, None)
            for name, edit, told in edits:
                # Who acted meanwhile must not be overwritten: stored is what is in force now.
                async with self._one_at_a_time:
                    stored = await self._deposits.put(Deposit(name, self._progresses[name], told))
                self._announce(stored, edit)
        except StoreUnavailable as error:
            log.warning("event_lost", kind=event.kind, reason=str(error))

    # How they stand.

    def states(self) -> list[RolloutState]:
        """How each rollout stands, in the file's order."""
        return [self._describe(rollout) for rollout in self._rollouts.values()] if self._file is not None else []

    def state(self, name: str) -> RolloutState:
        """How one rollout stands. Raises `UnknownRollout`."""
        return self._describe(self._find(name))

    def plans(self) -> Mapping[str, Rollout]:
        """Each rollout as the file has it."""
        return self._rollouts if self._file is not None else {}

    def progress(self, name: str) -> Progress:
        """How far a rollout of the file is."""
        return self._progresses[name]

    def routes(self, name: str) -> tuple[Route, ...]:
        """The routes that share a rollout."""
        return self._shared.get(name, ())

    def _find(self, name: str) -> Rollout:
        if self._file is None or name not in self._rollouts:
            raise UnknownRollout(f"there is no rollout `{name}`{suggest(name, self._rollouts)}")
        return self._rollouts[name]

    def _describe(self, rollout: Rollout) -> RolloutState:
        routes = tuple(route.name for route in self.routes(rollout.name))
        revision = self._file.revision if self._file is not None else ""
        return RolloutState(rollout, self._progresses[rollout.name], routes, revision)

    # What moves them.

    async def act(  # noqa: PLR0913 - the parts of one wish
        self,
        name: str,
        action: Action,
        *,
        reason: str,
        actor: Actor,
        percent: float | None = None,
        force: bool = False,
        to: str | None = None,
    ) -> RolloutState:
        """Do what an operator wants.

        Raises `UnknownRollout`, `BadValue` for what is no percentage of it, `WrongAction` where it does not fit how the
        rollout stands, and `StoreUnavailable`: then nothing has changed.
        """
        async with self._one_at_a_time:
            rollout, before = self._find(name), self._progresses.get(name)
            assert before is not None  # noqa: S101 - every rollout of the file has one
            if percent is not None:
                check_percent(rollout, percent)
            if action is Action.PROMOTE and not force and before.state is State.WAITING:
                self._check_gates(name)
            now = self._now().timestamp()
            kind, after = lifecycle.act(rollout, before, action, now, percent=percent, force=force, to=to)
            transition = Transition(
                kind=kind,
                before=before,
                after=after,
                actor="operator",
                name=actor.name,
                reason=reason,
                inputs={"percent": percent} if percent is not None else {"force": True} if force else {},
            )
            await self._carry_out(name, transition)
            return self.state(name)

    def _check_gates(self, name: str) -> None:
        """Gates that were ok when the waiting began may not be so any more."""
        unmet = self.unmet(name)
        if unmet:
            raise WrongAction(
                f"`{name}` waits for more than an approval: {', '.join(unmet)}; promote with force skips it"
            )

    async def commit(self, name: str, transition: Transition) -> Event | None:
        """Do what a rule or a plan leads to; None, and nothing, when somebody has acted meanwhile.

        Raises `StoreUnavailable` where it may wait for the store: then nothing has changed.
        """
        async with self._one_at_a_time:
            if self._progresses.get(name) != transition.before or name not in self._rollouts:
                return None
            return await self._carry_out(name, transition)

    def pass_time(self, changed: Mapping[str, Progress]) -> None:
        """Note the progress of rollouts for which only time has passed; it is written every few seconds."""
        self._progresses.update(changed)
        self._passed.update(changed)
        loop_time = asyncio.get_running_loop().time()
        if self._passed and loop_time - self._kept_at >= KEEP_SECONDS:
            self._kept_at = loop_time
            self._spawn(self._keep())

    async def _keep(self) -> None:
        """Write what passed, unless a transition is on its way: what was before it must not get there behind it."""
        if not self._one_at_a_time.locked():
            passed, self._passed = self._passed, {}
            await self._deposits.keep({name: self._progresses[name] for name in passed})

    async def _carry_out(self, name: str, transition: Transition) -> Event:
        """Store it, put it in force, announce it: in this order, so a crash leaves one side of it or the other."""
        rollout, event = self._rollouts[name], self._tell(name, transition)
        incident = await self._record_incident(name, transition) if transition.kind == "rollback" else None
        if incident is not None:
            event = msgspec.structs.replace(event, inputs=event.inputs | {"incident": incident.id})
        deposit = Deposit(name, transition.after, event, incident)
        is_urgent = transition.kind == "rollback" or (transition.actor == "rule" and transition.kind != "notify")
        stored = await (self._deposits.put_soon(deposit) if is_urgent else self._deposits.put(deposit))
        after = transition.after
        if (edited := self._rollouts.get(name)) is not None and edited is not rollout:
            after = lifecycle.adopt(rollout, edited, after, self._now().timestamp())
        self._progresses[name] = after
        self._passed.pop(name, None)
        if self._file is not None:
            self._put_in_force(self._file)
        self._announce(stored, transition)
        return stored

    async def _record_incident(self, name: str, transition: Transition) -> Incident | None:
        try:
            return await self.record(self._rollouts[name], self.routes(name), transition)
        except Exception:
            log.exception("incident_lost", rollout=name)  # whatever it is, the rollback comes first
            return None

    def _announce(self, event: Event, transition: Transition | None) -> None:
        for listener in self.listeners:
            try:
                listener(event, transition)
            except Exception:
                log.exception("listener_failed", kind=event.kind)  # the others hear of it all the same

    def _tell(self, name: str, transition: Transition) -> NewEvent:
        rollout = self._rollouts[name]
        actor = Actor(transition.actor, transition.name)
        return msgspec.structs.replace(
            self._event(transition.kind, actor, transition.reason),
            rollout=name,
            before=_standing(rollout, transition.before),
            after=_standing(rollout, transition.after),
            inputs=_inputs(transition),
        )

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

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _record_nothing(_rollout: Rollout, _routes: Sequence[Route], _transition: Transition) -> None:
    """Until somebody records incidents."""


def _share(table: Table) -> dict[str, tuple[Route, ...]]:
    shared: dict[str, list[Route]] = {}
    for route in table.routes:
        if route.rollout is not None:
            shared.setdefault(route.rollout, []).append(route)
    return {name: tuple(routes) for name, routes in shared.items()}


def _inputs(transition: Transition) -> dict[str, object]:
    """What a transition rests on: what was asked, and what the rule saw."""
    inputs = dict(transition.inputs)
    if transition.judgement is not None:
        said = {"rule": transition.judgement.rule, **list_values(transition.judgement)}
        inputs |= {key: value for key, value in said.items() if value is not None}
    return inputs


def _stands(progress: Progress) -> tuple[State, int, float, tuple[str, ...]]:
    return progress.state, progress.stage, progress.stage_percent, progress.stage_cohorts


def _edit(before: Progress, after: Progress) -> Transition:
    reason = "the file was edited"
    return Transition(kind="edit", before=before, after=after, actor="file", name="", reason=reason)


def _standing(rollout: Rollout, progress: Progress) -> Standing:
    return Standing(str(progress.state), lifecycle.share_of(rollout, progress))
