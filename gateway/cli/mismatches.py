"""`crossfade mismatches`: what differed between the answers of both arms, by path and field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from gateway.admin.answers import NDJSON
from gateway.admin.mismatches import MismatchList
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.grid import draw_table, show_rate
from gateway.control.findings import CopyTotals, MismatchSample, MismatchView

_PATH = "/api/v1/mismatches"

LONGEST_VALUE = 48
"""Characters: two values stand side by side. Whole ones are in ``--json`` and ``--ndjson``."""

_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
"""DEL and C1 (ECMA-48, section 5.3); those of C0 JSON has escaped already (RFC 8259, section 7)."""

_COLUMNS = ("path", "field", "kind", "count>", "compared>", "rate>", "noise>")
_SAMPLE_COLUMNS = ("  time", "request id", "baseline", "candidate")


@click.command(name="mismatches")
@click.argument("route")
@click.option(
    "--samples", default=1, show_default=True, type=click.IntRange(0, 100), help="Of each difference; the newest."
)
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="The worst so many differences."
)
@click.option("--ndjson", "as_lines", is_flag=True, help="Everything that is kept, a line of JSON for each sample.")
@click.option("--clear", is_flag=True, help="Forget what was found, and begin anew: after a mend.")
@click.option("--reason", default="", metavar="TEXT", help="With --clear: for the audit log.")
@admin_options
def command(admin: Admin, *, as_json: bool, clear: bool, reason: str, route: str, **how: Any) -> None:
    """Show what differed between the answers of both arms of ROUTE, the worst first.

    A rate is the share of the compared answers that differ in this field; noise is how often two answers of the
    baseline do. What is noise stands apart: it is not counted. The first line has all since this gateway started; the
    tables, what is in the record, to which all gateways of a fleet add. It begins anew with --clear and when the
    route's `compare` is edited.
    """
    if reason and not clear:
        raise click.UsageError("--reason says why --clear is asked for; give both, or neither")
    if as_json and how["as_lines"]:
        raise click.UsageError("--json and --ndjson are both given, but there is one output; leave one out")
    if clear:
        content = admin.forget(_PATH, {"route": route, "reason": reason})
        click.echo(pass_on(content) if as_json else f"{show(route)}: what was found is forgotten")
    else:
        show_record(admin, route, as_json=as_json, **how)


def show_record(admin: Admin, route: str, *, as_json: bool, samples: int, limit: int, as_lines: bool) -> None:
    """What was found on a route, in the form that is asked for."""
    if as_lines:
        click.echo(pass_on(admin.get(_PATH, {"route": route}, accept=NDJSON)), nl=False)
        return
    content = admin.get(_PATH, {"route": route, "limit": str(limit)})
    if as_json:
        click.echo(pass_on(content))
        return
    mismatches = read(content, MismatchList)
    for line in draw_totals(mismatches.totals, is_known=bool(mismatches.items)):
        click.echo(line)
    draw_findings(mismatches.items, samples)
    if mismatches.next is not None:
        click.echo(f"\nthese are the worst {limit:,}; more with --limit, all with --ndjson")


def pass_on(content: bytes) -> str:
    """JSON as it is, but for controls that JSON may hold as they are and a terminal would obey."""
    return content.decode(errors="backslashreplace").translate(_CONTROLS)


def draw_totals(totals: CopyTotals, *, is_known: bool) -> Iterator[str]:
    """What came of all copies, in a line or two; ``is_known`` says whether anything is in the record."""
    compared = totals.match + totals.mismatch + totals.noise
    if not compared and is_known:
        yield "nothing counts yet: what differs waits until it is known what noise is, for a minute at most"
    elif not compared:
        yield "nothing was compared since the gateway started; copies are made of routes that have `shadow`"
    else:
        differ = f"{totals.mismatch:,} mismatch, {totals.noise:,} differ in nothing but noise"
        yield f"{compared:,} compared since the gateway started: {totals.match:,} match, {differ}"
    skipped = ", ".join(f"{count:,} {show(reason)}" for reason, count in sorted(totals.skipped.items()))
    if totals.error or skipped:
        yield f"not compared: {totals.error:,} errors" + (f"; skipped: {skipped}" if skipped else "")


def draw_findings(findings: Sequence[MismatchView], samples: int) -> None:
    """A table of what counts, with samples below it, and one of what is noise."""
    counted = [finding for finding in findings if not finding.noise]
    noise = [finding for finding in findings if finding.noise]
    if counted:
        click.echo()
        draw_table(_COLUMNS, map(list_cells, counted))
    if noise:
        click.echo("\nnoise, which is not counted:")
        draw_table(_COLUMNS, map(list_cells, noise))
    if counted and all(finding.noise_rate is None for finding in findings):
        click.echo("\nthe baseline was asked nothing twice, so times and the like count, too: see `compare.noise`")
    for finding in counted:
        if shown := finding.samples[:samples]:
            click.echo(f"\n{show(finding.field)} {show(finding.kind)} on {show(finding.path)}")
            draw_table(_SAMPLE_COLUMNS, map(list_sample, shown))


def list_cells(finding: MismatchView) -> tuple[object, ...]:
    """What a person wants to know of a difference."""
    return (
        finding.path,
        finding.field,
        finding.kind,
        f"{finding.count:,}",
        f"{finding.compared:,}",
        show_rate(finding.rate),
        show_rate(finding.noise_rate),
    )


def list_sample(sample: MismatchSample) -> tuple[object, ...]:
    """When and in which request, and both values side by side."""
    return (f"  {sample.time}", sample.request_id, show_value(sample.baseline), show_value(sample.candidate))


def show_value(value: object) -> str:
    """As JSON, cut to what has room in a table."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
