"""The store in Redis or Valkey: for several gateways on one state.

What belongs together is written by one script. All keys begin with one prefix, in braces, so that a cluster keeps them
on one node. None of them grows without bound: of events the newest 100,000 stay, of incidents the newest 1,000, and of
what comparing has found what was seen in the last seven days.

A server that fails over, or is wiped, may forget what it has confirmed. Events get no number a second time all the
same: each process tells the newest that it knows of, and where that is gone, numbers go on well above it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.core.lifecycle import Progress
from gateway.store.calls import Calls, pair
from gateway.store.records import EVENTS_KEPT, INCIDENTS_KEPT, Event, Incident, NewEvent, PathRecord, forget_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from gateway.core.store_urls import RedisUrl
    from gateway.store.server import Argument

MISMATCHES_KEPT_SECONDS: Final = 7 * 86_400
_TURN_BYTES: Final = 256 * 1024
"""So much of what comparing has found is decoded before somebody else has a turn: a millisecond or two."""


class RedisStore:
    """See the module."""

    kind = "redis"

    def __init__(self, url: RedisUrl) -> None:
        self.file = url.text
        self._calls = Calls(url)
        self._newest_id = 0
        """Of the events that this process has seen."""

    @property
    def is_ok(self) -> bool:
        """Whether the last call succeeded."""
        return self._calls.is_ok

    @property
    def fault(self) -> str | None:
        """Why the last call failed."""
        return self._calls.fault

    async def open(self) -> None:
        """See that it can be used."""
        self._see(int(await self._calls.run("open")))

    async def close(self) -> None:
        """Let go of it."""
        await self._calls.close()

    async def progresses(self) -> dict[str, Progress]:
        """How far each rollout is that was ever moved."""
        found = await self._calls.run("progresses")
        with self._calls.noted():
            return {name.decode(): msgspec.json.decode(each, type=Progress) for name, each in pair(found)}

    async def commit(
        self,
        rollout: str,
        progress: Progress,
        event: NewEvent,
        incident: Incident | None = None,
        *,
        fence: int | None = None,
    ) -> Event:
        """Write how far a rollout is now, the event that tells it, and the incident: all or nothing."""
        version, document, told = progress.version, msgspec.json.encode(progress), msgspec.json.encode(event)
        record = (incident.id, msgspec.json.encode(incident)) if incident is not None else ("", "")
        bounds = (self._newest_id, EVENTS_KEPT, INCIDENTS_KEPT, _write_fence(fence))
        written = await self._calls.run("commit", *bounds, rollout, version, document, event.kind, told, *record)
        return self._name_event(written, told)

    async def keep(self, progresses: Mapping[str, Progress], *, fence: int | None = None) -> set[str]:
        """Write how far rollouts are, where only time has passed, or what was forgotten; nothing over what is newer."""
        rows = [(name, each.version, msgspec.json.encode(each)) for name, each in progresses.items()]
        written = await self._calls.run("keep", _write_fence(fence), *_flatten(rows))
        return {name.decode() for name in written}

    async def record(self, event: NewEvent) -> Event:
        """Add to the audit log."""
        told = msgspec.json.encode(event)
        written = await self._calls.run("record", self._newest_id, EVENTS_KEPT, event.rollout or "", event.kind, told)
        return self._name_event(written, told)

    async def events(self, after: int = 0, limit: int = 100, rollout: str | None = None) -> list[Event]:
        """The first ``limit`` events with an id above ``after``, the oldest first; of one rollout, if it is given."""
        found = await self._calls.run("events", after, limit, rollout or "")
        return [self._name_event(number, event) for number, event in pair(found)]

    async def last_events(self) -> list[Event]:
        """The last event of each rollout, and the last that concerns the whole gateway."""
        found = await self._calls.run("last_events")
        return sorted((self._name_event(number, event) for number, event in pair(found)), key=lambda event: event.id)

    async def newest(self, kind: str) -> Event | None:
        """The last event of a kind that was recorded; None before the first."""
        found = await self._calls.run("newest", kind)
        return self._name_event(*found) if found else None

    async def incidents(
        self, before: str | None = None, limit: int = 100, rollout: str | None = None
    ) -> list[Incident]:
        """The last ``limit`` incidents with an id below ``before``, the newest first; of one rollout, if given."""
        found = await self._calls.run("incidents", before or "", limit, rollout or "")
        with self._calls.noted():
            return [msgspec.json.decode(each, type=Incident) for each in found]

    async def incident(self, name: str) -> Incident | None:
        """The one with this id."""
        found = await self._calls.run("incident", name)
        with self._calls.noted():
            return None if found is None else msgspec.json.decode(found, type=Incident)

    async def mismatches(self) -> list[PathRecord]:
        """What comparing has found, of every path that is kept. One that can't be read any more is left out."""
        found: dict[bytes, bytes] = {}
        with self._calls.noted():
            async for page in self._calls.server.scan("mismatches"):
                found |= page
        return [record async for record in _decode_in_turns(found.values())]

    async def keep_mismatches(self, records: Iterable[PathRecord], gone: Collection[tuple[str, str]] = ()) -> None:
        """Write what was found on paths, each in the place of what there was before; forget those ``gone``.

        Those are named by route and path.
        """
        places = [_place(route, path) for route, path in gone]
        rows = [
            (_place(each.tally.route, each.tally.path), each.seen_at, msgspec.msgpack.encode(each)) for each in records
        ]
        await self._calls.run("keep_mismatches", MISMATCHES_KEPT_SECONDS, len(places), *places, *_flatten(rows))

    async def load(self, events: Sequence[Event], incidents: Sequence[Incident]) -> None:
        """Write what another store holds, as it is there."""
        told = [(each.id, each.rollout or "", each.kind, msgspec.json.encode(forget_id(each))) for each in events]
        records = [(each.id, each.rollout, msgspec.json.encode(each)) for each in incidents]
        await self._calls.run("load_events", EVENTS_KEPT, *_flatten(told))
        await self._calls.run("load_incidents", INCIDENTS_KEPT, *_flatten(records))
        for each in events:
            self._see(each.id)

    async def clear(self) -> None:
        """Forget everything."""
        await self._calls.run("clear")

    def _name_event(self, number: bytes | int, document: bytes) -> Event:
        with self._calls.noted():
            event = msgspec.convert(msgspec.json.decode(document) | {"id": int(number)}, Event)
        self._see(event.id)
        return event

    def _see(self, number: int) -> None:
        self._newest_id = max(self._newest_id, number)


def _write_fence(fence: int | None) -> Argument:
    return "" if fence is None else fence


def _flatten(rows: Iterable[tuple[Argument, ...]]) -> list[Argument]:
    return [value for row in rows for value in row]


def _place(route: str, path: str) -> bytes:
    return msgspec.json.encode((route, path))


async def _decode_in_turns(documents: Iterable[bytes]) -> AsyncIterator[PathRecord]:
    """All of them may be tens of megabytes: others have a turn in between."""
    bytes_left = _TURN_BYTES
    for document in documents:
        with suppress(msgspec.DecodeError):  # it can be found again
            yield msgspec.msgpack.decode(document, type=PathRecord)
        bytes_left -= len(document)
        if bytes_left <= 0:
            bytes_left = _TURN_BYTES
            await asyncio.sleep(0)
