"""`crossfade reconcile`: the writes that only the candidate took, replayed onto the baseline."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import click
import msgspec

from gateway.admin.fleet import FleetView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.explain import split_header
from gateway.cli.fleet import say_journal
from gateway.cli.grid import draw_table
from gateway.cli.set import path_of
from gateway.cli.simulated import show_progress
from gateway.control.replay import Begin, End, Line, Step
from gateway.errors import CommandError
from gateway.settings.quantities import parse_duration

TENTHS: Final = 10
"""Of the work, after each of which a line says so where there is no terminal for a bar."""

LISTED: Final = 1000
"""Writes that the report lists at the most; ``--json`` has them all."""

_COLUMNS: Final = ("answered", "route", "write", "request id", "result", "baseline", "reason")
_INTERRUPTED: Final = 130


@click.command(name="reconcile")
@click.argument("rollout")
@click.option("--since", default="", metavar="TIME", help="Only writes from then on: 2026-01-31T12:00:00Z, or 2h ago.")
@click.option("--dry-run", is_flag=True, help="Send nothing, only list what would be sent.")
@click.option(
    "--rate",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0.01, 10_000),
    help="Writes per second at the most.",
)
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with every write; repeatable."
)
@admin_options
def command(  # noqa: PLR0913 - what a person may say
    admin: Admin, *, as_json: bool, rollout: str, since: str, dry_run: bool, rate: float, headers: tuple[str, ...]
) -> None:
    """Replay onto the baseline the writes that only the candidate took, after a rollback of ROLLOUT.

    Each goes there once, in the order of its key, with an Idempotency-Key. The journal has no credentials; where the
    baseline wants some, give them with -H 'Authorization: …'. May be interrupted, and run again: what the baseline has
    answered is not sent again. A gateway of a fleet replays its own journal only, and then names those that have more.
    Exits with 1 when a write was refused (4xx) or failed. With --json, a line of JSON when it begins, for each write,
    and at the end.
    """
    wish = {
        "since": read_time(since, datetime.now(UTC)),
        "dry_run": dry_run,
        "rate": rate,
        "headers": dict(map(split_header, headers)),
    }
    with ExitStack() as stack:
        report = Report(stack) if not as_json else None
        take = report.take if report is not None else click.echo
        try:
            end = follow(lambda on_line: admin.pour(f"{path_of(rollout)}/reconcile", wish, on_line), take)
        except KeyboardInterrupt:
            stack.close()
            click.echo("interrupted; run it again to go on from here", err=True)
            sys.exit(_INTERRUPTED)
    if report is not None:
        report.conclude(end)
        with suppress(CommandError):  # what was asked for is done
            draw_others(read(admin.get("/api/v1/fleet"), FleetView), rollout)
    check(end, rollout)


def read_time(text: str, now: datetime) -> str:
    """``2h`` as the time so long ago; anything else as it is, for the gateway to judge."""
    if not text[-1:].isalpha() or text[-1:] in "Zz":
        return text
    try:
        return (now - timedelta(seconds=parse_duration(text))).isoformat()
    except ValueError:
        wanted = "a time such as 2026-01-31T12:00:00Z, nor a duration such as 30m, 2h or 7d"
        raise click.BadParameter(f"`{text}` is neither {wanted}", param_hint="--since") from None


def follow(pour: Callable[[Callable[[bytes], None]], None], take: Callable[[bytes], object]) -> End:
    """Have every line taken; the last one. Raises `CommandError` when there is none."""
    last = b""

    def on_line(line: bytes) -> None:
        nonlocal last
        last = line
        take(line)

    pour(on_line)
    end = read_line(last) if last else None
    if not isinstance(end, End):
        raise CommandError("the gateway broke off before the end; run it again to go on from there")
    return end


def read_line(line: bytes) -> Line:
    """One line of what the API tells."""
    try:
        return msgspec.json.decode(line, type=Line)  # type: ignore[no-any-return]
    except msgspec.DecodeError as error:
        raise CommandError(f"the gateway answers what this version does not understand: {error}") from None


class Report:
    """What a person sees: what is to be done, how it goes, and what went wrong."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._begin: Begin | None = None
        self._taken = 0
        self._listed: list[Step] = []
        self._move: Callable[[float], None] = lambda _done: None

    def take(self, line: bytes) -> None:
        """The next line of the API."""
        match read_line(line):
            case Begin() as begin:
                self._open(begin)
            case Step() as step:
                self._count(step)
            case End():
                self._stack.close()

    def conclude(self, end: End) -> None:
        """Say what came of it."""
        if self._listed:
            draw_table(_COLUMNS, map(list_cells, self._listed[:LISTED]))
            if len(self._listed) > LISTED:
                click.echo(f"and {len(self._listed) - LISTED:,} more; all of them with --json")
            click.echo()
        if self._begin is not None and self._begin.dry_run:
            click.echo(f"{len(self._listed):,} would be sent, {end.skipped:,} skipped: the baseline has had them")
            return
        click.echo(
            f"{end.applied:,} applied, {end.refused:,} refused, {end.failed:,} failed, "
            f"{end.skipped:,} skipped: the baseline has had them"
        )

    def _open(self, begin: Begin) -> None:
        self._begin = begin
        for warning in list_warnings(begin):
            click.echo(warning, err=True)
        click.echo(f"{show(begin.rollout)}: {begin.total:,} writes that only the candidate took", err=True)
        self._move = self._stack.enter_context(show_progress("replaying", begin.total))

    def _count(self, step: Step) -> None:
        self._taken += 1
        if step.result != "applied":
            self._listed.append(step)
        total = self._begin.total if self._begin is not None else 0
        self._move(self._taken)
        is_tenth = self._taken * TENTHS // total > (self._taken - 1) * TENTHS // total if total else False
        if is_tenth and not sys.stderr.isatty():
            click.echo(f"{self._taken:,} of {total:,}", err=True)


def list_warnings(begin: Begin) -> Iterator[str]:
    """What a person should know before."""
    if begin.is_live:
        yield "the candidate still answers users: it may take more writes; roll back first"
    for place in begin.unreadable:
        yield f"the journal can't be read whole: {show(place)}"


def draw_others(fleet: FleetView, rollout: str) -> None:
    """Where in the fleet more of the rollout's writes wait: a line each."""
    for replica in fleet.replicas:
        for journal in replica.journal:
            if replica.replica != fleet.replica and journal.rollout == rollout:
                click.echo(say_journal(replica, journal))


def list_cells(step: Step) -> tuple[object, ...]:
    """A write as a row."""
    at = datetime.fromtimestamp(step.time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    reason = "; ".join(filter(None, (step.reason, "sent before, and perhaps applied then" if step.is_again else "")))
    return at, step.route, f"{step.method} {step.target}", step.request_id, step.result, step.status, reason or None


def check(end: End, rollout: str) -> None:
    """Raise `CommandError` with what a person can do, unless the baseline took everything."""
    if end.stopped:
        raise CommandError(f"stopped with {end.left:,} left: {show(end.stopped)}")
    parts = [f"{end.failed:,} failed and are tried again by the next run"] if end.failed else []
    parts += [f"{end.refused:,} were refused and need a look"] if end.refused else []
    if parts:
        raise CommandError(f"of the writes of `{show(rollout)}` {'; '.join(parts)}")
