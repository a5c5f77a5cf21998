"""A store of several gateways in memory, by a clock that a test sets: it may be away, or forget.

It does what the scripts of `gateway.store.scripts` do, in as few lines. Each gateway reaches it through a `Door` of its
own, so that one may be cut off, or wait, while the others go in and out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf

import msgspec

from gateway.core.fleet import LEFT_SECONDS, PRESENCE_SECONDS, Presence, Pulse, Report, Seen, Sum
from gateway.core.progress import Progress
from gateway.errors import Fenced, StoreConflict, StoreUnavailable
from gateway.store.records import Event, Incident, NewEvent, PathRecord

REPORTS_KEPT_SECONDS = 10.0
VERDICTS_KEPT_SECONDS = 10.0
UNHEARD = 100


@dataclass
class Stored:
    """All that a store has."""

    progresses: dict[str, tuple[Progress, int]] = field(default_factory=dict)
    """Each with the id of the event that told of it, 0 for none."""
    events: list[Event] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    mismatches: dict[tuple[str, str], PathRecord] = field(default_factory=dict)
    replicas: dict[str, tuple[Presence, float]] = field(default_factory=dict)
    lease: tuple[str, int, float] = ("", 0, -inf)
    """Who leads, under which fence, and until when."""
    reports: list[tuple[int, float, bytes]] = field(default_factory=list)
    sums: list[tuple[float, bytes]] = field(default_factory=list)
    verdicts: tuple[bytes, float] = (b"", -inf)
    fence: int = 0
    moves: int = 0
    event: int = 0
    entry: int = 0


class Meeting:
    """See the module."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.clock = clock
        self.sleep = sleep
        self.is_away = False
        self.patience_seconds = 0.0
        """So long it takes to find out that it is away."""
        self.stored = Stored()
        self.doors: list[Door] = []

    def copy(self) -> Stored:
        """As a replica of the store has it now, for one that takes over later."""
        return deepcopy(self.stored)

    def go_back(self, stored: Stored | None = None) -> None:
        """A failover lost what was written since; without that, everything."""
        self.stored = deepcopy(stored) if stored is not None else Stored()

    def progress(self, rollout: str = "shop") -> Progress:
        """How far a rollout is."""
        return self.stored.progresses[rollout][0]

    @property
    def kinds(self) -> list[str]:
        """Of the events of rollouts, in order."""
        return [event.kind for event in self.stored.events if event.rollout is not None]


class Door:
    """One gateway's way to the store: a `Store` and a `FleetStore`."""

    kind = "redis"
    file = "memory"

    def __init__(self, meeting: Meeting) -> None:
        self.is_cut = False
        self.lets_in = asyncio.Event()
        """A commit waits for that: its way is long."""
        self.lets_in.set()
        self.fault: str | None = None
        self._meeting = meeting
        self._known = 0
        self._heard: Callable[[], None] | None = None
        self._ends = asyncio.Event()
        meeting.doors.append(self)

    @property
    def is_ok(self) -> bool:
        return self.fault is None

    async def _enter(self) -> Stored:
        await asyncio.sleep(0)
        self.fault = "connection refused" if self.is_cut or self._meeting.is_away else None
        if self.fault is not None:
            await self._meeting.sleep(self._meeting.patience_seconds)
            raise StoreUnavailable(f"the store {self.file} can't be used: {self.fault}")
        return self._meeting.stored

    async def _enter_to_write(self, fence: int | None) -> Stored:
        stored = await self._enter()
        if fence is not None and fence < stored.fence:
            raise Fenced(f"lease {stored.fence} was seen by the store; this one is older")
        stored.fence = stored.fence if fence is None else fence
        return stored

    async def open(self) -> None:
        await self._enter()

    async def close(self) -> None:
        """Nothing is open."""

    # What outlives the gateways.

    async def progresses(self) -> dict[str, Progress]:
        return {name: progress for name, (progress, _) in (await self._enter()).progresses.items()}

    async def commit(
        self,
        rollout: str,
        progress: Progress,
        event: NewEvent,
        incident: Incident | None = None,
        *,
        fence: int | None = None,
    ) -> Event:
        await self.lets_in.wait()
        stored = await self._enter_to_write(fence)
        before, told = stored.progresses.get(rollout, (None, 0))
        if before is not None and progress.version <= before.version:
            same = [each for each in stored.events if each.id == told and each == _number(event, told)]
            if before == progress and same:
                return same[0]
            raise StoreConflict(rollout, before.version)
        if incident is not None:
            stored.incidents[incident.id] = incident
        added = self._add(stored, event)
        stored.progresses[rollout] = (progress, added.id)
        self._announce(stored)
        return added

    async def keep(self, progresses: Mapping[str, Progress], *, fence: int | None = None) -> set[str]:
        stored, written = await self._enter_to_write(fence), set()
        for name, progress in progresses.items():
            before, told = stored.progresses.get(name, (None, 0))
            if before is None or progress.version > before.version:
                stored.progresses[name] = (progress, 0)
                written.add(name)
                self._announce(stored)
            elif fence is not None and progress.version == before.version and progress != before:
                stored.progresses[name] = (progress, told)
                written.add(name)
                stored.moves += 1
        return written

    async def record(self, event: NewEvent) -> Event:
        return self._add(await self._enter(), event)

    def _add(self, stored: Stored, event: NewEvent) -> Event:
        gap = UNHEARD if self._known > stored.event else 0
        stored.event = self._known = max(stored.event, self._known) + gap + 1
        stored.events.append(_number(event, stored.event))
        return stored.events[-1]

    def _announce(self, stored: Stored) -> None:
        stored.moves += 1
        for door in self._meeting.doors:
            if door._heard is not None and not door.is_cut:
                door._heard()

    async def events(self, after: int = 0, limit: int = 100, rollout: str | None = None) -> list[Event]:
        events = (await self._enter()).events
        return [each for each in events if each.id > after and rollout in {None, each.rollout}][:limit]

    async def last_events(self) -> list[Event]:
        return list({each.rollout: each for each in (await self._enter()).events}.values())

    async def incidents(
        self, before: str | None = None, limit: int = 100, rollout: str | None = None
    ) -> list[Incident]:
        found = sorted((await self._enter()).incidents.items(), reverse=True)
        wanted = [each for name, each in found if before is None or name < before]
        return [each for each in wanted if rollout in {None, each.rollout}][:limit]

    async def incident(self, name: str) -> Incident | None:
        return (await self._enter()).incidents.get(name)

    async def newest(self, kind: str) -> Event | None:
        return next((each for each in reversed((await self._enter()).events) if each.kind == kind), None)

    async def mismatches(self) -> list[PathRecord]:
        return list((await self._enter()).mismatches.values())

    async def keep_mismatches(self, records: Iterable[PathRecord], gone: Collection[tuple[str, str]] = ()) -> None:
        mismatches = (await self._enter_to_write(None)).mismatches
        mismatches.update({(each.tally.route, each.tally.path): each for each in records})
        for place in gone:
            mismatches.pop(place, None)

    async def load(self, events: Sequence[Event], incidents: Sequence[Incident]) -> None:
        stored = await self._enter_to_write(None)
        stored.events += events
        stored.incidents |= {each.id: each for each in incidents}

    async def clear(self) -> None:
        stored = await self._enter_to_write(None)
        self._meeting.stored = Stored(fence=stored.fence, event=stored.event, moves=stored.moves + 1)

    # Where replicas meet.

    async def report(
        self,
        replica: str,
        presence: Presence,
        report: Report | None,
        *,
        lease_seconds: float,
        known_fence: int,
    ) -> Pulse:
        stored, now = await self._enter(), self._meeting.clock()
        here = {**stored.replicas, replica: (presence, now)}
        stored.replicas = {name: said for name, said in here.items() if now - said[1] < PRESENCE_SECONDS}
        if report is not None:
            stored.entry += 1
            recent = [entry for entry in stored.reports if now - entry[1] <= REPORTS_KEPT_SECONDS]
            stored.reports = [*recent, (stored.entry, now, msgspec.msgpack.encode(report))]
        leader, fence = self._lease(stored, replica, lease_seconds, known_fence)
        return Pulse(leader, fence, stored.moves, stored.event, is_empty=not stored.progresses)

    def _lease(self, stored: Stored, replica: str, seconds: float, known_fence: int) -> tuple[str, int]:
        now, (leader, fence, until) = self._meeting.clock(), stored.lease
        leader = leader if now < until else ""
        stored.fence = highest = max(stored.fence, known_fence)
        if seconds <= 0:
            leader = "" if leader == replica else leader
        elif leader in {replica, ""}:
            is_renewed = leader == replica and fence >= highest
            leader, fence, until = replica, fence if is_renewed else highest + 1, now + seconds
            stored.fence = max(stored.fence, fence)
        stored.lease = (leader, fence, until)
        return leader, fence if leader else stored.fence

    async def leave(self, replica: str) -> None:
        stored = await self._enter()
        stored.replicas.pop(replica, None)
        if stored.lease[0] == replica:
            stored.lease = ("", 0, -inf)

    async def replicas(self) -> list[Seen]:
        found, now = (await self._enter()).replicas, self._meeting.clock()
        return [Seen(name, presence, now - at) for name, (presence, at) in sorted(found.items())]

    async def reports(self, after: str) -> tuple[Iterator[Report], str]:
        stored = await self._enter()
        if not after:
            return iter(()), str(stored.entry)
        found = [entry for entry in stored.reports if entry[0] > int(after)]
        end = found[-1][0] if found else min(int(after), stored.entry)
        return (msgspec.msgpack.decode(packed, type=Report) for _, _, packed in found), str(end)

    async def share(self, verdicts: bytes, counted: Sum | None, *, fence: int) -> None:
        stored, now = await self._enter_to_write(fence), self._meeting.clock()
        stored.verdicts = (verdicts, now)
        if counted is not None:
            recent = [each for each in stored.sums if now - each[0] <= LEFT_SECONDS]
            stored.sums = [*recent, (now, msgspec.msgpack.encode(counted))]

    async def sums(self) -> AsyncGenerator[tuple[float, Sum]]:
        stored, now = await self._enter(), self._meeting.clock()
        for at, packed in stored.sums:
            yield now - at, msgspec.msgpack.decode(packed, type=Sum)

    async def verdicts(self) -> bytes:
        said, at = (await self._enter()).verdicts
        return said if self._meeting.clock() - at <= VERDICTS_KEPT_SECONDS else b""

    async def listen(self, heard: Callable[[], None]) -> None:
        await self._enter()
        self._heard = heard
        heard()
        await self._ends.wait()
        self._heard = None
        self._ends.clear()
        raise StoreUnavailable("the connection broke")

    def hang_up(self) -> None:
        """Whoever listens hears no more."""
        self._ends.set()


def _number(event: NewEvent, number: int) -> Event:
    return msgspec.convert({**msgspec.to_builtins(event), "id": number}, Event)
