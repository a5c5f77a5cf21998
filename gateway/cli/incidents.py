"""`crossfade incidents`: the records that are kept of rollbacks."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import click
import msgspec

from gateway.admin.incidents import IncidentList, IncidentRow, IncidentView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import draw_table, show_percent
from gateway.cli.set import path_of
from gateway.control.postmortem import render_incident
from gateway.control.readings import Unit, say_value
from gateway.store.records import Incident

_COLUMNS = ("id", "time", "rollout", "stage>", "from>", "rule", "value>", "bound>")


class _Values(msgspec.Struct):
    """The part of an incident's values that a row has room for."""

    unit: Unit = "count"
    value: float | None = None
    bound: float | None = None


@click.command(name="incidents")
@click.argument("name", metavar="[ID]", required=False, default="")
@click.option("--rollout", default="", metavar="NAME", help="Only of this rollout.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="The newest so many.")
@admin_options
def command(admin: Admin, as_json: bool, name: str, rollout: str, limit: int) -> None:
    """List rollbacks, the newest first; or show the one with this ID as Markdown, the start of a post-mortem."""
    if name:
        show_one(admin, name, as_json=as_json)
        return
    query = {"limit": str(limit)} | ({"rollout": rollout} if rollout else {})
    content = admin.get("/api/v1/incidents", query)
    incidents = read(content, IncidentList)
    if rollout and not incidents.items:
        admin.get(path_of(rollout))  # which says so when there is none of this name
    if as_json:
        click.echo(content)
        return
    if incidents.items:
        draw_table(_COLUMNS, list_rows(incidents))
    else:
        click.echo("no rollback so far")


def show_one(admin: Admin, name: str, *, as_json: bool) -> None:
    """One incident, for people or programs."""
    content = admin.get(f"/api/v1/incidents/{quote(name, safe='')}")
    if as_json:
        click.echo(content)
        return
    incident = msgspec.convert(msgspec.to_builtins(read(content, IncidentView)), Incident)
    for line in render_incident(incident).splitlines():
        click.echo(show(line))


def list_rows(incidents: IncidentList) -> Iterator[tuple[object, ...]]:
    """A row for each."""
    for incident in incidents.items:
        yield (
            incident.id,
            incident.time,
            incident.rollout,
            incident.stage,
            show_percent(incident.percent_before),
            incident.rule or "(an operator)",
            *_list_values(incident),
        )


def _list_values(incident: IncidentRow) -> tuple[str | None, str | None]:
    values = msgspec.convert(incident.values, _Values)
    value, bound = (None if each is None else say_value(each, values.unit) for each in (values.value, values.bound))
    return value, bound
