"""`crossfade fleet`: the gateways on one store, and who of them leads."""

from __future__ import annotations

from itertools import compress
from typing import Final

import click

from gateway.admin.fleet import FleetLine, FleetView, JournalView, ReplicaView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import draw_table, show_span
from gateway.control.muster import SILENT_SECONDS
from gateway.settings.switches import ALL

JOURNAL: Final = "journal>"
"""The column of writes that only the candidate took; it is there when there are any."""
COLUMNS: Final = (
    *("replica", "role", "ready", "workers>", "version", "revision", "started", "behind>", "silent"),
    *(JOURNAL, "admin"),
)


@click.command(name="fleet")
@admin_options
def command(admin: Admin, as_json: bool) -> None:
    """Show who is in the fleet of a running gateway: versions, configurations, who leads, who lags."""
    content = admin.get("/api/v1/fleet")
    if as_json:
        click.echo(content)
        return
    fleet = read(content, FleetView)
    draw_head(fleet)
    draw_remarks(fleet.revisions, fleet.degraded)
    draw_switches(fleet)
    draw_journals(fleet)
    draw_replicas(fleet)


def draw_head(fleet: FleetView) -> None:
    """Who is asked, and who leads."""
    store = f"store {show(fleet.store.kind)}, {show(fleet.store.file)}"
    if fleet.role == "alone":
        click.echo(f"{show(fleet.replica)} is alone, {store}")
    else:
        click.echo(f"{say_part(fleet.replica, fleet.role, fleet.leader)}, lease {fleet.fence:,}, {store}")


def say_part(replica: str, role: str, leader: str | None) -> str:
    """What a gateway does in its fleet, and for whom."""
    if role == "follower":
        return f"{show(replica)} follows {show(leader)}" if leader else f"{show(replica)} follows, nobody leads"
    return f"{show(replica)} leads" if role == "leader" else f"{show(replica)} is {show(role)}"


def draw_line(line: FleetLine) -> None:
    """The fleet in a line, and whatever is not as it should be."""
    if line.role == "degraded":
        click.echo(f"fleet: {show(line.replica)} is degraded, and hears nothing of the others")
        return
    there = f"{line.replicas:,} {'gateway' if line.replicas == 1 else 'gateways'}"
    click.echo(f"fleet of {there}, {say_part(line.replica, line.role, line.leader)}")


def draw_remarks(revisions: list[str], degraded: str | None) -> None:
    """What is not as it should be: a line each, nothing when all is well."""
    if degraded is not None:
        click.echo(f"degraded: {show(degraded)}")
    if len(revisions) > 1:
        listed = ", ".join(map(show, revisions))
        click.echo(f"{len(revisions):,} configurations are in force: {listed}; only the leader's file moves rollouts")


def draw_switches(fleet: FleetView) -> None:
    """Where emergency switches hold rollouts back: a line for each gateway, nothing when there are none."""
    for each in fleet.replicas:
        if each.switches:
            held = "all rollouts" if ALL in each.switches else ", ".join(map(show, each.switches))
            click.echo(f"an emergency switch on {show(each.replica)} holds back {held} there")


def draw_journals(fleet: FleetView) -> None:
    """Where writes wait of rollouts whose candidate answers nobody any more: a line for each; nothing when none do."""
    for replica in fleet.replicas:
        for journal in replica.journal:
            if not journal.is_live:
                click.echo(say_journal(replica, journal))


def say_journal(replica: ReplicaView, journal: JournalView) -> str:
    """What waits there, and how to have it replayed once the candidate answers nobody."""
    rollout = show(journal.rollout)
    writes = f"{journal.writes:,} {'write' if journal.writes == 1 else 'writes'} of {rollout}"
    if journal.is_live:
        return f"{show(replica.replica)} keeps {writes} that only the candidate took"
    how = f"crossfade reconcile {rollout} --admin {show(replica.admin)}"
    return f"{show(replica.replica)} has {writes} to reconcile: {how}"


def draw_replicas(fleet: FleetView) -> None:
    """A row for each."""
    click.echo()
    is_shown = [name != JOURNAL or any(each.journal for each in fleet.replicas) for name in COLUMNS]
    rows = (compress(list_cells(each, fleet.replica), is_shown) for each in fleet.replicas)
    draw_table(tuple(compress(COLUMNS, is_shown)), map(tuple, rows))
    if fleet.role == "degraded" and len(fleet.replicas) > 1:
        click.echo("\nothers are shown as they were last heard of")


def list_cells(replica: ReplicaView, asked: str) -> tuple[object, ...]:
    """Of one, as the gateway that was ``asked`` knows it: how it does only where it was heard of lately."""
    ready = "yes" if replica.ready else "no"
    is_known = replica.replica == asked or is_heard(replica)
    return (
        replica.replica,
        replica.role,
        ready if is_known else None,
        replica.workers if is_known else None,
        replica.version,
        replica.revision or None,
        replica.started_at,
        replica.behind if is_known else None,
        say_silence(replica.silent_s),
        f"{sum(each.writes for each in replica.journal):,}",
        replica.admin,
    )


def is_heard(replica: ReplicaView) -> bool:
    """Whether it reports, as far as the gateway that was asked can tell."""
    return replica.silent_s is not None and replica.silent_s <= SILENT_SECONDS


def say_silence(seconds: float | None) -> str | None:
    """For how long nobody has heard of it; None for what is not known."""
    if seconds is None:
        return None
    return f"for {show_span(seconds)}" if seconds > SILENT_SECONDS else "no"
