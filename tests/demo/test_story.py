"""The demo's story, played for real: two services, a gateway of several processes, and a load."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.demo import story
from gateway.demo.configuration import pace_of
from gateway.demo.desk import open_desk
from gateway.demo.scene import set_scene
from gateway.demo.shop import Diary
from gateway.demo.show import Show
from gateway.demo.story import Story, measure, perform
from gateway.demo.tally import Chapter, Fallback, Tally
from gateway.errors import CommandError

SECONDS = 6.0
"""Evidence takes a few more."""


def _make_console():
    return Console(file=io.StringIO(), width=120)


def _list_in_order(shown, *parts):
    """Where each part is found, each behind the one before; -1 from the first that is missing on."""
    places, place = [], 0
    for part in parts:
        place = shown.find(part, place) if place >= 0 else -1
        places.append(place)
    return places


async def test_the_gateway_goes_back_by_itself_and_every_promise_is_kept(monkeypatch):
    """Shadow, the bug, 5 %, 25 %, the fault, 0 %, the incident, and on again; no user moved wrong, no request lost."""
    monkeypatch.setattr(story, "GRACE_SECONDS", 0.0)  # the next test sees a plan to its end
    console = _make_console()
    is_kept = await perform(console, SECONDS, with_fault=True)
    shown = console.file.getvalue()
    acts = (
        "mode: shadow",
        "crossfade mismatches shop ",
        "$.price_with_tax (value) in ",
        "noise, not counted: $.also_bought (order), $.served_at (value)",
        "start: 0 % -> 5 %, by operator demo",
        "stage: 5 % -> 25 %, by plan",
        "fault: the new shop answers 500",
        "rollback: 25 % -> 0 %, by rule error_rate > 10% for 5s",
        "crossfade incidents ",
        "# shop was rolled back",
        "resume: 0 % -> 5 %, by operator demo",
        "the time is over before the plan is",
        "requests that it got after everybody was back: 0",
    )

    assert is_kept, shown
    assert -1 not in _list_in_order(shown, *acts), shown


async def test_without_a_fault_the_plan_is_completed_by_itself(monkeypatch):
    """5, 25, 100 %, each step by the plan."""
    monkeypatch.setattr(story, "GRACE_SECONDS", 60.0)  # evidence comes slowly on a machine that is busy
    console = _make_console()
    is_kept = await perform(console, SECONDS, with_fault=False)
    shown = console.file.getvalue()

    assert is_kept, shown
    assert -1 not in _list_in_order(shown, "start: 0 % -> 5 %", "5 % -> 25 %", "25 % -> 100 %", "complete"), shown
    assert "fault" not in shown.partition("staged fault")[0]


async def test_a_step_that_does_not_come_ends_the_story(monkeypatch):
    """The error says what was expected, and where the rollout stands instead."""
    monkeypatch.setattr(story, "PATIENCE_SECONDS", 0.0)
    tally, pace = Tally(), pace_of(SECONDS, with_fault=True)
    tally.begin_chapter(Chapter("", 0.0), now=0.0)
    with set_scene(pace) as here:
        await here.wait_until_ready()
        async with open_desk(here.admin_url) as desk:
            play = Story(here, desk, tally, Show(_make_console(), tally), pace)
            with pytest.raises(CommandError, match="nobody came within 0 s: it is pending at 0 %"):
                await play._wait_for(lambda _: False, 0.0, "nobody came")


def test_the_fault_is_measured_from_its_first_error_to_the_last_request():
    """What came after everybody was back is late."""
    before = Diary(asked=100, last_asked_at=12.5, failed=30, first_failed_at=10.0)
    after = Diary(asked=102, last_asked_at=17.0, failed=31, first_failed_at=10.0)

    assert measure(before, after) == Fallback(failed=31, seconds=2.5, late=2)


def test_a_fault_that_struck_nobody_took_no_time():
    """Where somebody went back before the first error."""
    assert measure(Diary(), Diary()) == Fallback(failed=0, seconds=0.0, late=0)
