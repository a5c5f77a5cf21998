"""The rollouts: what moves them, from operators, from rules and from plans.

Progress is in the store before it is in force. What keeps users from harm does not wait for a disk: a rollback, and
whatever a guard does, is in force at once and stored as soon as that is possible. It overtakes whatever else of the
rollout waits for the store.

In a fleet, only who conducts moves rollouts by rules and by their plans; operators move them through any gateway. What
the file and other gateways do to them is in `gateway.control.stored_board`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.control.board import ALONE, Mandate
from gateway.control.deposits import Deposit
from gateway.control.standing import RolloutState, check_copies, foresee
from gateway.control.stored_board import StoredBoard
from gateway.control.telling import action_of
from gateway.core.lifecycle import Action, Transition
from gateway.errors import StoreConflict
from gateway.store.records import Actor, Event

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.types import Table
    from gateway.store import Store


class Rollouts(StoredBoard):
    """See the module; what it is made of is in `StoredBoard`."""

    def __init__(
        self,
        store: Store,
        publish: Callable[[Table], None],
        now: Callable[[], datetime],
        file: str = "",
        mandate: Callable[[], Mandate] = lambda: ALONE,
    ) -> None:
        super().__init__(store, publish, now, file, mandate)
        self.unmet: Callable[[str], Sequence[str]] = lambda _name: ()
        """Which gates of a rollout are not ok now."""

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
        self._find(name)  # no turn is kept for names that are none
        async with self._turns[name, action is Action.ROLLBACK]:
            self._find(name)
            check_copies(name, to, self.routes(name))
            if action is not Action.ROLLBACK:
                await self._know()
            state, now = self.state(name), self._now().timestamp()
            kind, after = foresee(
                state, action, now, percent=percent, force=force, to=to, version=version, unmet=self.unmet
            )
            transition = action_of(kind, (state.progress, after), actor, reason, percent, force=force)
            if await self._carry_out(name, transition) is None and transition.is_urgent:
                await self.catch_up()
                raise StoreConflict(name, self._progresses[name].version)  # somebody else was quicker with the same
            return self.state(name)

    async def commit(self, name: str, transition: Transition, fence: int | None = None) -> Event | None:
        """Do what a rule or a plan leads to; None, and nothing, when somebody has acted meanwhile.

        ``fence`` is the lease under which it was judged. Raises `StoreUnavailable`, `StoreConflict` and `Fenced` where
        it may wait for the store: then nothing has changed.
        """
        async with self._turns[name, transition.is_urgent]:
            if not transition.is_urgent:
                await self._know()
            is_late = fence is not None and self._mandate().fence != fence
            if is_late or self._progresses.get(name) != transition.before or name not in self._rollouts:
                return None
            return await self._carry_out(name, transition, fence)

    async def tell(self, name: str, transition: Transition) -> None:
        """Tell people of something though nothing changes. Raises `StoreUnavailable`."""
        if name not in self._rollouts:  # an edit has removed it meanwhile
            return
        self._announce(await self._store.record(self._tell(name, transition)), transition)

    async def _carry_out(self, name: str, transition: Transition, fence: int | None = None) -> Event | None:
        """Store it, put it in force, announce it; what is urgent is in force first.

        So a crash leaves one side of it or the other. None when it was overtaken while it waited for the store, or the
        store would not have it.
        """
        if transition.is_urgent:
            transition = self._overtake(name, transition)
            begun = Deposit(name, transition.after, self._tell(name, transition), None, fence)
            with self._deposits.announced(name), self._deposits.remembered(begun):
                self._move(name, transition)
                stored = await self._deposits.put_soon(await self._compose(name, transition, fence))
        else:
            stored = await self._store_first(name, await self._compose(name, transition, fence))
            if stored is not None:
                self._move(name, transition)
        if stored is not None:
            self._announce(stored, transition)
        return stored

    async def _store_first(self, name: str, deposit: Deposit) -> Event | None:
        """Store what is not in force yet; None when something else has come in force meanwhile."""
        moves = self._moves[name]
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
        return stored if self._moves[name] == moves else None

    def _overtake(self, name: str, transition: Transition) -> Transition:
        """As the store is to have it: a rollback is newer than what waits for it; anything else gives way."""
        version = transition.after.version + (self._waiting[name] if transition.kind == "rollback" else 0)
        return msgspec.structs.replace(transition, after=msgspec.structs.replace(transition.after, version=version))

    async def _compose(self, name: str, transition: Transition, fence: int | None) -> Deposit:
        """What the store gets: of a rollback the incident, too, which its event names."""
        event = self._tell(name, transition)
        incident = await self._record_incident(name, transition) if transition.kind == "rollback" else None
        if incident is not None:
            event = msgspec.structs.replace(event, inputs=event.inputs | {"incident": incident.id})
        return Deposit(name, transition.after, event, incident, fence)

    def _move(self, name: str, transition: Transition) -> None:
        """Put it in force."""
        self._progresses[name] = transition.after
        self._unbegun.discard(name)
        self._passed.discard(name)
        self._moves[name] += 1
        if self._file is not None:
            self._put_in_force(self._file)
        self._follow(name, transition.kind)
