"""From one store to another: how far rollouts are, events, incidents, and what comparing has found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple

from gateway.store.interface import Store
from gateway.store.records import Event, Incident, PathRecord

_EVENTS: Final = 500
"""Read and written at a time, as are the others."""
_INCIDENTS: Final = 20
_MISMATCHES: Final = 200

Told = Callable[[str, int], None]
"""Hears of what kind how much is over."""


class Copied(NamedTuple):
    """How much of each kind there was."""

    events: int
    incidents: int
    mismatches: int
    rollouts: int


async def is_empty(store: Store) -> bool:
    """Whether it holds nothing that copying would mix with. Raises `StoreUnavailable`."""
    found = (await store.progresses(), await store.events(limit=1), await store.incidents(limit=1))
    return not any(found) and not await store.mismatches()


async def copy(source: Store, target: Store, told: Told) -> Copied:
    """Write all that ``source`` holds into ``target``, which is empty: ids and versions stay.

    How far rollouts are comes last: a target without it has not got everything. Raises `StoreUnavailable`.
    """
    events = incidents = 0
    async for page in _page_events(source):
        await target.load(page, [])
        told("events", events := events + len(page))
    async for records in _page_incidents(source):
        await target.load([], records)
        told("incidents", incidents := incidents + len(records))
    mismatches = await _copy_mismatches(await source.mismatches(), target, told)
    progresses = await source.progresses()
    await target.keep(progresses)
    told("rollouts", len(progresses))
    return Copied(events, incidents, mismatches, len(progresses))


async def _copy_mismatches(records: Sequence[PathRecord], target: Store, told: Told) -> int:
    for start in range(0, len(records), _MISMATCHES):
        page = records[start : start + _MISMATCHES]
        await target.keep_mismatches(page)
        told("mismatches", start + len(page))
    return len(records)


async def _page_events(source: Store) -> AsyncIterator[list[Event]]:
    after = 0
    while page := await source.events(after, _EVENTS):
        yield page
        after = page[-1].id


async def _page_incidents(source: Store) -> AsyncIterator[list[Incident]]:
    before: str | None = None
    while page := await source.incidents(before, _INCIDENTS):
        yield page
        before = page[-1].id
