"""What is to be stored of rollouts, and what is owed to a store that is late.

An ordinary transition waits until it is stored, and is refused when somebody else has moved the rollout meanwhile. What
keeps users from harm is in force already when it comes here, and the store has a moment for it: after that it is owed,
and written, in order, before anything else is. By then somebody else may have moved the rollout. A rollback is written
over that, unless it was one, too, or is there already, as only the answer was lost; anything else gives way.

Whatever the store has not confirmed is remembered meanwhile, for a controller after this one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from gateway.control.telling import tell_overtaken
from gateway.core.lifecycle import Progress, State
from gateway.errors import Fenced, StoreConflict, StoreUnavailable
from gateway.store.records import Event, Incident, NewEvent

if TYPE_CHECKING:
    from gateway.store import Store

PATIENCE_SECONDS: Final = 0.5
"""How long the news of what keeps users from harm wait for the number that the store gives them."""

log = structlog.get_logger()


class Deposit(NamedTuple):
    """One transition as the store gets it."""

    rollout: str
    progress: Progress
    event: NewEvent
    incident: Incident | None = None
    fence: int | None = None
    """Under which lease it was decided; None where it needs none, or needs none any more."""
    is_recalled: bool = False
    """Of a controller before this one, which may have had it stored after all."""


class Deposits:
    """See the module.

    ``rebase`` makes of a deposit one that follows on what is stored meanwhile.
    """

    def __init__(self, store: Store, rebase: Callable[[Deposit, Progress], Deposit]) -> None:
        self.refused: set[str] = set()
        """Rollouts that are in force as the store will not have them. What is built on that is refused, too."""
        self.remember: Callable[[Sequence[Deposit]], None] = lambda _unconfirmed: None
        """Gets all that is in force and may not be in the store, in order, whenever that has changed."""
        self._store = store
        self._rebase = rebase
        self._sent: dict[str, Progress] = {}
        """What the store was given last of each rollout, whether or not an answer came."""
        self._owed: list[Deposit] = []
        self._in_hand: list[Deposit] = []
        """What is in force and being written, or waits for its turn."""
        self._soon: Counter[str] = Counter()
        """How much of each rollout is in force and being written."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def owed(self) -> frozenset[str]:
        """The rollouts of which the store knows less than what is in force."""
        return frozenset(each.rollout for each in self._owed) | frozenset(+self._soon)

    @contextlib.contextmanager
    def announced(self, *rollouts: str) -> Iterator[None]:
        """While it is made up what the store is to hear of rollouts whose moves are in force already."""
        self._soon.update(rollouts)
        try:
            yield
        finally:
            self._soon.subtract(rollouts)

    def recall(self, unconfirmed: Sequence[Deposit]) -> None:
        """Owe what a controller before this one was not sure to have stored. It was in force, so decided in time."""
        self._owed = [each._replace(fence=None, is_recalled=True) for each in unconfirmed]

    @contextlib.contextmanager
    def remembered(self, deposit: Deposit) -> Iterator[None]:
        """While it is made and written: this process may be killed meanwhile.

        It takes the place of another one of the same move, which had no incident yet.
        """
        self._in_hand = [each for each in self._in_hand if _name_move(each) != _name_move(deposit)] + [deposit]
        self._remember()
        try:
            yield
        finally:
            self._in_hand = [each for each in self._in_hand if each is not deposit]
            self._remember()

    def _remember(self) -> None:
        self.remember([*self._owed, *self._in_hand])

    async def put(self, deposit: Deposit) -> Event:
        """Store it after all that is owed. Raises `StoreUnavailable`, `StoreConflict` and `Fenced`."""
        async with self._one_at_a_time:
            await self._settle()
            if deposit.rollout in self.refused:
                stored = (await self._store.progresses()).get(deposit.rollout)
                raise StoreConflict(deposit.rollout, stored.version if stored is not None else 0)
            return await self._commit(deposit)

    async def put_soon(self, deposit: Deposit) -> Event | None:
        """Give the store a moment. What it can't take in by then is owed to it, and its event has no number yet.

        None for what it will not have.
        """
        writing = asyncio.ensure_future(self._put_or_owe(deposit))
        done, _ = await asyncio.wait({writing}, timeout=PATIENCE_SECONDS)
        if done and not isinstance(stored := writing.result(), StoreUnavailable):
            return stored
        log.error("store_late", rollout=deposit.rollout, kind=deposit.event.kind, effect="in force, but not stored yet")
        return Event(id=0, **{name: getattr(deposit.event, name) for name in deposit.event.__struct_fields__})

    async def _put_or_owe(self, deposit: Deposit) -> Event | StoreUnavailable | None:
        """The event, None for what was refused, or why it is owed."""
        with self.announced(deposit.rollout), self.remembered(deposit):
            async with self._one_at_a_time:
                try:
                    await self._settle()
                    return await self._insist(deposit)
                except StoreUnavailable as error:
                    # Before anybody else's turn, so that what is owed stays in order; and whoever leads by the time
                    # that the store is back, this was decided in time.
                    self._owed.append(deposit._replace(fence=None))
                    return error

    async def _insist(self, deposit: Deposit) -> Event | None:
        """Store what is in force, as far as it may be written over what is there; None for what was refused."""
        rollout = deposit.rollout
        while rollout not in self.refused or await self._may_follow_refused(deposit):
            try:
                event = await self._commit(deposit)
            except Fenced as error:
                log.warning("move_refused", **_name(deposit), reason=str(error))
                break
            except StoreConflict as conflict:
                stored = (await self._store.progresses()).get(rollout)
                if stored is not None and not self._may_follow(deposit, stored):
                    log.warning("move_overtaken", **_name(deposit), version=conflict.newest)
                    break
                if stored is not None:  # else it has been forgotten meanwhile
                    log.warning("store_outran", **_name(deposit), version=stored.version, effect="written over")
                    deposit = self._rebase(deposit, stored)
            else:
                self.refused.discard(rollout)
                return event
        self.refused.add(rollout)
        return None

    async def _may_follow_refused(self, deposit: Deposit) -> bool:
        """Whether it may be stored though what it is built on was not: its version alone would let it in anywhere."""
        if not _is_rollback(deposit.progress):
            return False
        stored = (await self._store.progresses()).get(deposit.rollout)
        if stored is None or self._may_follow(deposit, stored):
            return True
        log.warning("move_overtaken", **_name(deposit), version=stored.version)
        return False

    def _may_follow(self, deposit: Deposit, stored: Progress) -> bool:
        """Whether it may be written over what is stored: over one's own, and a rollback over all but a rollback.

        One that is recalled not where the store has heard of it, or of as many: somebody may have ended it since.
        """
        if _is_rollback(deposit.progress):
            is_heard = deposit.is_recalled and stored.rollbacks >= deposit.progress.rollbacks
            return not _is_rollback(stored) and not is_heard
        return stored == self._sent.get(deposit.rollout) and not _is_rollback(stored)

    async def _commit(self, deposit: Deposit) -> Event:
        rollout, progress, event, incident, *_ = deposit
        try:
            stored = await self._store.commit(rollout, progress, event, incident, fence=deposit.fence)
        except StoreUnavailable:
            self._sent[rollout] = progress  # it may be there all the same
            raise
        self._sent[rollout] = progress
        return stored

    async def pay(self) -> None:
        """Store what is owed, in order, unless somebody is at it. Raises `StoreUnavailable`."""
        if self._owed and not self._one_at_a_time.locked():
            async with self._one_at_a_time:
                await self._settle()

    async def _settle(self) -> None:
        while self._owed:
            late = self._owed[0]
            if not await self._is_stored(late) and await self._insist(late) is None and _is_rule_rollback(late):
                await self._store.record(tell_overtaken(late.event))  # what users met here is not lost
            del self._owed[0]
            self._remember()

    async def _is_stored(self, deposit: Deposit) -> bool:
        """Whether an attempt that seemed to fail has written it. Then its incident is there, whatever came after.

        Somebody may have ended the rollback since: it is not done once more.
        """
        return deposit.incident is not None and await self._store.incident(deposit.incident.id) is not None

    async def restore(self, forgotten: Mapping[str, Progress], told: Mapping[str, NewEvent]) -> list[Event]:
        """Write again what the store has forgotten; the events of what was. Whoever was quicker has told the others.

        Raises `StoreUnavailable`.
        """
        if not forgotten:
            return []
        log.warning("store_went_back", rollouts=sorted(forgotten), effect="written again as it is known here")
        events = []
        for name in sorted(await self._store.keep(forgotten)):
            with losing(told[name]):
                events.append(await self._store.record(told[name]))
        return events

    async def keep(self, progresses: Mapping[str, Progress], fence: int | None = None) -> None:
        """Write how far rollouts are for which only time has passed: losing that now and then costs little."""
        try:
            await self._store.keep(progresses, fence=fence)
        except (StoreUnavailable, Fenced) as error:
            log.debug("progress_not_kept", reason=str(error))


@contextlib.contextmanager
def losing(event: NewEvent) -> Iterator[None]:
    """Say so where the store can't take an event that nobody can tell it later."""
    try:
        yield
    except StoreUnavailable as error:
        log.warning("event_lost", kind=event.kind, reason=str(error))


def _is_rollback(progress: Progress) -> bool:
    return progress.state is State.ROLLED_BACK


def _is_rule_rollback(deposit: Deposit) -> bool:
    return _is_rollback(deposit.progress) and deposit.event.actor.type == "rule"


def _name_move(deposit: Deposit) -> tuple[str, int]:
    return deposit.rollout, deposit.progress.version


def _name(deposit: Deposit) -> dict[str, str]:
    return {"rollout": deposit.rollout, "kind": deposit.event.kind}
