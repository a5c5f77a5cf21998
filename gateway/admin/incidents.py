"""Incidents over the API: the records that are kept of rollbacks, as JSON and, one at a time, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.answers import prefers
from gateway.admin.problems import Declined
from gateway.admin.questions import Question
from gateway.control.paths import PathView
from gateway.control.postmortem import render_incident
from gateway.store.records import Event, Incident

if TYPE_CHECKING:
    from gateway.admin.control import Call

MARKDOWN: Final = "text/markdown"


class SampleView(msgspec.Struct, frozen=True):
    """A request that the candidate failed; or, with `field`, one that both arms answered differently."""

    request_id: str
    """As logs and backends know it: its `X-Request-ID`."""
    time: str
    """When it was over; RFC 3339, UTC."""
    route: str
    path: str
    """A template, never a raw path."""
    kind: str
    """How the candidate failed: `connect`, `timeout`, `reset`, `protocol` or `5xx`; or, with `field`, how it differed,
    as `/api/v1/mismatches` has it.
    """
    method: str | msgspec.UnsetType = msgspec.UNSET
    status: int | msgspec.UnsetType = msgspec.UNSET
    """What the client got."""
    is_failed_over: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the baseline answered in its place, with `status`."""
    field: str | msgspec.UnsetType = msgspec.UNSET
    """Of a difference: where, as `/api/v1/mismatches` has it."""
    baseline: object = msgspec.UNSET
    """Of a difference: what the baseline answered there, redacted."""
    candidate: object = msgspec.UNSET


class IncidentRow(msgspec.Struct, frozen=True):
    """A rollback, as lists show it."""

    id: str
    rollout: str
    rule: str | None
    """The guard that was broken; null where a person went back."""
    time: str
    """RFC 3339, UTC."""
    stage: int | None
    """From 1; null for a fixed percentage."""
    percent_before: float
    values: dict[str, object]
    """What the rule said and the numbers that it rests on; of an operator's rollback `by` and `reason`."""
    paths: list[PathView]
    """Those that the candidate served, the worst first, over the rule's window and at least five minutes."""


class IncidentView(IncidentRow, frozen=True):
    """A rollback: what fired, on which paths, with which numbers, and what led there."""

    samples: list[SampleView]
    """Some of the requests that the candidate failed, the newest first; then some of the differences that counted since
    the stage began.
    """
    events: list[Event]
    """The last events of the rollout before it, the oldest first."""
    has_journal: bool = False
    """Whether a route of the rollout had a `journal`: the baseline may lack writes that only the candidate took."""
    window_s: float | None = None
    """Over how many seconds before it the figures of `paths` are: the rule's window and at least five minutes, but no
    longer than rules could look back; null for one of an earlier version."""


class IncidentList(msgspec.Struct, frozen=True):
    """Incidents, the newest first."""

    items: list[IncidentRow]
    next: str | None
    """What to give as `before` for those that are older; null when these are all."""


class IncidentsQuery(Question, frozen=True):
    """Which incidents."""

    before: Annotated[str, Meta(max_length=200)] = ""
    """Only those older than the one with this id."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    """At most so many."""
    rollout: str = ""
    """Only those of this rollout; also of one that is no longer configured."""


async def list_incidents(call: Call, asked: IncidentsQuery) -> IncidentList:
    """The records of rollbacks, without their samples and events."""
    found = await call.control.store.incidents(asked.before or None, asked.limit + 1, asked.rollout or None)
    items = [msgspec.convert(_list_fields(incident), IncidentRow) for incident in found[: asked.limit]]
    return IncidentList(items, items[-1].id if len(found) > len(items) else None)


async def show_incident(call: Call) -> IncidentView | web.Response:
    """The record of one rollback, as JSON or, for whoever accepts `text/markdown`, as the start of a post-mortem."""
    name = call.request.match_info["id"]
    incident = await call.control.store.incident(name)
    if incident is None:
        raise Declined(404, f"there is no incident `{name}`")
    if prefers(call.request.headers.get("Accept", ""), MARKDOWN):
        headers = {"Cache-Control": "no-store"}
        return web.Response(text=render_incident(incident), content_type=MARKDOWN, headers=headers)
    return view_incident(incident)


def view_incident(incident: Incident) -> IncidentView:
    """An incident in the API's shape."""
    return msgspec.convert(_list_fields(incident), IncidentView)


def _list_fields(incident: Incident) -> dict[str, object]:
    return msgspec.structs.asdict(incident)
