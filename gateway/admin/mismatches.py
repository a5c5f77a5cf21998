"""What comparing both arms' answers has found, over the API: as rows, and as an export line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.answers import NDJSON, prefers, show_time
from gateway.admin.control import compute
from gateway.admin.paths import choose_routes
from gateway.admin.questions import Question
from gateway.control.findings import CopyTotals, Finding, MismatchView, rank, sum_copies, view_finding
from gateway.control.fleet_findings import CLEARED
from gateway.store.records import NewEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.admin.control import Call
    from gateway.core.types import Route


_AT_A_TIME: Final = 100
"""Findings of an export; each has a few KiB of samples."""


class MismatchList(msgspec.Struct, frozen=True):
    """Fields that differed, the worst first: by how often that counted. What is taken for noise comes last."""

    items: list[MismatchView]
    next: int | None
    """What to give as `after` for those that follow; null when these are all."""
    totals: CopyTotals


class MismatchesQuery(Question, frozen=True):
    """Which of them."""

    route: str = ""
    """Only this route's."""
    after: Annotated[int, Meta(ge=0, le=2**31)] = 0
    """Without so many of the worst."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    """At most so many."""


async def list_mismatches(call: Call, asked: MismatchesQuery) -> MismatchList | web.StreamResponse:
    """What comparing found: of each path the fields that differ, how often, and samples.

    As JSON or, for whoever accepts `application/x-ndjson`, all of it with one JSON object a line: one for each sample,
    with the row that it belongs to, and one for each row without any.
    """
    control = call.control
    routes = {route.name for route in choose_routes(control.table, asked.route)}
    found = await compute(rank, await control.find_paths(routes))
    if prefers(call.request.headers.get("Accept", ""), NDJSON):
        return await _export(call, found)
    chosen = found[asked.after : asked.after + asked.limit]
    end = asked.after + len(chosen)
    return MismatchList(
        items=await compute(lambda: [view_finding(finding) for finding in chosen]),
        next=end if end < len(found) else None,
        totals=sum_copies(control.figures.totals, routes),
    )


class ClearQuery(Question, frozen=True):
    """Whose record is to begin anew."""

    route: Annotated[str, Meta(min_length=1)]
    reason: Annotated[str, Meta(max_length=200)] = ""
    """For the audit log; short, as a URL is."""


async def clear_mismatches(call: Call, asked: ClearQuery) -> MismatchList:
    """Forget what was found on a route, and what was learnt of its noise: after a mend, or for a new candidate.

    What is counted goes on: metrics, and what gates and guards look at.
    """
    control = call.control
    (route,) = choose_routes(control.table, asked.route)
    told = await control.store.record(_tell_cleared(call, route, asked.reason))
    await control.clear_mismatches(route.name, told)
    return MismatchList([], None, sum_copies(control.figures.totals, {route.name}))


def _tell_cleared(call: Call, route: Route, reason: str) -> NewEvent:
    return NewEvent(
        time=show_time(call.control.now()),
        rollout=route.rollout,
        kind=CLEARED,
        actor=call.operator,
        before=None,
        after=None,
        reason=reason,
        inputs={"route": route.name},
        revision=call.control.table.revision,
    )


async def _export(call: Call, found: Sequence[Finding]) -> web.StreamResponse:
    """All of it, as fast as the client takes it."""
    response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    await response.prepare(call.request)
    if call.request.method != "HEAD":
        for start in range(0, len(found), _AT_A_TIME):
            await response.write(await compute(write_lines, found[start : start + _AT_A_TIME]))
    return response


def write_lines(found: Iterable[Finding]) -> bytes:
    """One JSON object for each sample, the newest of a finding first, or for a finding that has none."""
    lines = [msgspec.json.encode(line) for finding in found for line in _list_lines(view_finding(finding))]
    return b"".join(line + b"\n" for line in lines)


def _list_lines(view: MismatchView) -> Iterator[dict[str, object]]:
    row = msgspec.structs.asdict(view)
    samples = row.pop("samples")
    if not samples:
        yield row
    for sample in samples:
        yield row | msgspec.structs.asdict(sample)
