"""`crossfade events`: the audit log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import click
import msgspec

from gateway.admin.events import EventList
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import draw_table, show_percent
from gateway.errors import CommandError
from gateway.store.records import Event, Standing

FOLLOW_SECONDS = 1.0
PAGE = 1000

_COLUMNS = ("time", "rollout", "event", "change", "by", "reason")


@click.command(name="events")
@click.option("--follow", is_flag=True, help="Go on with what happens, until interrupted.")
@click.option("--rollout", default="", metavar="NAME", help="Only of this rollout.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, PAGE), help="The newest so many.")
@admin_options
def command(admin: Admin, as_json: bool, follow: bool, rollout: str, limit: int) -> None:
    """Show who or what changed what, when and why, the newest last."""
    events = list(deque(read_all(admin, 0, rollout), maxlen=limit))
    if as_json and not follow:
        click.echo(msgspec.json.encode(EventList(events, None)))
        return
    draw(events, as_json=as_json)
    if follow:
        follow_on(admin, events[-1].id if events else 0, rollout, as_json=as_json)


def read_all(admin: Admin, after: int, rollout: str) -> Iterator[Event]:
    """Every event behind ``after``, page by page."""
    where: int | None = after
    while where is not None:
        query = {"after": str(where), "limit": str(PAGE)} | ({"rollout": rollout} if rollout else {})
        page = read(admin.get("/api/v1/events", query), EventList)
        yield from page.items
        where = page.next


def follow_on(admin: Admin, after: int, rollout: str, *, as_json: bool) -> None:
    """Show events as they come, for ever. A gateway that is away for a while is waited for."""
    is_away = False
    try:
        while True:
            time.sleep(FOLLOW_SECONDS)
            try:
                events = list(read_all(admin, after, rollout))
            except CommandError as error:
                if not is_away:
                    click.echo(f"{error}; waiting", err=True)
                is_away = True
                continue
            is_away = False
            if events:
                after = events[-1].id
                draw(events, as_json=as_json, with_head=False)
    except KeyboardInterrupt:
        return


def draw(events: list[Event], *, as_json: bool, with_head: bool = True) -> None:
    """A row, or a line of JSON, for each."""
    if as_json:
        for event in events:
            click.echo(msgspec.json.encode(event))
    elif with_head:
        draw_table(_COLUMNS, map(list_cells, events))
    else:
        for event in events:
            click.echo("  ".join(show(cell) for cell in list_cells(event) if cell))


def list_cells(event: Event) -> tuple[object, ...]:
    """What a person wants to know of an event."""
    change = f"{_show_standing(event.before)} -> {_show_standing(event.after)}" if event.before or event.after else None
    return (event.time, event.rollout, event.kind, change, f"{event.actor.type} {event.actor.name}", event.reason)


def _show_standing(standing: Standing | None) -> str:
    return "nothing" if standing is None else f"{show_percent(standing.percent)}"
