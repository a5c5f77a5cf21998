"""`crossfade events`: the audit log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

import click
import msgspec

from gateway.admin.events import EventList
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import UNKNOWN, draw_table, show_percent
from gateway.cli.set import path_of
from gateway.core.progress import SHADOW, say_state
from gateway.errors import CommandError
from gateway.store.records import Event, Standing

FOLLOW_SECONDS = 1.0
PAGE = 1000

_COLUMNS = ("time", "rollout", "event", "change", "by", "reason")
_WIDTHS = (24, 16, 9, 16, 20)
"""Of the columns while they are followed, before something longer comes; the last needs none."""


@click.command(name="events")
@click.option("--follow", is_flag=True, help="Go on with what happens, until interrupted.")
@click.option("--rollout", default="", metavar="NAME", help="Only of this rollout.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, PAGE), help="The newest so many.")
@admin_options
def command(admin: Admin, as_json: bool, follow: bool, rollout: str, limit: int) -> None:
    """Show who or what changed what, when and why, the newest last.

    With --json, one document; with --follow as well, a line of JSON for each event.
    """
    events = list(deque(read_all(admin, 0, rollout), maxlen=limit))
    if rollout and not events:
        admin.get(path_of(rollout))  # which says so when there is none of this name
    if follow:
        follow_on(admin, events, rollout, as_json=as_json)
    elif as_json:
        click.echo(msgspec.json.encode(EventList(events, None)))
    else:
        draw_table(_COLUMNS, map(list_cells, events))


def read_all(admin: Admin, after: int, rollout: str) -> Iterator[Event]:
    """Every event behind ``after``, page by page."""
    where: int | None = after
    while where is not None:
        query = {"after": str(where), "limit": str(PAGE)} | ({"rollout": rollout} if rollout else {})
        page = read(admin.get("/api/v1/events", query), EventList)
        yield from page.items
        where = page.next


def follow_on(admin: Admin, events: Sequence[Event], rollout: str, *, as_json: bool) -> None:
    """Show ``events`` and those that come, for ever. A gateway that is away for a while is waited for."""
    tell = tell_program if as_json else Columns().tell
    after, is_away = 0, False
    try:
        while True:
            tell(events)
            after = events[-1].id if events else after
            time.sleep(FOLLOW_SECONDS)
            try:
                events, is_away = list(read_all(admin, after, rollout)), False
            except CommandError as error:
                if not is_away:
                    click.echo(f"{error}; waiting", err=True)
                events, is_away = [], True
    except KeyboardInterrupt:
        return


def tell_program(events: Sequence[Event]) -> None:
    """A line of JSON for each."""
    for event in events:
        click.echo(msgspec.json.encode(event))


class Columns:
    """A table that grows: what comes later stands below what was there. A longer text widens its column for good."""

    def __init__(self) -> None:
        self._widths = list(_WIDTHS)
        self._has_head = False

    def tell(self, events: Sequence[Event]) -> None:
        """A row for each, and a head above the first."""
        rows: list[Sequence[str]] = [
            [show(cell) if cell else UNKNOWN for cell in list_cells(event)] for event in events
        ]
        for row in rows:
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, row, strict=False)]
        for row in rows if self._has_head else [_COLUMNS, *rows]:
            places = (f"{cell:<{width}}" for cell, width in zip(row, self._widths, strict=False))
            click.echo("  ".join([*places, row[-1]]))
        self._has_head = True


def list_cells(event: Event) -> tuple[object, ...]:
    """What a person wants to know of an event."""
    return (
        event.time,
        event.rollout,
        event.kind,
        _show_change(event),
        f"{event.actor.type} {event.actor.name}",
        event.reason,
    )


def _show_change(event: Event) -> str | None:
    """From where to where: the shares, and the states where those say nothing."""
    before, after = event.before, event.after
    if before is None and after is None:
        return None
    change = f"{_show_standing(before)} -> {_show_standing(after)}"
    if before is not None and after is not None and before.state != after.state:
        states = f"{say_state(before.state)} -> {say_state(after.state)}"
        change = states if before.percent == after.percent else f"{change}, {say_state(after.state)}"
    change += ", to shadow" if event.inputs.get("to") == SHADOW else ""
    return f"{change}, forced" if event.inputs.get("force") is True else change


def _show_standing(standing: Standing | None) -> str:
    return "nothing" if standing is None else f"{show_percent(standing.percent)}"
