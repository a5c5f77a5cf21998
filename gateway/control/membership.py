"""This gateway's part in a fleet: it reports each second, follows what others have moved, and leads if that is its lot.

Everything here may lag, fail and be tried again; users' requests know nothing of it. While the store is away, rollouts
stay as they are known here. What a leader does beside is in `gateway.control.leading`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from gateway.control.board import FOLLOWING, Mandate
from gateway.control.fleet_figures import Outbox
from gateway.control.leading import Leading
from gateway.core.fleet import (
    BEAT_SECONDS,
    LEASE_SECONDS,
    SETTLE_SECONDS,
    Presence,
    Pulse,
    Role,
    Seen,
    Tenure,
)
from gateway.errors import Fenced, StoreUnavailable

if TYPE_CHECKING:
    from gateway.control.cache import Cache
    from gateway.control.fleet_findings import FleetFindings
    from gateway.control.rollouts import Rollouts
    from gateway.control.rules import RuleState
    from gateway.store.fleet import FleetStore

START_SECONDS: Final = 10.0
"""How long a gateway that remembers nothing waits for the store before it begins, with everybody on the baseline."""
REMIND_SECONDS: Final = 5.0
"""How often people are told that it still waits."""
LOOK_AROUND_BEATS: Final = 5
"""How often it looks who else is there, and what the leader's rules say, while nobody asks."""
CURIOUS_SECONDS: Final = 30.0
"""For so long after somebody asked, it looks with each beat."""
GATHER_SECONDS: Final = 0.02
"""What is heard of within so short a time is looked up once."""

MOST_FAILURES: Final = 3
"""So often in a row a leader may fail to add up what all have counted …"""
ABSTAIN_SECONDS: Final = 10.0
"""… before it gives others so long to try."""

log = structlog.get_logger()


class Membership:
    """See the module.

    ``replica`` names this gateway, ``present`` says how it stands now, ``cache`` remembers how rollouts do,
    ``findings`` has what comparing finds; ``monotonic`` and ``counting`` are the clocks of leases and of windows,
    ``sleep`` is for tests.
    """

    def __init__(  # noqa: PLR0913 - what a gateway brings along
        self,
        replica: str,
        meeting: FleetStore,
        present: Callable[[], Presence],
        *,
        cache: Cache,
        findings: FleetFindings,
        monotonic: Callable[[], float],
        counting: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.replica = replica
        self.outbox = Outbox()
        self.findings = findings
        self.leading = Leading(meeting, counting, findings)
        self.moves = -1
        """Up to where this gateway has followed what the store counts; -1 before the first."""
        self.fault = ""
        """Why the store can't be used; empty when it can."""
        self.away_since: float | None = None
        """When that began, by the monotonic clock."""
        self.seen: Sequence[Seen] = ()
        """Who is there, as it was known a moment ago."""
        self.hear_events: Callable[[int], Awaitable[bool]] | None = None
        """Called with the newest event's id when it is another than before; whether all up to there was heard."""
        self._meeting = meeting
        self._present = present
        self._cache = cache
        self._monotonic = monotonic
        self._sleep = sleep
        self._tenure = Tenure(replica)
        self._noted = Role.DEGRADED
        """What people were told last that it does: at first it hears of nobody."""
        self._settled_at: float | None = None
        self._failures = 0
        """How often in a row it could not lead, though the lease was its own."""
        self._abstains_until = float("-inf")
        self._beginning: tuple[int, asyncio.Task[None]] | None = None
        """Under which lease it begins to lead, while it does."""
        self._event = -1
        """The newest up to which all were heard; -1 before the first pulse."""
        self._is_current = False
        """Whether the last beat went well, and all events of before it were heard."""
        self._beats = 0
        self._asked_at = self._read_at = self._said_at = float("-inf")
        self._told = asyncio.Event()

    # How it stands.

    @property
    def role(self) -> Role:
        """What this gateway does now. It leads from when it knows what the leader before it knew."""
        second = self._monotonic()
        role = self._tenure.role(second)
        is_in_charge = self.leading.fence is not None and self.leading.fence == self._tenure.fence(second)
        return Role.FOLLOWER if role is Role.LEADER and not is_in_charge else role

    @property
    def leader(self) -> str:
        """The replica that leads, as far as is known; empty for none."""
        return self._tenure.leader

    @property
    def fence(self) -> int:
        """The highest number of a lease that was heard of."""
        return self._tenure.known_fence

    def mandate(self) -> Mandate:
        """Whether this gateway moves rollouts now."""
        return Mandate(conducts=True, fence=self.leading.fence) if self.role is Role.LEADER else FOLLOWING

    def rules(self, rollout: str) -> list[RuleState]:
        """What the leader said last that the rules of a rollout say."""
        self._read_at = self._monotonic()
        return list(self.leading.verdicts.get(rollout, ()))

    # Its life.

    async def begin(self, rollouts: Rollouts) -> None:
        """Join the fleet, or begin with what is remembered, or with everybody on the baseline."""
        is_remembered = await rollouts.recall(self._cache)
        rollouts.followers.append(lambda name, kind: self._remember(rollouts, name, kind))
        until = self._monotonic() + START_SECONDS
        await self.beat(rollouts)
        while not self._is_ready() and self._monotonic() < until and (self.moves >= 0 or not is_remembered):
            if self.moves < 0:
                self._say_waiting(until)
            await self._sleep(BEAT_SECONDS / 2)
            await self.beat(rollouts)
        if self.moves < 0:
            effect = "rollouts stand as they are remembered" if is_remembered else "everybody is served by baselines"
            log.error("store_unavailable", reason=self.fault, effect=effect)

    def _remember(self, rollouts: Rollouts, name: str, kind: str) -> None:
        """A rollback that the store has not heard of is known here only, and a controller may die before the beat."""
        if kind == "rollback" and not self._cache.has(name, rollouts.progress(name)):
            self._cache.note(rollouts.begun())
            self._told.set()

    def _say_waiting(self, until: float) -> None:
        """At first, and now and then."""
        now = self._monotonic()
        if now - self._said_at >= REMIND_SECONDS:
            self._said_at = now
            log.warning("waiting_for_store", reason=self.fault, seconds=round(until - now, 1))

    def _is_ready(self) -> bool:
        """Whether it is known how rollouts stand; the leader of an empty store lets others speak first."""
        return self.moves >= 0 and (self.leader != self.replica or self.role is not Role.FOLLOWER)

    async def run(self, rollouts: Rollouts) -> None:
        """Take part, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report(rollouts))
            tasks.create_task(self._listen())
            tasks.create_task(self._follow(rollouts))

    async def close(self, rollouts: Rollouts) -> None:
        """Leave: another may lead at once."""
        self._give_up_beginning()
        await self._cache.keep(rollouts.begun())
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await self._ask(rollouts, self._monotonic())
                if self.role is Role.LEADER:
                    await self.leading.close()
                await self._meeting.leave(self.replica)
        except (StoreUnavailable, Fenced, TimeoutError) as error:
            log.info("left_without_a_word", reason=str(error))
        await self._meeting.close()

    async def _report(self, rollouts: Rollouts) -> None:
        due = self._monotonic()
        while True:
            due = max(due + BEAT_SECONDS, self._monotonic())
            await self._sleep(due - self._monotonic())
            await self.beat(rollouts)

    async def _listen(self) -> None:
        """Hear of moves as they happen; whatever is missed is seen with the next beat."""
        while True:
            try:
                await self._meeting.listen(self._told.set)
            except StoreUnavailable as error:
                log.debug("moves_unheard", reason=str(error))
            await self._sleep(BEAT_SECONDS)

    async def _follow(self, rollouts: Rollouts) -> None:
        while True:
            await self._told.wait()
            await self._sleep(GATHER_SECONDS)
            self._told.clear()
            await self._cache.keep(rollouts.begun())  # before the store: it may be away
            try:
                await rollouts.catch_up()
            except StoreUnavailable as error:
                log.debug("moves_unread", reason=str(error))  # the next beat tries again
            await self._cache.keep(rollouts.begun())

    # Once a second.

    async def beat(self, rollouts: Rollouts) -> None:
        """Report, hear who leads, follow, and lead if it is this one."""
        asked_at = self._monotonic()
        try:
            pulse = await self._ask(rollouts, asked_at)
            self._tenure.hear(pulse, asked_at)
            await self._take_in(rollouts, pulse)
            if pulse.leader == self.replica:
                await self._try_to_lead(rollouts, pulse)
            await self._look_around()
        except Fenced as error:
            log.warning("lease_lost", reason=str(error))
            self._tenure.resign()
        except StoreUnavailable as error:
            self._miss(str(error), asked_at)
        else:
            self._recover()
        self._note()
        await self._cache.keep(rollouts.begun())

    async def _ask(self, rollouts: Rollouts, asked_at: float) -> Pulse:
        versions = {name: progress.version for name, progress in rollouts.begun().items()}
        report = self.outbox.empty(self.replica, versions)
        if self._is_current:  # else what was found may be of before a record was begun anew
            report = self.findings.hand_in(report, len(self.seen))
        pulse = await self._meeting.report(
            self.replica,
            self._present(),
            None if report.is_empty else report,
            lease_seconds=0.0 if asked_at < self._abstains_until else LEASE_SECONDS,
            known_fence=self._tenure.known_fence,
        )
        if report.found:
            self.findings.confirm()
        return pulse

    async def _take_in(self, rollouts: Rollouts, pulse: Pulse) -> None:
        """What has moved since the last beat, and what happened."""
        await rollouts.pay()
        is_due = self._beats % LOOK_AROUND_BEATS == 0  # time that passes in a plan is no move
        if pulse.moves != self.moves or rollouts.is_behind or is_due:
            await rollouts.catch_up()
            self.moves = pulse.moves
        is_heard = pulse.event == self._event or self.hear_events is None or await self.hear_events(pulse.event)
        self._is_current, self._event = is_heard, pulse.event if is_heard else self._event

    async def _try_to_lead(self, rollouts: Rollouts, pulse: Pulse) -> None:
        """Lead; who reaches the store for the lease, but not for the rest of it, lets somebody else try."""
        try:
            await self._lead(rollouts, pulse)
        except StoreUnavailable as error:
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                self._failures, self._abstains_until = 0, self._monotonic() + ABSTAIN_SECONDS
                log.warning("lease_given_up", reason=str(error), seconds=ABSTAIN_SECONDS)
            raise
        self._failures = 0

    async def _lead(self, rollouts: Rollouts, pulse: Pulse) -> None:
        if self.leading.fence == pulse.fence:
            await self.leading.go_on()
        elif self._has_settled(pulse):
            await self._take_over(pulse.fence, rollouts)
        if self.role is Role.LEADER and rollouts.adopted != self.mandate():
            rollouts.take_over()  # also where the file changed while its lease had run out for a moment

    async def _take_over(self, fence: int, rollouts: Rollouts) -> None:
        """Begin to lead. What a large fleet leaves takes longer to read than a lease lasts: beats go on meanwhile."""
        if self._beginning is None or self._beginning[0] != fence:
            self._give_up_beginning()
            self._beginning = fence, asyncio.ensure_future(self.leading.begin(fence, rollouts))
        task = self._beginning[1]
        await asyncio.wait({task}, timeout=BEAT_SECONDS / 2)
        if task.done():
            self._beginning = None
            task.result()

    def _give_up_beginning(self) -> None:
        if self._beginning is not None:
            _, task = self._beginning
            self._beginning = None
            if task.done() and not task.cancelled():
                task.exception()  # that it failed does not matter any more
            task.cancel()

    def _has_settled(self, pulse: Pulse) -> bool:
        """Whether those who know more than an empty store have had the time to say so."""
        now = self._monotonic()
        if self._settled_at is None:
            self._settled_at = now + (SETTLE_SECONDS if pulse.is_empty else 0.0)
        return now >= self._settled_at

    async def look(self) -> None:
        """See who is there now; and for a while with each beat, as somebody wants to know."""
        self._asked_at = self._monotonic()
        with contextlib.suppress(StoreUnavailable):
            self.seen = await self._meeting.replicas()

    async def _look_around(self) -> None:
        is_due, now = self._beats % LOOK_AROUND_BEATS == 0, self._monotonic()
        if is_due or now - self._asked_at < CURIOUS_SECONDS:
            self.seen = await self._meeting.replicas()
        if self.role is not Role.LEADER and (is_due or now - self._read_at < CURIOUS_SECONDS):
            await self.leading.read_verdicts()
        self._beats += 1

    def _miss(self, fault: str, asked_at: float) -> None:
        """From when it was asked: a store that hangs is away for as long as one that refuses at once."""
        self._tenure.miss(asked_at)
        self.fault, self._is_current = fault, False
        if self.away_since is None:
            self.away_since = asked_at

    def _recover(self) -> None:
        if self.away_since is not None and self.moves >= 0:
            log.info("store_back", seconds=round(self._monotonic() - self.away_since, 1))
        self.fault, self.away_since = "", None

    def _note(self) -> None:
        """Say so when this gateway does something else than it was said to do."""
        was, role = self._noted, self.role
        self._noted = role
        if role is not was and role is Role.DEGRADED:
            log.error("store_away", reason=self.fault, effect="rollouts stand as they are known here; guards go on")
        elif role is not was:
            is_itself = self.leader == self.replica and role is not Role.LEADER  # it does not yet, or no more
            leader = "" if is_itself else self.leader
            log.info("role_changed", role=str(role), before=str(was), leader=leader, fence=self.fence)
