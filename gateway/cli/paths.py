"""`crossfade paths`: what happens per path, on both arms."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.admin.paths import PathList
from gateway.admin.questions import read_window
from gateway.cli.admin import Admin, admin_options, read
from gateway.cli.grid import draw_table, show_milliseconds, show_rate
from gateway.control.paths import ArmView, PathView
from gateway.errors import BadValue

_COLUMNS = ("route", "path", "arm", "requests>", "rate>", "errors>", "p50>", "p95>", "p99>", "compared>", "mismatches>")


@click.command(name="paths")
@click.argument("route", required=False, default="")
@click.option(
    "--window", default="5m", show_default=True, metavar="TIME", help="The trailing time: 10s, 5m, 1h, up to 24h."
)
@admin_options
def command(admin: Admin, as_json: bool, route: str, window: str) -> None:
    """Show requests, errors and latencies per path and arm, of one ROUTE or all.

    Latencies are the backend's, from the request sent to the header of its response.
    """
    check_window(window)
    query = {"window": window} | ({"route": route} if route else {})
    content = admin.get("/api/v1/paths", query)
    if as_json:
        click.echo(content)
        return
    paths = read(content, PathList)
    if paths.items:
        draw_table(_COLUMNS, list_rows(paths))
    else:
        click.echo(f"no requests in the last {window}")


def check_window(window: str) -> None:
    """Raises `click.BadParameter` for what the gateway would refuse: it is wrong usage, with nobody to blame there."""
    try:
        read_window(window)
    except BadValue as error:
        raise click.BadParameter(str(error), param_hint="--window") from None


def list_rows(paths: PathList) -> Iterator[tuple[object, ...]]:
    """Two rows for a path with two arms, the names on the first. What was compared is the candidate's."""
    for path in paths.items:
        yield (path.route, path.path, "baseline", *_show_arm(path.baseline), None, None)
        if path.candidate is not None:
            yield ("", "", "candidate", *_show_arm(path.candidate), *_show_copies(path))


def _show_copies(path: PathView) -> tuple[object, ...]:
    return (f"{path.compared:,}" if path.compared else None, show_rate(path.mismatch_rate))


def _show_arm(arm: ArmView) -> tuple[object, ...]:
    latencies = (show_milliseconds(each) for each in (arm.p50, arm.p95, arm.p99))
    return (f"{arm.requests:,}", f"{arm.per_second:,.1f}/s", show_rate(arm.error_rate), *latencies)
