"""`crossfade status`: the running gateway at a glance."""

from __future__ import annotations

import click

from gateway.admin.rollouts import RolloutList
from gateway.admin.status import StatusView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import draw_table, show_percent, show_span

_HEALTH = {True: "healthy", False: "unhealthy", None: "not known yet"}


@click.command(name="status")
@admin_options
def command(admin: Admin, as_json: bool) -> None:
    """Show rollouts, workers, backends and the store of a running gateway."""
    content = admin.get("/api/v1/status")
    if as_json:
        click.echo(content)
        return
    status = read(content, StatusView)
    draw_head(status)
    draw_rollouts(read(admin.get("/api/v1/rollouts"), RolloutList))
    draw_workers(status)
    draw_backends(status)


def draw_head(status: StatusView) -> None:
    """What concerns the whole."""
    ready = "ready" if status.ready else "not ready"
    revision = show(status.revision or "none yet")
    click.echo(f"crossfade {show(status.version)}, {ready}, up {show_span(status.uptime_s)}, revision {revision}")
    if not status.store.ok:
        click.echo(f"the store ({show(status.store.kind)}) can't be used: nothing can be set until it can")


def draw_rollouts(rollouts: RolloutList) -> None:
    """A row for each."""
    if rollouts.items:
        click.echo()
        draw_table(
            ("rollout", "state", "percent>", "by", "mode", "routes"),
            (
                (each.name, each.state, show_percent(each.percent), each.source, each.mode, ", ".join(each.routes))
                for each in rollouts.items
            ),
        )


def draw_workers(status: StatusView) -> None:
    """A row for each."""
    click.echo()
    draw_table(
        ("worker", "connections>", "in flight>", "revision"),
        ((each.pid, each.connections, each.in_flight, each.revision) for each in status.workers),
    )


def draw_backends(status: StatusView) -> None:
    """A row for each endpoint."""
    click.echo()
    draw_table(
        ("backend", "endpoint", "health"),
        ((backend.name, each.url, _HEALTH[each.healthy]) for backend in status.backends for each in backend.endpoints),
    )
