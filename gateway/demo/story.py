"""The story: from 0 to 100 %, with a fault on the way.

Nothing watches the candidate yet (that comes in a later version), so the one who notices the fault and goes back is a
person: the demo plays the operator, who does it by editing the YAML.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rich.console import Console

from gateway.core.types import Arm
from gateway.demo.load import Load
from gateway.demo.scene import Scene, set_scene
from gateway.demo.shop import FAULT_PATH
from gateway.demo.show import Show
from gateway.demo.tally import Chapter, Tally

Clock = Callable[[], float]

LAST_ANSWERS_SECONDS = 1.0
"""Longer than the shop needs for its slowest answer: what was under way at the edit has ended by then."""

SEED = 1
"""The same people do the same things in every run."""


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the story."""

    title: str
    percent: float
    part: float
    """Its part of the story's time; all parts add up to 1."""
    is_failing: bool = False
    """Whether the candidate fails on one path meanwhile."""


WITH_FAULT = (
    Act("the old shop only", 0, 0.10),
    Act("the first users", 5, 0.15),
    Act("a quarter", 25, 0.14),
    Act("the new shop fails", 25, 0.08, is_failing=True),
    Act("back to the old shop", 0, 0.09),
    Act("the quarter again", 25, 0.14),
    Act("half", 50, 0.15),
    Act("the new shop only", 100, 0.15),
)
WITHOUT_FAULT = (
    Act("the old shop only", 0, 0.15),
    Act("the first users", 5, 0.20),
    Act("a quarter", 25, 0.20),
    Act("half", 50, 0.20),
    Act("the new shop only", 100, 0.25),
)


class Story:
    """Plays the acts one after the other, and tells what happens."""

    def __init__(self, scene: Scene, tally: Tally, show: Show, clock: Clock = time.monotonic) -> None:
        self._scene = scene
        self._tally = tally
        self._show = show
        self._clock = clock
        self._percent = 0.0
        self._is_failing = False

    async def play(self, acts: tuple[Act, ...], seconds: float) -> None:
        """All acts, within about so many seconds."""
        for act in acts:
            await self._begin(act)
            await asyncio.sleep(act.part * seconds)

    async def _begin(self, act: Act) -> None:
        chapter = Chapter(act.title, act.percent)
        edited_at = self._clock()
        if act.percent != self._percent:
            await self._turn_to(chapter)
        self._tally.begin_chapter(chapter, self._clock())
        if act.is_failing:
            await self._fail(act)
        elif self._is_failing:
            await self._mend(edited_at)

    async def _turn_to(self, chapter: Chapter) -> None:
        """What an operator does: edit one line, and see it in force."""
        self._tally.begin_change()
        chapter.in_force_after_seconds = await self._scene.edit(chapter.percent)
        self._percent = chapter.percent
        in_force = f"in force in every worker after {chapter.in_force_after_seconds:.2f} s"
        self._show.tell(f"edited: percent: {chapter.percent:g}, {in_force}  ({chapter.title})")

    async def _fail(self, act: Act) -> None:
        self._show.tell(f"fault: {act.title} on {FAULT_PATH}")
        await self._scene.stage_fault(is_failing=True)
        self._is_failing = True

    async def _mend(self, edited_at: float) -> None:
        """Let what was under way end, say how long errors went on, and make the candidate well again."""
        await asyncio.sleep(LAST_ANSWERS_SECONDS)
        seconds = max(0.0, (self._tally.last_staged_error_at or edited_at) - edited_at)
        self._show.tell(f"{self._tally.staged_errors} staged errors in all, the last {seconds:.2f} s after the edit")
        await self._scene.stage_fault(is_failing=False)
        self._is_failing = False


async def perform(console: Console, seconds: float, *, with_fault: bool) -> bool:
    """The whole demo; returns whether every promise held."""
    tally = Tally()
    show = Show(console, tally)
    with set_scene() as scene:
        await scene.wait_until_ready()
        show.introduce(scene.url, scene.admin_url, scene.file, {arm: scene.url_of(arm) for arm in Arm})
        async with Load(scene.url, tally, Random(SEED)).run(), show.run():
            await Story(scene, tally, show).play(WITH_FAULT if with_fault else WITHOUT_FAULT, seconds)
    show.conclude()
    return all(promise.count == 0 for promise in tally.list_promises())
