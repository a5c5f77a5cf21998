"""Everything that the API can do: one table, from which both its routes and its OpenAPI document are made.

What an operation is for stands in the docstring of the function that answers it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from gateway.admin import (
    configuration,
    events,
    explanation,
    fleet,
    impact,
    incidents,
    mismatches,
    overview,
    paths,
    probes,
    reconcile,
    rollouts,
    series,
    status,
    stream,
)
from gateway.admin.answers import NDJSON, answer_json
from gateway.admin.control import METRICS_PATH
from gateway.admin.questions import Question, read_body, read_query, refuse_query
from gateway.core.explanation import Explanation

if TYPE_CHECKING:
    from gateway.admin.control import Call

Shape = type[msgspec.Struct]
Answer = Callable[..., Awaitable[msgspec.Struct | web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that the API can do."""

    method: str
    path: str
    answer: Answer
    """Called with the call, and with what was asked where ``query`` or ``body`` is set."""
    tag: str
    gives: Shape | tuple[str, ...]
    """What a good answer is: JSON of this shape, or a text of one of these media types."""
    query: type[Question] | None = None
    body: type[Question] | None = None
    """A JSON body; required when one of its fields is."""
    text: bool = False
    """Whether the body is a text, which the function reads itself."""
    refuses: tuple[int, ...] = ()
    """The statuses of refusals that this operation has of its own."""
    gives_text: tuple[str, ...] = ()
    """Media types of texts that a caller may have in place of JSON, by its Accept."""
    also_gives: tuple[int, ...] = ()
    """Statuses other than 200 that come with the same shape."""

    @property
    def name(self) -> str:
        """Unlike all others'."""
        return self.answer.__name__

    @property
    def needs_body(self) -> bool:
        """Whether a call without a body is wrong."""
        return self.body is not None and any(field.required for field in fields(self.body))

    async def perform(self, call: Call) -> web.StreamResponse:
        """Read what is asked, and answer it. Raises GatewayError for what can't be answered."""
        asked: list[Question] = []
        if self.query is not None:
            asked.append(read_query(call.request, self.query))
        if self.body is not None:
            refuse_query(call.request)
            asked.append(await read_body(call.request, self.body))
        given = await self.answer(call, *asked)
        return answer_json(given) if isinstance(given, msgspec.Struct) else given


def fields(shape: Shape) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a struct, with their defaults."""
    return msgspec.structs.fields(shape)


OPERATIONS: Final = (
    Operation(method="GET", path="/healthz", answer=probes.show_health, tag="probes", gives=probes.HealthView),
    Operation(
        method="GET",
        path="/readyz",
        answer=probes.show_readiness,
        tag="probes",
        gives=probes.ReadyView,
        also_gives=(503,),
    ),
    Operation(method="GET", path=METRICS_PATH, answer=probes.show_metrics, tag="probes", gives=probes.METRICS_TYPES),
    Operation(
        method="GET",
        path="/api/v1/status",
        answer=status.show_status,
        tag="gateway",
        gives=status.StatusView,
    ),
    Operation(method="GET", path="/api/v1/fleet", answer=fleet.show_fleet, tag="gateway", gives=fleet.FleetView),
    Operation(
        method="GET",
        path="/api/v1/routes",
        answer=status.list_routes,
        tag="gateway",
        gives=status.RouteList,
        refuses=(503,),
    ),
    Operation(
        method="GET",
        path="/api/v1/stream",
        answer=stream.stream,
        tag="gateway",
        gives=(stream.EVENT_STREAM,),
        query=stream.StreamQuery,
        refuses=(503,),
    ),
    Operation(
        method="GET",
        path="/api/v1/overview",
        answer=overview.show_overview,
        tag="rollouts",
        gives=overview.Overview,
    ),
    Operation(
        method="GET",
        path="/api/v1/rollouts",
        answer=rollouts.list_rollouts,
        tag="rollouts",
        gives=rollouts.RolloutList,
    ),
    Operation(
        method="GET",
        path="/api/v1/rollouts/{name}",
        answer=rollouts.show_rollout,
        tag="rollouts",
        gives=rollouts.RolloutView,
        refuses=(404, 503),
    ),
    Operation(
        method="GET",
        path="/api/v1/rollouts/{name}/impact",
        answer=impact.show_impact,
        tag="rollouts",
        gives=impact.ImpactView,
        query=impact.ImpactQuery,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="PUT",
        path="/api/v1/rollouts/{name}/percent",
        answer=rollouts.set_percent,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.PercentWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/rollouts/{name}/percent",
        answer=rollouts.unset_percent,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.UnsetWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/start",
        answer=rollouts.start,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.ActionWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/pause",
        answer=rollouts.pause,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.ActionWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/resume",
        answer=rollouts.resume,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.ActionWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/promote",
        answer=rollouts.promote,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.ActionWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/step-back",
        answer=rollouts.step_back,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.ActionWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/rollback",
        answer=rollouts.roll_back,
        tag="rollouts",
        gives=rollouts.RolloutView,
        body=rollouts.ActionWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollouts/{name}/reconcile",
        answer=reconcile.reconcile,
        tag="rollouts",
        gives=(NDJSON,),
        body=reconcile.ReconcileWish,
        refuses=(404, 409, 503),
    ),
    Operation(
        method="GET",
        path="/api/v1/paths",
        answer=paths.list_paths,
        tag="figures",
        gives=paths.PathList,
        query=paths.PathsQuery,
        refuses=(404, 503),
    ),
    Operation(
        method="GET",
        path="/api/v1/series",
        answer=series.show_series,
        tag="figures",
        gives=series.SeriesView,
        query=series.SeriesQuery,
        refuses=(404, 503),
    ),
    Operation(
        method="GET",
        path="/api/v1/mismatches",
        answer=mismatches.list_mismatches,
        tag="mismatches",
        gives=mismatches.MismatchList,
        gives_text=(NDJSON,),
        query=mismatches.MismatchesQuery,
        refuses=(404, 503),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/mismatches",
        answer=mismatches.clear_mismatches,
        tag="mismatches",
        gives=mismatches.MismatchList,
        query=mismatches.ClearQuery,
        refuses=(404, 503),
    ),
    Operation(
        method="GET",
        path="/api/v1/events",
        answer=events.list_events,
        tag="events",
        gives=events.EventList,
        query=events.EventsQuery,
        refuses=(503,),
    ),
    Operation(
        method="GET",
        path="/api/v1/incidents",
        answer=incidents.list_incidents,
        tag="events",
        gives=incidents.IncidentList,
        query=incidents.IncidentsQuery,
        refuses=(503,),
    ),
    Operation(
        method="GET",
        path="/api/v1/incidents/{id}",
        answer=incidents.show_incident,
        tag="events",
        gives=incidents.IncidentView,
        gives_text=(incidents.MARKDOWN,),
        refuses=(404, 503),
    ),
    Operation(
        method="GET",
        path="/api/v1/config",
        answer=configuration.show_config,
        tag="configuration",
        gives=configuration.ConfigView,
        refuses=(503,),
    ),
    Operation(
        method="POST",
        path="/api/v1/config/reload",
        answer=configuration.reload_config,
        tag="configuration",
        gives=configuration.ConfigView,
        also_gives=(422,),
        refuses=(503,),
    ),
    Operation(
        method="POST",
        path="/api/v1/config/validate",
        answer=configuration.validate_config,
        tag="configuration",
        gives=configuration.ValidateView,
        text=True,
    ),
    Operation(
        method="POST",
        path="/api/v1/explain",
        answer=explanation.explain,
        tag="gateway",
        gives=Explanation,
        body=explanation.ExplainQuestion,
        refuses=(404, 503),
    ),
)
"""In the order in which the document shows them."""
