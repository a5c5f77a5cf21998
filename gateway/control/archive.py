"""What keeps the record of mismatches in the store: all of it is read at the start, and what changes is written.

Every few seconds, and never more at a time than a disk takes in passing. A store that is away for a while costs nothing
but memory: what could not be read or written is tried again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.control.mismatches import Mismatches
    from gateway.store.interface import Store

KEEP_SECONDS: Final = 5.0
"""A crash costs so much of the record at the most, where paths are not too many."""
MOST_PATHS: Final = 200
"""Written at a time; each takes some KiB."""
FORGET_SECONDS: Final = 600.0
"""How often the record is looked through for what is old."""

log = structlog.get_logger()


class Archive:
    """See the module. ``now`` gives the time of day, in seconds since the epoch; ``may_write`` says whose record it is.

    In a fleet there are two: what all have found, which the leader writes, and what this gateway has found, which
    begins with what is in the store and is never written.
    """

    def __init__(
        self,
        mismatches: Mismatches,
        store: Store,
        now: Callable[[], float],
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.mismatches = mismatches
        self._store = store
        self._now = now
        self._may_write = may_write
        self._forgotten_at = 0.0
        self._is_read = False
        self._is_well = True

    async def restore(self) -> None:
        """Read what was found before this controller."""
        await self._try(self._read)

    async def begin(self) -> None:
        """Go on with the record of somebody else, as it is in the store. Raises `StoreUnavailable`."""
        self.mismatches.begin(await self._store.mismatches())
        self._is_read = True

    async def run(self) -> None:
        """Write what changes, for ever."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            await self.keep()

    async def keep(self) -> None:
        """Write some of what has changed, and forget what is old."""
        now = self._now()
        if now - self._forgotten_at >= FORGET_SECONDS:
            self._forgotten_at = now
            self.mismatches.forget_old(now)
        await self._try(self._write)

    async def keep_all(self) -> None:
        """Write all that has changed, as far as that is possible."""
        await self.keep()
        while self._is_well and self._may_write() and self.mismatches.is_changed:
            await self._try(self._write)

    async def _read(self) -> None:
        if not self._is_read:
            self.mismatches.restore(await self._store.mismatches())
            self._is_read = True

    async def _write(self) -> None:
        await self._read()  # nothing is written over what was never read
        if not self._may_write():
            return
        changed = self.mismatches.take_changed(MOST_PATHS)
        if not changed:
            return
        records = [record for record in changed.values() if record is not None]
        try:
            await self._store.keep_mismatches(records, [place for place, record in changed.items() if record is None])
        except BaseException:  # also when the controller ends in the middle of it
            self.mismatches.put_back(changed)
            raise

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreUnavailable as error:
            if self._is_well:
                log.warning("mismatches_not_kept", reason=str(error), effect="what is found stays in memory meanwhile")
            self._is_well = False
        else:
            self._is_well = True
