"""The rollouts as they stand: what the file asks for, and how far each one is.

The table that is compiled from the file passes through here on its way to the workers: each rollout gets the share and
the cohorts that its progress gives it (`gateway.core.lifecycle`). Progress is in the store before it is in force; it
outlives restarts, edits of the file, and even the rollout's absence from it.

What keeps users from harm does not wait for a disk: a rollback, and whatever a guard does, is in force at once and
stored as soon as that is possible. It overtakes whatever else of the rollout waits for the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.control.deposits import Deposit, Deposits
from gateway.control.standing import RolloutState, foresee, group_routes, list_standing
from gateway.control.telling import edit_of, tell_file, tell_transition
from gateway.core import lifecycle
from gateway.core.lifecycle import Action, Progress, Transition
from gateway.core.types import Rollout, Route, Table
from gateway.errors import StoreConflict, StoreUnavailable, UnknownRollout
from gateway.settings.names import suggest
from gateway.store.records import Actor, Event, Incident, NewEvent

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.store import Store

Follower = Callable[[str, Transition], None]
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
        self.followers: list[Follower] = []
        """Hear of every transition the moment that it is in force."""
        self.listeners: list[Listener] = []
        """Hear of every event, once it is stored or the store has had its time."""
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
        self._turns: defaultdict[tuple[str, bool], asyncio.Lock] = defaultdict(asyncio.Lock)
        """By rollout, and whether it is for what is urgent."""
        self._reading = asyncio.Lock()
        self._moves: Counter[str] = Counter()
        """How often each rollout was moved; time that passes moves nothing."""
        self._waiting: Counter[str] = Counter()
        """How many transitions of each rollout wait for the store and are not in force yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._deposits = Deposits(store, self._renumber)
        self._passed: dict[str, Progress] = {}
        self._kept_at = 0.0
        self._is_keeping = False

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
        with contextlib.suppress(StoreUnavailable):
            await self._know()
            await self._deposits.pay()

    async def _know(self) -> None:
        """Read how far rollouts are, if that could not be done before: nobody writes over what was never read."""
        async with self._reading:
            if self._is_known:
                return
            await self._read()
            log.info("store_available", rollouts=len(self._progresses))
            if self._file is not None:
                self._adopt(self._file)
                self._put_in_force(self._file)

    async def _read(self) -> None:
        now = self._now().timestamp()
        stored = await self._store.progresses()
        for name, progress in stored.items():
            if not self._is_ahead(name, progress):
                self._progresses[name] = lifecycle.catch_up(progress, now)
        self._rollouts = {}  # each is adopted anew: nobody knows what the file said when this was stored
        self._is_known = True

    def _is_ahead(self, name: str, stored: Progress) -> bool:
        """Whether what is in force is newer: a rollback, say, of which the store is still to hear."""
        is_newer = self._moves[name] > 0 and self._progresses[name].version >= stored.version
        return is_newer or name in self._deposits.owed

    def _renumber(self, name: str, version: int) -> None:
        self._progresses[name] = msgspec.structs.replace(self._progresses[name], version=version)

    async def close(self) -> None:
        """Wait for what is being recorded, and write what passed and what is owed."""
        await asyncio.gather(*self._tasks)
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
        for name, edit in edits:
            self._moves[name] += 1
            self._follow(name, edit)
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
            former = self._rollouts.get(rollout.name, rollout)
            if list_standing(former, before) != list_standing(rollout, after):
                after = msgspec.structs.replace(after, version=before.version + 1)
                edits.append((rollout.name, edit_of(before, after, self._file_name)))
            self._progresses[rollout.name] = after
        self._rollouts = {rollout.name: rollout for rollout in table.rollouts}
        self._shared = group_routes(table)
        return edits

    def _put_in_force(self, table: Table) -> None:
        rollouts = tuple(lifecycle.effect(rollout, self._progresses[rollout.name]) for rollout in table.rollouts)
        laid_over = msgspec.structs.replace(table, rollouts=rollouts)
        self._publish(laid_over)
        self._file, self.table = table, laid_over

    async def _record_file(self, table: Table, edits: list[tuple[str, Transition, NewEvent]]) -> None:
        """Tell the audit log, unless it is what the log was told last: a new controller reads the same file again."""
        event = tell_file(table, self._file_name, self._now())
        try:
            newest = await self._store.newest(event.kind)
            if newest is None or newest.revision != table.revision:
                self._announce(await self._store.record(event), None)
        except StoreUnavailable as error:
            log.warning("event_lost", kind=event.kind, reason=str(error))
        for name, edit, told in edits:
            async with self._turns[name, False]:
                stored = await self._deposits.put_soon(Deposit(name, self._progresses[name], told))
            self._announce(stored, edit)

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
        version: int | None = None,
    ) -> RolloutState:
        """Do what an operator wants, with ``version`` only while the rollout is at it, unless it is a rollback.

        Raises `UnknownRollout`, `BadValue` for what is no percentage of it, `WrongAction` where it does not fit how the
        rollout stands, `StoreUnavailable` and `StoreConflict`: then nothing has changed.
        """
        async with self._turns[name, action is Action.ROLLBACK]:
            self._find(name)
            if action is not Action.ROLLBACK:
                await self._know()
            state, now = self.state(name), self._now().timestamp()
            kind, after = foresee(
                state, action, now, percent=percent, force=force, to=to, version=version, unmet=self.unmet
            )
            transition = Transition(
                kind=kind,
                before=state.progress,
                after=after,
                actor="operator",
                name=actor.name,
                reason=reason,
                inputs={"percent": percent} if percent is not None else {"force": True} if force else {},
            )
            await self._carry_out(name, transition)
            return self.state(name)

    async def commit(self, name: str, transition: Transition) -> Event | None:
        """Do what a rule or a plan leads to; None, and nothing, when somebody has acted meanwhile.

        Raises `StoreUnavailable` and `StoreConflict` where it may wait for the store: then nothing has changed.
        """
        async with self._turns[name, is_urgent(transition)]:
            if not is_urgent(transition):
                await self._know()
            if self._progresses.get(name) != transition.before or name not in self._rollouts:
                return None
            return await self._carry_out(name, transition)

    async def tell(self, name: str, transition: Transition) -> None:
        """Tell people of something though nothing changes. Raises `StoreUnavailable`."""
        self._announce(await self._store.record(self._tell(name, transition)), transition)

    def pass_time(self, changed: Mapping[str, Progress]) -> None:
        """Note the progress of rollouts for which only time has passed; it is written every few seconds."""
        self._progresses.update(changed)
        self._passed.update(changed)
        loop_time = asyncio.get_running_loop().time()
        if self._passed and loop_time - self._kept_at >= KEEP_SECONDS:
            self._kept_at = loop_time
            self._spawn(self._keep())

    async def _keep(self) -> None:
        """Write what passed, but of no rollout whose transition is on its way: what was before must not come after."""
        if not self._is_known or self._is_keeping:
            return
        passed = [name for name in self._passed if not self._waiting[name]]
        self._passed = {name: progress for name, progress in self._passed.items() if self._waiting[name]}
        self._is_keeping = True
        try:
            await self._deposits.keep({name: self._progresses[name] for name in passed})
        finally:
            self._is_keeping = False

    async def _carry_out(self, name: str, transition: Transition) -> Event | None:
        """Store it, put it in force, announce it; what is urgent is in force first.

        So a crash leaves one side of it or the other. None when it was overtaken while it waited for the store.
        """
        if is_urgent(transition):
            transition = self._overtake(name, transition)
            self._move(name, transition)
            stored = await self._deposits.put_soon(await self._compose(name, transition))
        else:
            moves, deposit = self._moves[name], await self._compose(name, transition)
            self._waiting[name] += 1
            try:
                stored = await self._deposits.put(deposit)
            except StoreConflict:
                if self._moves[name] != moves:
                    return None
                self._is_known = False  # before the next move it is read anew
                raise
            finally:
                self._waiting[name] -= 1
            if self._moves[name] != moves:
                return None
            self._move(name, transition)
        self._announce(stored, transition)
        return stored

    def _overtake(self, name: str, transition: Transition) -> Transition:
        """As the store is to have it: newer than what waits for it."""
        version = transition.after.version + self._waiting[name]
        return msgspec.structs.replace(transition, after=msgspec.structs.replace(transition.after, version=version))

    async def _compose(self, name: str, transition: Transition) -> Deposit:
        """What the store gets: of a rollback the incident, too, which its event names."""
        event = self._tell(name, transition)
        incident = await self._record_incident(name, transition) if transition.kind == "rollback" else None
        if incident is not None:
            event = msgspec.structs.replace(event, inputs=event.inputs | {"incident": incident.id})
        return Deposit(name, transition.after, event, incident)

    def _move(self, name: str, transition: Transition) -> None:
        """Put it in force."""
        self._progresses[name] = transition.after
        self._passed.pop(name, None)
        self._moves[name] += 1
        if self._file is not None:
            self._put_in_force(self._file)
        self._follow(name, transition)

    async def _record_incident(self, name: str, transition: Transition) -> Incident | None:
        try:
            return await self.record(self._rollouts[name], self.routes(name), transition)
        except Exception:
            log.exception("incident_lost", rollout=name)  # whatever it is, the rollback comes first
            return None

    def _follow(self, name: str, transition: Transition) -> None:
        for follower in self.followers:
            follower(name, transition)

    def _announce(self, event: Event, transition: Transition | None) -> None:
        for listener in self.listeners:
            try:
                listener(event, transition)
            except Exception:
                log.exception("listener_failed", kind=event.kind)  # the others hear of it all the same

    def _tell(self, name: str, transition: Transition) -> NewEvent:
        revision = self._file.revision if self._file is not None else ""
        return tell_transition(self._rollouts[name], transition, self._now(), revision)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def is_urgent(transition: Transition) -> bool:
    """Whether it keeps users from harm, and so waits for nobody."""
    return transition.kind == "rollback" or (transition.actor == "rule" and transition.kind != "notify")


async def _record_nothing(_rollout: Rollout, _routes: Sequence[Route], _transition: Transition) -> None:
    """Until somebody records incidents."""
