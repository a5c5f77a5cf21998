"""The gateway at a glance: its processes, its backends, its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway import __version__
from gateway.admin.fleet import FleetLine, StoreView, view_fleet_line, view_store
from gateway.control.token_keys import show_source

if TYPE_CHECKING:
    from gateway.admin.control import Call, Control
    from gateway.control.standing import RolloutState
    from gateway.control.token_keys import TokenKeys
    from gateway.core.types import Backend, Route, Table


class WorkerView(msgspec.Struct, frozen=True):
    """A process that serves users."""

    pid: int
    revision: str
    """Of the configuration that it serves."""
    connections: int
    """Of clients, open now."""
    in_flight: int
    """Requests under way."""


class ComparerView(msgspec.Struct, frozen=True):
    """The process that compares the answers of both arms."""

    pid: int
    revision: str
    """Of the configuration that it compares by."""


class EndpointView(msgspec.Struct, frozen=True):
    """One address of a backend."""

    url: str
    healthy: bool | None
    """Whether all workers find it so, and none has ejected it; null while nobody has checked it."""


class BackendView(msgspec.Struct, frozen=True):
    """A service and its endpoints."""

    name: str
    endpoints: list[EndpointView]


class RolloutLine(msgspec.Struct, frozen=True):
    """A rollout in short."""

    name: str
    state: str
    percent: float
    """In force now, 0 to 100."""
    version: int = 0
    """Grows with each transition."""


class TokensView(msgspec.Struct, frozen=True):
    """The keys that tokens are verified by."""

    source: str
    """Their URL, without its query, or their file."""
    keys: int
    """How many are in force; 0: none were had yet, and no token is believed."""
    fault: str | None
    """Why they can't be read now; null when they can."""


class StatusView(msgspec.Struct, frozen=True):
    """The gateway at a glance."""

    version: str
    revision: str
    """Of the newest configuration; empty before the first."""
    uptime_s: float
    ready: bool
    """Whether every worker serves the newest configuration."""
    workers: list[WorkerView]
    backends: list[BackendView]
    store: StoreView
    rollouts: list[RolloutLine]
    comparer: ComparerView | None = None
    """Null while there is none: users are served without it, but nothing is compared."""
    fleet: FleetLine | None = None
    """Null for a gateway that is alone."""
    degraded: str | None = None
    """What is not as it should be, while the store can't be used; null while it can."""
    tokens: TokensView | None = None
    """Null where no tokens are verified."""


class MatchView(msgspec.Struct, frozen=True):
    """Which requests a route serves; an empty list does not restrict."""

    paths: list[str]
    hosts: list[str]
    methods: list[str]
    headers: dict[str, list[str]]


class RouteView(msgspec.Struct, frozen=True):
    """A route, as it is in force."""

    name: str
    match: MatchView
    baseline: str
    candidate: str | None
    """Null for a route without a rollout, as is `rollout`."""
    rollout: str | None
    paths: list[str]
    """The templates of paths that the configuration names."""


class RouteList(msgspec.Struct, frozen=True):
    """All routes, in the order in which they are tried."""

    items: list[RouteView]
    next: None


async def show_status(call: Call) -> StatusView:
    """The gateway at a glance: workers, backends, store, rollouts."""
    return view_status(call.control)


async def list_routes(call: Call) -> RouteList:
    """All routes, in the order in which they are tried."""
    return RouteList([view_route(route) for route in call.control.table.routes], None)


def view_status(control: Control) -> StatusView:
    """The gateway now."""
    roster, table, muster = control.roster, control.rollouts.table, control.muster()
    seats = (seat for _, seat in sorted(roster.seats.items()))
    return StatusView(
        version=__version__,
        revision=roster.revision,
        uptime_s=round(control.now().timestamp() - control.figures.started_at, 3),
        ready=not roster.lagging(),
        workers=[WorkerView(seat.pid, seat.revision, seat.connections, seat.in_flight) for seat in seats],
        backends=[] if table is None else view_backends(table, roster.health()),
        store=view_store(control.store, muster),
        rollouts=[view_line(state) for state in control.rollouts.states()],
        comparer=ComparerView(comparer.pid, comparer.revision) if (comparer := roster.comparer) else None,
        fleet=view_fleet_line(muster),
        degraded=muster.degraded,
        tokens=view_tokens(control.token_keys),
    )


def view_tokens(known: TokenKeys | None) -> TokensView | None:
    """The keys as they are now."""
    if known is None or known.tokens is None:
        return None
    return TokensView(show_source(known.tokens.source), len(known.tokens.keys), known.fault or None)


def view_line(state: RolloutState) -> RolloutLine:
    """A rollout in short."""
    return RolloutLine(state.name, state.state, state.percent, state.progress.version)


def view_backends(table: Table, health: dict[str, dict[str, bool]]) -> list[BackendView]:
    """Every backend of ``table`` with the ``health`` that workers report: by backend, then by URL."""
    return [
        BackendView(
            backend.name,
            [
                EndpointView(each.url, _judge(backend, health.get(backend.name, {}).get(each.url)))
                for each in backend.endpoints
            ],
        )
        for backend in table.backends
    ]


def _judge(backend: Backend, is_used: bool | None) -> bool | None:
    """Where nothing is checked, workers use an endpoint without knowing whether it is well."""
    return None if is_used and backend.health is None else is_used


def view_route(route: Route) -> RouteView:
    """A route of the table."""
    match = route.match
    headers = {pattern.name: list(pattern.patterns) for pattern in match.headers}
    return RouteView(
        name=route.name,
        match=MatchView(list(match.paths), list(match.hosts), list(match.methods), headers),
        baseline=route.baseline,
        candidate=route.candidate,
        rollout=route.rollout,
        paths=list(route.paths),
    )
