"""The audit log over the API: who or what changed what, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gateway.admin.questions import Question
from gateway.store.records import Event

if TYPE_CHECKING:
    from gateway.admin.control import Call

_LARGEST_ID = 2**63 - 1


class EventList(msgspec.Struct, frozen=True):
    """Events, the oldest first."""

    items: list[Event]
    next: int | None
    """What to give as `after` for those that follow; null when these are all."""


class EventsQuery(Question, frozen=True):
    """Which events."""

    after: Annotated[int, Meta(ge=0, le=_LARGEST_ID)] = 0
    """Only those with a larger id."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    """At most so many."""
    rollout: str = ""
    """Only those of this rollout; also of one that is no longer configured."""


async def list_events(call: Call, asked: EventsQuery) -> EventList:
    """The audit log: who or what changed what, when and why."""
    found = await call.control.store.events(asked.after, asked.limit + 1, asked.rollout or None)
    items = found[: asked.limit]
    return EventList(items, items[-1].id if len(found) > len(items) else None)
