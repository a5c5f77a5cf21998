"""What the demo shows: a live table on a terminal, plain lines elsewhere, and the summary at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.control.findings import MismatchView
from gateway.core.types import Arm
from gateway.demo.drift import Drift
from gateway.demo.load import REQUESTS_PER_SECOND, USERS
from gateway.demo.tally import Answer, Chapter, Figures, Promise, Tally, summarize, summarize_by_path
from gateway.store.records import Event

Clock = Callable[[], float]

LIVE_SECONDS = 0.5
LINE_SECONDS = 3.0

INCIDENT_LINES = 21
"""The head of an incident: what fired, its values, and the worst path."""

DRIFT_ROWS = 4
"""Of the live table: the worst differences, and as many that are noise."""

COLOURS = {Arm.BASELINE: "cyan", Arm.CANDIDATE: "magenta"}


class Show:
    """Tells the story as it goes, in whichever way the console can."""

    def __init__(self, console: Console, tally: Tally, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._tally = tally
        self._clock = clock
        self._began_at = clock()

    def introduce(self, url: str, admin_url: str, file: Path, shops: Mapping[Arm, str]) -> None:
        """Where everything is, so that one can look oneself."""
        self._began_at = self._clock()
        rows = [
            ("gateway", f"{url}/api/products"),
            ("admin API", f"{admin_url}/api/v1/status"),
            ("configuration", str(file)),
            ("old shop", f"{shops[Arm.BASELINE]}  (baseline)"),
            ("new shop", f"{shops[Arm.CANDIDATE]}  (candidate)"),
            ("load", f"{REQUESTS_PER_SECOND:g} requests/s by {USERS} users"),
            ("look yourself", f"crossfade status --admin {admin_url}"),
        ]
        self._print("\n".join(f"  {name:<14} {value}" for name, value in rows))

    def tell(self, sentence: str) -> None:
        """Something happened."""
        self._print(f"{self._elapsed():5.1f} s  {sentence}")

    def tell_event(self, event: Event) -> None:
        """What the audit log says of it."""
        change = f": {event.before.percent:g} % -> {event.after.percent:g} %" if event.before and event.after else ""
        who = " ".join(part for part in (event.actor.type, event.actor.name) if part)
        reason = f" ({event.reason})" if event.reason and event.actor.name not in event.reason else ""
        self.tell(f"{event.kind}{change}, by {who}{reason}")

    def quote_incident(self, page: str) -> None:
        """The first lines of an incident."""
        lines = page.splitlines()
        rest = ["…"] if len(lines) > INCIDENT_LINES else []
        self._print("\n".join(f"  | {line}".rstrip() for line in [*lines[:INCIDENT_LINES], *rest]))

    def quote_drift(self, found: Drift) -> None:
        """What differs between the answers of both shops, and what does not count."""
        self._print("\n".join(f"  | {line}" for line in say_drift(found)))

    def conclude(self) -> None:
        """The summary: what was asked and seen, and whether the promises held."""
        tally = self._tally
        self._console.print(draw_chapters(tally.chapters))
        self._print(f"{tally.requests} requests{_say_fallback(tally)}, {len(tally.failed)} others failed")
        for promise in tally.list_promises():
            self._print(_say_promise(promise))
        if tally.found is not None:
            self._print("what differed between the answers of both shops, before the new one was mended:")
            self._print("\n".join(f"  {line}" for line in say_drift(tally.found)))

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Show the figures as long as the block lasts."""
        painter = asyncio.create_task(self._paint() if self._console.is_terminal else self._write_lines())
        try:
            yield
        finally:
            painter.cancel()
            await asyncio.wait([painter])

    async def _paint(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self.draw(), refresh=True)
                await asyncio.sleep(LIVE_SECONDS)

    async def _write_lines(self) -> None:
        while True:
            await asyncio.sleep(LINE_SECONDS)
            self._print(self.write_line())

    def draw(self) -> Group:
        """The live view: both arms, then every path."""
        recent, seconds = self._look_back()
        arms = split_arms(recent)
        table = _start_table("", "arm", "share", "requests/s", "p50 ms", "p95 ms", "errors")
        for arm in Arm:
            table.add_row(
                "all paths", Text(arm, COLOURS[arm]), _show_share(arms, arm), *_show_figures(arms[arm], seconds)
            )
        table.add_section()
        for path, sides in summarize_by_path(recent).items():
            for arm, figures in sides.items():
                table.add_row(path, Text(arm, COLOURS[arm]), "", *_show_figures(figures, seconds))
        return Group(Text(self._headline()), table, draw_drift(self._tally.list_drift()))

    def write_line(self) -> str:
        """Both arms in one line."""
        recent, seconds = self._look_back()
        arms = split_arms(recent)
        sides = [_write_arm(arms, arm, seconds) for arm in Arm]
        return f"{self._elapsed():5.1f} s  " + "  |  ".join([*sides, *_write_drift(self._tally.list_drift())])

    def _headline(self) -> str:
        chapter = self._tally.chapters[-1] if self._tally.chapters else Chapter("starting", 0)
        counts = f"{self._tally.requests} requests, {self._tally.staged_errors + len(self._tally.failed)} errors"
        return f"{self._elapsed():5.1f} s   {chapter.percent:g} %   {chapter.title}   {counts}"

    def _look_back(self) -> tuple[list[Answer], float]:
        """The recent answers, and over how many seconds they came."""
        now = self._clock()
        return self._tally.list_recent(now), self._tally.measure_window(now)

    def _elapsed(self) -> float:
        return self._clock() - self._began_at

    def _print(self, text: str) -> None:
        """As it is: no markup, no colours guessed, no line broken."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def split_arms(answers: Sequence[Answer]) -> dict[Arm, Figures]:
    """Each arm's figures."""
    return {arm: summarize(answer for answer in answers if answer.arm is arm) for arm in Arm}


def draw_drift(drift: Drift) -> Table:
    """The live view of what differs in the chapter, the worst first, and of what is noise."""
    table = _start_table(f"{drift.compared} answers compared", "field", "differs in", "rate", "")
    for views, word in ((drift.list_counted(), "counts"), (drift.list_noise(), "noise")):
        for view in views[:DRIFT_ROWS]:
            table.add_row(view.path, view.field, view.kind, _show_rate(view.rate), word)
    return table


def say_drift(found: Drift) -> list[str]:
    """What comparing has found, in words: each difference that counts with a sample, and what was set apart."""
    lines = [line for view in found.list_counted() for line in _say_difference(view)]
    noise = sorted({f"{view.field} ({view.kind})" for view in found.list_noise()})
    return [*lines, f"noise, not counted: {', '.join(noise) or 'none'}"]


def _say_difference(view: MismatchView) -> list[str]:
    line = f"{view.field} ({view.kind}) in {view.count} of {view.compared} answers of {view.path}"
    shown = [f"request {each.request_id}: {each.baseline} became {each.candidate}" for each in view.samples[:1]]
    return [": ".join([line, _show_rate(view.rate)]), *map("  {}".format, shown)]


def draw_chapters(chapters: list[Chapter]) -> Table:
    """One row per chapter: what was asked, what was seen."""
    table = _start_table("", "asked", "users", "seen", "requests", "errors")
    for chapter in chapters:
        table.add_row(
            chapter.title,
            f"{chapter.percent:g} %",
            str(len(chapter.users)),
            "-" if chapter.share is None else f"{chapter.share:.1f} %",
            str(chapter.requests),
            str(chapter.errors),
        )
    return table


def _say_fallback(tally: Tally) -> str:
    """How many requests the fault hit, and how many of those users noticed."""
    if tally.fallback is None:
        return ""
    return f", of which the new shop failed {tally.fallback.failed} and users saw {tally.staged_errors} fail"


def _say_promise(promise: Promise) -> str:
    bound = f" (at most {promise.most:g})" if promise.most else ""
    return f"  {'kept  ' if promise.is_kept else 'BROKEN'}  {promise.breach}: {round(promise.count, 1):g}{bound}"


def _start_table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for title in others:
        table.add_column(title, justify="right")
    return table


def _show_share(arms: Mapping[Arm, Figures], arm: Arm) -> str:
    requests = sum(figures.requests for figures in arms.values())
    return f"{100 * arms[arm].requests / requests:.1f} %" if requests else "-"


def _show_figures(figures: Figures, seconds: float) -> list[str]:
    rate = f"{figures.requests / seconds:.1f}" if seconds else "-"
    return [rate, _show_ms(figures.p50_ms), _show_ms(figures.p95_ms), str(figures.errors)]


def _show_rate(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f} %"


def _write_drift(drift: Drift) -> list[str]:
    """The difference that counts most."""
    return [f"{view.field} differs in {_show_rate(view.rate)}" for view in drift.list_counted()[:1]]


def _show_ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"


def _write_arm(arms: Mapping[Arm, Figures], arm: Arm, seconds: float) -> str:
    rate, p50, p95, errors = _show_figures(arms[arm], seconds)
    share = _show_share(arms, arm)
    return f"{arm:<9} {share:>7} {rate:>6}/s  p50 {p50:>5} ms  p95 {p95:>5} ms  {errors} errors"
