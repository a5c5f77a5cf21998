"""What is to be stored of rollouts, and what is owed to a store that is late.

An ordinary transition waits until it is stored, and is refused when somebody else has moved the rollout meanwhile. What
keeps users from harm is in force already when it comes here, and the store has a moment for it: after that it is owed,
and written, in order, before anything else is, over whatever is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from gateway.core.lifecycle import Progress
from gateway.errors import StoreConflict, StoreUnavailable
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


class Deposits:
    """See the module.

    ``renumber`` hears the version under which the store has what is in force, where that is not its own.
    """

    def __init__(self, store: Store, renumber: Callable[[str, int], None]) -> None:
        self._store = store
        self._renumber = renumber
        self._owed: list[Deposit] = []
        self._soon: Counter[str] = Counter()
        """How much of each rollout is in force and being written."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def owed(self) -> frozenset[str]:
        """The rollouts of which the store knows less than what is in force."""
        return frozenset(each.rollout for each in self._owed) | frozenset(+self._soon)

    async def put(self, deposit: Deposit) -> Event:
        """Store it after all that is owed. Raises `StoreUnavailable` and `StoreConflict`."""
        async with self._one_at_a_time:
            await self._settle()
            return await self._store.commit(*deposit)

    async def put_soon(self, deposit: Deposit) -> Event:
        """Give the store a moment. What it can't take in by then is owed to it, and its event has no number yet."""
        writing = asyncio.ensure_future(self._put_or_owe(deposit))
        done, _ = await asyncio.wait({writing}, timeout=PATIENCE_SECONDS)
        event = writing.result() if done else None
        if event is not None:
            return event
        log.error("store_late", rollout=deposit.rollout, kind=deposit.event.kind, effect="in force, but not stored yet")
        return Event(id=0, **{name: getattr(deposit.event, name) for name in deposit.event.__struct_fields__})

    async def _put_or_owe(self, deposit: Deposit) -> Event | None:
        self._soon[deposit.rollout] += 1
        try:
            async with self._one_at_a_time:
                try:
                    await self._settle()
                    return await self._insist(deposit)
                except StoreUnavailable:
                    self._owed.append(deposit)  # before anybody else's turn, so that what is owed stays in order
                    return None
        finally:
            self._soon[deposit.rollout] -= 1

    async def _insist(self, deposit: Deposit) -> Event:
        """Store it over whatever is there: it is in force."""
        while True:
            try:
                return await self._store.commit(*deposit)
            except StoreConflict as conflict:
                log.warning("store_outran", rollout=deposit.rollout, version=conflict.newest, effect="written over")
                version = conflict.newest + 1
                deposit = deposit._replace(progress=msgspec.structs.replace(deposit.progress, version=version))
                self._renumber(deposit.rollout, version)

    async def pay(self) -> None:
        """Store what is owed, in order. Raises `StoreUnavailable`."""
        async with self._one_at_a_time:
            await self._settle()

    async def _settle(self) -> None:
        while self._owed:
            await self._insist(self._owed[0])
            del self._owed[0]

    async def keep(self, progresses: Mapping[str, Progress]) -> None:
        """Write how far rollouts are for which only time has passed: losing that now and then costs little."""
        with contextlib.suppress(StoreUnavailable):
            await self._store.keep(progresses)
