"""The board and the store: what is newest in the store is in force here, and what is in force here the store is told.

Progress outlives restarts, edits of the file, and even the rollout's absence from it. All gateways of a fleet follow
what is newest, and say again what the store has forgotten (`gateway.core.fleet`); only who conducts begins and edits
rollouts by its file. What moves them otherwise is in `gateway.control.rollouts`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.control.board import ALONE, Board, Edit, Mandate
from gateway.control.deposits import Deposit, Deposits, losing
from gateway.control.telling import standing_of, tell_file
from gateway.core.fleet import compare, follow_on, name_move
from gateway.core.lifecycle import Progress, catch_up
from gateway.core.types import Rollout, Table
from gateway.errors import StoreUnavailable
from gateway.store.records import Event

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.control.cache import Cache
    from gateway.store import Store

KEEP_SECONDS: Final = 5.0
"""How often passed time is written: a crash costs a hold so much at the most."""

log = structlog.get_logger()


class StoredBoard(Board):
    """See the module.

    ``publish`` gets each table that is to be in force, ``now`` tells the time of events, and ``file`` is the name of
    what they come from. ``mandate`` says whether this gateway conducts, now.
    """

    def __init__(
        self,
        store: Store,
        publish: Callable[[Table], None],
        now: Callable[[], datetime],
        file: str = "",
        mandate: Callable[[], Mandate] = lambda: ALONE,
    ) -> None:
        super().__init__(publish, now, file)
        self._store = store
        self._mandate = mandate
        self._is_known = False
        self._turns: defaultdict[tuple[str, bool], asyncio.Lock] = defaultdict(asyncio.Lock)
        """By rollout, and whether it is for what is urgent."""
        self._reading = asyncio.Lock()
        self._moves: Counter[str] = Counter()
        """How often each rollout was moved; time that passes moves nothing."""
        self._waiting: Counter[str] = Counter()
        """How many transitions of each rollout wait for the store and are not in force yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._deposits = Deposits(store, self._rebase)
        self._passed: set[str] = set()
        """Those whose progress the store is to get: time has passed, or nobody has told it of them."""
        self._kept_at = 0.0
        self._is_keeping = False

    # The store.

    async def begin(self, cache: Cache | None = None) -> None:
        """Read how far every rollout is, as a gateway that is alone, and remember it in ``cache`` from now on.

        Without a store it serves by what it remembers, else by the file, and says so.
        """
        is_remembered = cache is not None and await self.recall(cache)
        try:
            await self.pay()
            await self.catch_up()
        except StoreUnavailable as error:
            unknown = "how far rollouts were is not known: they stand as the file has them"
            effect = "rollouts stand as they are remembered" if is_remembered else unknown
            log.error("store_unavailable", reason=str(error), effect=effect)  # noqa: TRY400 - the reason says it all
        if cache is not None:
            cache.note(self.begun())
            self.followers.append(lambda name, _kind: self._remember(cache, name))

    def _remember(self, cache: Cache, name: str) -> None:
        """An edit of the file may move a thousand at once: all are noted with the first."""
        if not cache.has(name, self._progresses[name]):
            cache.note(self.begun())

    async def recall(self, cache: Cache) -> bool:
        """Go by what is remembered, until the store says how far rollouts are; whether there is anything.

        What is owed to the store is remembered there from now on.
        """
        remembered = await cache.read()
        self._learn(remembered or {}, self._moves)
        self._deposits.recall(cache.owed)
        self._deposits.remember = cache.owe
        return remembered is not None

    @property
    def is_behind(self) -> bool:
        """Whether something is in force that the store will not have."""
        return bool(self._deposits.refused)

    def is_owed(self, name: str) -> bool:
        """Whether the store knows less of a rollout than what is in force here, so that nobody else does either."""
        return name in self._deposits.owed

    async def retry(self) -> None:
        """Read what could not be read before and put it in force; write what could not be written."""
        with suppress(StoreUnavailable):
            await self._know()
            await self.pay()

    async def pay(self) -> None:
        """Write what could not be written. Raises `StoreUnavailable`."""
        await self._deposits.pay()

    async def _know(self) -> None:
        """Read how far rollouts are, where others may have moved them: nobody writes over what was never read."""
        was_known = self._is_known
        if was_known and self._mandate() == ALONE and not self._deposits.refused:
            return
        await self.catch_up()
        if not was_known:
            log.info("store_available", rollouts=len(self._progresses))

    async def catch_up(self) -> None:
        """Take what is newer in the store, and say again what it has forgotten. Raises `StoreUnavailable`."""
        async with self._reading:
            moves = self._moves.copy()
            stored = await self._store.progresses()
            forgotten = self._learn(stored, moves)
            is_first, self._is_known = not self._is_known, True
            if is_first:
                self.take_over()
        for event in await self._deposits.restore(forgotten, self._tell_again(forgotten, stored)):
            self._announce(event, None)

    def take_over(self) -> None:
        """Go by this gateway's file, whatever the one said that went before: begin and edit what it has otherwise."""
        if self._file is not None:
            self._bring_in(self._file, {})

    def _learn(self, stored: Mapping[str, Progress], moves: Mapping[str, int]) -> dict[str, Progress]:
        """Go by what is newest; what the store has forgotten. ``moves`` is from before it was asked."""
        begun, now = self.begun(), self._now().timestamp()
        settled = {name for name in {*stored, *begun} if self._is_settled(name, moves)}
        found = compare(settled, begun, stored, self._deposits.refused)
        self._deposits.refused -= settled
        self._passed |= found.untold
        is_ahead = self._is_known and self._mandate().conducts  # memory has no time that passed, the store has some
        same = {} if is_ahead else {name: catch_up(each, now) for name, each in found.same.items()}
        again = {name: each for name, each in found.forgotten.items() if name not in found.newer}
        self._progresses = self._progresses | again | same
        self._take({name: catch_up(each, now) for name, each in found.newer.items()})
        return found.forgotten

    def _is_settled(self, name: str, moves: Mapping[str, int]) -> bool:
        """Whether nothing of it is under way here, of which the store did not know yet when it was asked."""
        is_moving = self._waiting[name] > 0 or name in self._deposits.owed
        return not is_moving and self._moves[name] == moves.get(name, 0)

    def _take(self, taken: dict[str, Progress]) -> None:
        """Put in force what others have done."""
        if not taken:
            return
        kinds = {name: name_move(self._progresses.get(name), after) for name, after in taken.items()}
        self._progresses = self._progresses | taken
        self._unbegun = self._unbegun - taken.keys()
        self._passed -= taken.keys()
        self._moves.update(taken.keys())
        if self._file is not None:
            self._put_in_force(self._file)
        for name, kind in kinds.items():
            self._follow(name, kind)
        if self._mandate().conducts and self._is_known:
            self.take_over()

    def _rebase(self, deposit: Deposit, stored: Progress) -> Deposit:
        """What is in force as it is to be stored after what somebody else did meanwhile."""
        name, progress = deposit.rollout, follow_on(deposit.progress, stored)
        self._progresses[name] = follow_on(self._progresses[name], stored)
        before = standing_of(self._rollouts[name], stored) if name in self._rollouts else deposit.event.before
        return deposit._replace(progress=progress, event=msgspec.structs.replace(deposit.event, before=before))

    # What the file says.

    def publish(self, table: Table) -> None:
        """Put a table that was compiled from the file in force, as far as its rollouts are. Raises what that raises."""
        self._bring_in(table, self._rollouts)

    def _bring_in(self, table: Table, known: Mapping[str, Rollout]) -> None:
        """Publish it; ``known`` is what the file said when the progress of rollouts was stored, as far as that is."""
        former, mandate = (self._rollouts, self._progresses, self._shared, self._unbegun), self._mandate()
        begun = self.begun().keys()
        edits = self._adopt(table, known, mandate, self._now().timestamp())
        try:
            self._put_in_force(table)
        except BaseException:
            self._rollouts, self._progresses, self._shared, self._unbegun = former
            raise
        self._passed |= self.begun().keys() - begun
        for name, edit in edits:
            self._moves[name] += 1
            self._follow(name, edit.kind)
        if mandate.conducts:
            told = [Edit(name, edit, self._tell(name, edit), self._moves[name]) for name, edit in edits]
            untold = ExitStack()
            untold.enter_context(self._deposits.announced(*(edit.rollout for edit in told)))
            self._spawn(self._record_file(table, told, mandate.fence, untold))

    async def _record_file(self, table: Table, edits: Sequence[Edit], fence: int | None, untold: ExitStack) -> None:
        """Tell the audit log, unless it is what the log was told last: a new controller reads the same file again.

        And tell the others of a fleet what has begun by it: they wait for that.
        """
        event = tell_file(table, self._file_name, self._now())
        with untold:
            if fence is not None:
                await self._keep()
            with losing(event):
                newest = await self._store.newest(event.kind)
                if newest is None or newest.revision != table.revision:
                    self._announce(await self._store.record(event), None)
            for edit in edits:
                with losing(edit.told):
                    await self._record_edit(edit, fence)

    async def _record_edit(self, edit: Edit, fence: int | None) -> None:
        name, transition, told, moves = edit
        async with self._turns[name, False]:
            if self._moves[name] != moves:  # what moved it since was stored with what the edit led to
                stored: Event | None = await self._store.record(told)
            else:
                stored = await self._deposits.put_soon(Deposit(name, self._progresses[name], told, None, fence))
        if stored is not None:
            self._announce(stored, transition)

    # What time does.

    def pass_time(self, changed: Mapping[str, Progress]) -> None:
        """Note the progress of rollouts for which only time has passed; it is written every few seconds."""
        self._progresses.update(changed)
        self._passed |= changed.keys()
        loop_time = asyncio.get_running_loop().time()
        if self._passed and loop_time - self._kept_at >= KEEP_SECONDS:
            self._kept_at = loop_time
            self._spawn(self._keep())

    async def _keep(self) -> None:
        """Write what passed, but of no rollout whose move is on its way, or refused: that is not told by time."""
        mandate = self._mandate()
        if not self._is_known or self._is_keeping or not mandate.conducts:
            return
        untold = self._deposits.owed | self._deposits.refused
        kept = {name for name in self._passed - untold if not self._waiting[name]}
        self._passed -= kept
        self._is_keeping = True
        try:
            await self._deposits.keep({name: self._progresses[name] for name in kept}, mandate.fence)
        finally:
            self._is_keeping = False

    async def close(self) -> None:
        """Wait for what is being recorded, or in force and not stored yet, and write what passed and what is owed."""
        await asyncio.gather(*self._tasks)
        for turn in [turn for (_, is_urgent), turn in self._turns.items() if is_urgent]:
            async with turn:  # its incident is being made, or the store has its moment
                pass
        with suppress(StoreUnavailable):
            await self.pay()
        await self._keep()
        for name in sorted(self._deposits.owed):
            log.error("store_missed", rollout=name, effect="how it stands is known to this gateway alone, which ends")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
