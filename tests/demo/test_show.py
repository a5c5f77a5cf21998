"""What the demo prints, on a terminal and without one."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from rich.console import Console

from gateway.control.findings import MismatchSample, MismatchView
from gateway.core.types import Arm
from gateway.demo.drift import Drift
from gateway.demo.show import INCIDENT_LINES, Show, say_drift
from gateway.demo.tally import Answer, Chapter, Fallback, Tally
from gateway.store.records import Actor, Event, Standing


class Clock:
    """Time that stands until it is moved."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def _make_show(*, is_terminal=False):
    tally, clock = Tally(), Clock()
    console = Console(file=io.StringIO(), width=120, force_terminal=is_terminal, color_system=None)
    return Show(console, tally, clock), tally, clock, console


def _note_some(tally, candidates=1, baselines=3, *, is_right=True):
    tally.begin_chapter(Chapter("a quarter", 25), now=101.0)
    for number in range(candidates + baselines):
        arm = Arm.CANDIDATE if number < candidates else Arm.BASELINE
        tally.note(Answer(102.0, f"user-{number}", "GET /api/products", arm, is_right, False, 0.02, tally.epoch))
    tally.settle(until=103.0)


def test_a_line_shows_both_arms():
    """Share, rate, latencies and errors of each side stand in one line that a log can keep."""
    show, tally, clock, _ = _make_show()
    _note_some(tally)
    clock.now = 103.0

    assert show.write_line() == (
        "  3.0 s  baseline   75.0 %    1.5/s  p50  20.0 ms  p95  20.0 ms  0 errors"
        "  |  candidate  25.0 %    0.5/s  p50  20.0 ms  p95  20.0 ms  0 errors"
    )


def test_a_line_without_traffic_claims_nothing():
    """No requests: no share and no latency, rather than zero."""
    show, _, _, _ = _make_show()

    assert "baseline        -    0.0/s  p50     - ms" in show.write_line()


def test_the_table_shows_every_path_under_its_arms():
    """The live view goes down to the path."""
    show, tally, clock, console = _make_show()
    _note_some(tally)
    clock.now = 103.0
    console.print(show.draw())
    shown = console.file.getvalue()

    assert "25 %   a quarter   4 requests, 0 errors" in shown
    assert shown.count("GET /api/products") == 2


def test_the_introduction_says_where_to_look(tmp_path):
    """URLs come first, so that one can look oneself while it runs."""
    show, _, _, console = _make_show()
    shops = {Arm.BASELINE: "http://127.0.0.1:1", Arm.CANDIDATE: "http://127.0.0.1:2"}
    show.introduce("http://127.0.0.1:3", "http://127.0.0.1:4", Path("shop.yaml"), shops)
    shown = console.file.getvalue()

    assert all(f"http://127.0.0.1:{port}" in shown for port in range(1, 5))
    assert "shop.yaml" in shown


def test_the_summary_says_that_promises_were_kept():
    """Each promise with its zero."""
    show, tally, _, console = _make_show()
    _note_some(tally, candidates=25, baselines=75)
    show.conclude()
    shown = console.file.getvalue()

    assert "25.0 %" in shown
    assert "kept    users who moved the wrong way: 0" in shown
    assert "BROKEN" not in shown


def test_the_summary_says_that_a_promise_was_broken():
    """Bad news is not softened."""
    show, tally, _, console = _make_show()
    _note_some(tally, is_right=False)
    show.conclude()

    assert "BROKEN  requests that failed without a staged fault: 4" in console.file.getvalue()


def test_the_summary_tells_bounds_and_what_the_fault_did():
    """A promise that is a bound shows it, and what users noticed stands beside what failed."""
    show, tally, _, console = _make_show()
    _note_some(tally, candidates=25, baselines=75)
    tally.fallback = Fallback(failed=30, seconds=2.4567, late=3)
    show.conclude()
    shown = console.file.getvalue()

    assert "100 requests, of which the new shop failed 30 and users saw 0 fail, 0 others failed" in shown
    assert "kept    seconds from its first error to the last request that it got: 2.5 (at most 20)" in shown
    assert "BROKEN  requests that it got after everybody was back: 3" in shown


def _make_view(field, kind, *, noise):
    sample = MismatchSample("r-1", "2026-01-01T00:00:00Z", 42.25, 42.24)
    counted = 0 if noise else 3
    return MismatchView(
        "shop", "/api/products/{id}", field, kind, 3, 40, 0.075, noise, None, [sample], counted, None, None
    )


DRIFT = Drift((_make_view("$.price", "value", noise=False), _make_view("$.served_at", "value", noise=True)), 50)


def test_what_differs_is_named_with_a_sample_and_set_apart_from_noise():
    """The last words of the summary, and the same when a person looks."""
    show, tally, _, console = _make_show()
    tally.found = DRIFT
    show.quote_drift(DRIFT)
    show.conclude()
    said = [
        "$.price (value) in 3 of 40 answers of /api/products/{id}: 7.5 %",
        "  request r-1: 42.25 became 42.24",
        "noise, not counted: $.served_at (value)",
    ]
    lines = console.file.getvalue().splitlines()

    assert lines[:3] == [f"  | {line}" for line in said]
    assert lines[-3:] == [f"  {line}" for line in said]


def test_where_nothing_differs_nothing_is_named():
    """Not even noise."""
    assert say_drift(Drift()) == ["noise, not counted: none"]


def test_the_live_view_shows_what_differs():
    """With its rate; a line has the worst, the table each, and what is noise."""
    show, tally, _, console = _make_show()
    tally.drift = DRIFT
    console.print(show.draw())
    shown = console.file.getvalue()

    assert show.write_line().endswith("  |  $.price differs in 7.5 %")
    assert "50 answers compared" in shown
    assert [line.split()[-1] for line in shown.splitlines() if "7.5 %" in line] == ["counts", "noise"]


def _make_event(kind, actor, reason, before=25.0, after=0.0):
    return Event(
        id=1,
        time="2026-01-01T00:00:00Z",
        rollout="shop",
        kind=kind,
        actor=actor,
        before=Standing("running", before),
        after=Standing("rolled_back", after),
        reason=reason,
        inputs={},
        revision="1",
    )


def test_an_event_is_a_line():
    """What, from where to where, and by whom; a reason that says no more than that is left out."""
    show, _, clock, console = _make_show()
    clock.now = 117.0
    show.tell_event(
        _make_event("rollback", Actor("rule", "errors > 3 for 5s"), "the guard errors > 3 for 5s is broken")
    )
    show.tell_event(_make_event("start", Actor("operator", "ann"), "ready", 0.0, 5.0))

    assert console.file.getvalue().splitlines() == [
        " 17.0 s  rollback: 25 % -> 0 %, by rule errors > 3 for 5s",
        " 17.0 s  start: 0 % -> 5 %, by operator ann (ready)",
    ]


def test_an_incident_is_quoted_from_its_beginning():
    """Its first lines, set apart, and a sign that there is more."""
    show, _, _, console = _make_show()
    show.quote_incident("\n".join(f"line {number}" for number in range(100)))
    lines = console.file.getvalue().splitlines()

    assert lines[0] == "  | line 0"
    assert lines[-1] == "  | …"
    assert len(lines) == INCIDENT_LINES + 1


async def test_a_terminal_gets_a_live_table_that_ends_with_the_block():
    """The table is taken away at the end; what was told stays."""
    show, tally, _, console = _make_show(is_terminal=True)
    _note_some(tally)
    async with show.run():
        await asyncio.sleep(0)
        show.tell("something happened")

    assert "something happened" in console.file.getvalue()
