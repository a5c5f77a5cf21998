"""Reconciling: after a rollback the baseline gets the writes that the candidate alone took.

One run at a time for each rollout. What a run has done is marked on the disk before anybody hears of it
(`gateway.journal.marks`), so the next one goes on where this one ended, however it did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from gateway.control.replay import Begin, Emit, End, Line, Replay, Wish
from gateway.core.fleet import Journaled
from gateway.core.lifecycle import is_live
from gateway.core.types import Arm
from gateway.errors import StoreUnavailable, WrongAction
from gateway.journal.backlog import Backlog
from gateway.journal.outstanding import Outstanding
from gateway.store.records import NewEvent

if TYPE_CHECKING:
    from gateway.control.rollouts import Rollouts
    from gateway.core.types import Rollout, Table
    from gateway.store.records import Actor

log = structlog.get_logger()

COUNT_SECONDS: Final = 1.0
"""How often it is counted what waits …"""
HURRY_SECONDS: Final = 0.1
"""… and while a large journal is read for the first time: a part of the time is for others."""

Record = Callable[[NewEvent], Awaitable[object]]


class Reconciling:
    """See the module. ``record`` adds to the audit log, ``now`` is the clock that the journal is written by."""

    def __init__(self, journal: Path, rollouts: Rollouts, record: Record, now: Callable[[], datetime]) -> None:
        self._journal = journal
        self._rollouts = rollouts
        self._record = record
        self._now = now
        self._running: set[str] = set()
        self._outstanding = Outstanding(journal)
        self._fault = ""
        """Why it can't be counted, as people were told last."""

    # What waits.

    def waiting(self) -> dict[str, Journaled]:
        """What the journal holds that the baseline has not had, by rollout, of those that can be reconciled."""
        table = self._rollouts.table
        rollouts = {each.name: each for each in table.rollouts} if table is not None else {}
        return {
            name: Journaled(writes=writes, is_live=may_answer(rollouts[name]))
            for name, writes in self._outstanding.writes.items()
            if name in rollouts
        }

    async def count(self) -> None:
        """Keep up with what is written and what is done, for ever."""
        while True:
            is_all = await self.look()
            await asyncio.sleep(COUNT_SECONDS if is_all else HURRY_SECONDS)

    async def look(self) -> bool:
        """Count on; whether that was all there is."""
        fault, is_all = "", True
        try:
            is_all = await asyncio.to_thread(self._outstanding.look)
        except OSError as error:
            fault = error.strerror or str(error)
        if fault and fault != self._fault:
            log.warning("journal_uncounted", reason=fault)
        self._fault = fault
        return is_all

    def note_end(self) -> None:
        """This gateway ends: say what it takes with it, if its disk is not there for the next one."""
        waiting = self.waiting()
        if not waiting:
            return
        say = log.info if all(each.is_live for each in waiting.values()) else log.warning
        writes = sum(each.writes for each in waiting.values())
        say("journal_left", writes=writes, rollouts=sorted(waiting), directory=str(self._journal.absolute()))

    # A run.

    async def run(self, rollout: str, wish: Wish, actor: Actor, emit: Emit) -> End:
        """Replay what the journal holds of a rollout; ``emit`` gets every line but the last, which is returned.

        What ``emit`` raises, a ConnectionError or a TimeoutError, ends the run after what is under way: nobody listens.
        Raises `UnknownRollout`, `WrongAction` while another run is under way or where no journal was ever kept, and
        OSError when the journal can't be read.
        """
        self._rollouts.state(rollout)
        if rollout in self._running:
            raise WrongAction(f"`{rollout}` is being reconciled already")
        self._running.add(rollout)
        try:
            return await self._run(rollout, wish, actor, emit)
        finally:
            self._running.discard(rollout)

    async def _run(self, rollout: str, wish: Wish, actor: Actor, emit: Emit) -> End:
        table = self._rollouts.table
        assert table is not None  # noqa: S101 - there is one when there are rollouts
        backlog = Backlog(self._journal, rollout, wish.since_ns)
        replay = Replay(backlog, table, wish, lambda: int(self._now().timestamp() * 1e9))

        async def tell(line: Line) -> None:
            try:
                await emit(line)
            except (ConnectionError, TimeoutError):
                replay.stop("nobody listens any more")

        await asyncio.to_thread(backlog.survey)
        if backlog.is_empty and not any(each.journal for each in table.routes if each.rollout == rollout):
            raise WrongAction(f"no route of `{rollout}` has a `journal`: nobody knows what only the candidate took")
        await tell(_begin(rollout, table, backlog, wish))
        try:
            end = await replay.run(tell)
        finally:
            backlog.marks.close()
        if not wish.dry_run:
            await self._conclude(rollout, table, backlog, end, actor)
        return end

    async def _conclude(self, rollout: str, table: Table, backlog: Backlog, end: End, actor: Actor) -> None:
        """Make room in the journal, and tell the audit log, if there was anything to send."""
        try:
            await asyncio.to_thread(backlog.prune)
        except OSError as error:
            log.warning("journal_not_pruned", rollout=rollout, reason=error.strerror or str(error))
        if not backlog.open:
            return
        event = NewEvent(
            time=self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            rollout=rollout,
            kind="reconcile",
            actor=actor,
            before=None,
            after=None,
            reason=say_end(end),
            inputs={name: getattr(end, name) for name in ("applied", "refused", "failed", "skipped", "left")},
            revision=table.revision,
        )
        try:
            await self._record(event)
        except StoreUnavailable as error:
            log.warning("event_lost", kind=event.kind, reason=str(error))


def _begin(rollout: str, table: Table, backlog: Backlog, wish: Wish) -> Begin:
    return Begin(
        rollout=rollout,
        total=backlog.open,
        skipped=backlog.done,
        unreadable=[
            f"{each.path.parent.name}/{each.path.name}: {each.lost_bytes} bytes from {each.offset_bytes} on"
            for each in backlog.damages
        ],
        is_live=any(may_answer(each) for each in table.rollouts if each.name == rollout),
        dry_run=wish.dry_run,
    )


def say_end(end: End) -> str:
    """For a person: ``127 applied, 16 refused, 0 failed``, and why it stopped, if it did."""
    came = f"{end.applied:,} applied, {end.refused:,} refused, {end.failed:,} failed"
    return f"{came}; stopped with {end.left:,} left: {end.stopped}" if end.stopped else came


def may_answer(rollout: Rollout) -> bool:
    """Whether the candidate answers anyone under a rollout as it is in force."""
    is_open = rollout.percent > 0 or any(cohort.arm is Arm.CANDIDATE or cohort.percent for cohort in rollout.cohorts)
    return is_live(rollout) and rollout.held is None and is_open
