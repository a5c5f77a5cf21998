"""The story: from nobody to everybody by a plan, and back at once when the new shop turns bad.

Nobody edits a percentage. A person reads what comparing has found, mends the bug, makes the plan live and starts it;
and after the rollback mends the new shop again and resumes. Everything else the gateway does by itself, and the story
waits for what it reads in the audit log, not for a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from rich.console import Console

from gateway.admin.rollouts import RolloutView
from gateway.core.lifecycle import Action
from gateway.core.progress import say_state
from gateway.core.types import Arm, Mode
from gateway.demo.configuration import PERCENTS, ROUTE, Pace, pace_of
from gateway.demo.desk import Desk, open_desk
from gateway.demo.load import Load
from gateway.demo.scene import Scene, set_scene
from gateway.demo.shop import FAULT_PATH, Diary
from gateway.demo.show import Show
from gateway.demo.tally import Chapter, Fallback, Tally
from gateway.errors import CommandError
from gateway.store.records import Event

Clock = Callable[[], float]

LOOK_SECONDS = 0.1
"""How often the story looks where the rollout is."""

DRIFT_SECONDS = 1.0
"""How often it looks what comparing has found."""

PATIENCE_SECONDS = 60.0
"""How much longer than planned the gateway may take for a step: evidence comes slowly on a machine that is busy."""

GRACE_SECONDS = 10.0
"""How much longer than asked the last act may go on, so that a plan that is nearly through gets there."""

LAST_PAIRS_SECONDS = 0.5
"""What was under way when the new shop was mended has been compared by then."""

LAST_ANSWERS_SECONDS = 2.0
"""Much longer than a shop needs for its slowest answer: what was under way has ended by then."""

SEED = 1
"""The same people do the same things in every run."""

TITLES = {0.0: "back to the old shop", 5.0: "the first users", 25.0: "a quarter", 100.0: "everybody"}
SHADOW_TITLE = "shadow: the old shop only"
FAULT_TITLE = "the new shop turns bad"
OTHER_TITLE = "as you like"
"""Whoever watches has the admin API, and may have set a percentage."""


class Story:
    """Plays its acts one after the other, and tells what happens meanwhile."""

    def __init__(
        self, scene: Scene, desk: Desk, tally: Tally, show: Show, pace: Pace, clock: Clock = time.monotonic
    ) -> None:
        self._scene = scene
        self._desk = desk
        self._tally = tally
        self._show = show
        self._pace = pace
        self._clock = clock
        self._incident = ""
        self._is_failing = False
        self._again = ""
        self._drift_due_at = 0.0

    async def play(self, seconds: float, *, with_fault: bool) -> None:
        """All acts, within about so many seconds. Raises `CommandError` when the gateway does not do its part."""
        ends_at = self._clock() + seconds + GRACE_SECONDS
        await self._shadow()
        await self._mend_bug()
        await self._go_live()
        if with_fault:
            await self._turn_bad()
            await self._fall_back()
            await self._resume()
        if not await self._watch_until(_is_completed, ends_at - self._clock()):
            self._show.tell("the time is over before the plan is")

    # The acts.

    async def _shadow(self) -> None:
        """The plan is there, but the new shop answers nobody."""
        self._tally.begin_chapter(Chapter(SHADOW_TITLE, 0.0), self._clock())
        self._show.tell("mode: shadow, so the new shop answers nobody; it gets copies, and answers are compared")
        await self._watch(self._pace.shadow_seconds)
        await self._wait_for(lambda _: self._tally.drift.is_told_apart, 0.0, "the bug is not told from the noise")

    async def _mend_bug(self) -> None:
        """A person reads what comparing has found, and mends it."""
        self._tally.found = self._tally.drift
        self._show.tell(f"crossfade mismatches {ROUTE} --admin {self._scene.admin_url}")
        self._show.quote_drift(self._tally.found)
        await self._scene.mend()
        self._show.tell("the new shop rounds as the old one does now")
        await self._watch(LAST_PAIRS_SECONDS)

    async def _go_live(self) -> None:
        """Two decisions of a person: the plan may go, and it goes now."""
        seconds = await self._scene.edit(Mode.LIVE)
        self._show.tell(f"edited: mode: live, in force in every worker after {seconds:.2f} s; a person starts the plan")
        await self._desk.act(Action.START, "everything is ready")

    async def _turn_bad(self) -> None:
        """In its second stage the new shop begins to fail."""
        await self._wait_for(_has_quarter, self._pace.hold_seconds[0], "the plan has not reached a quarter")
        await self._watch(self._pace.healthy_seconds)
        # From here on the baseline answers in the candidate's place, so sides prove nothing until everybody is back.
        self._tally.begin_change()
        self._is_failing = True
        view = await self._desk.look()
        self._tally.begin_chapter(Chapter(FAULT_TITLE, view.percent), self._clock(), is_settling=False)
        self._show.tell(f"fault: the new shop answers 500 to every GET {FAULT_PATH}")
        await self._scene.stage_fault(is_failing=True)

    async def _fall_back(self) -> None:
        """The gateway goes back by itself; then nothing may reach the new shop any more."""
        await self._wait_for(_is_rolled_back, 0.0, "the new shop fails, and the gateway has not gone back")
        await self._watch(LAST_ANSWERS_SECONDS)
        before = await self._scene.read_diary()
        await self._tell_incident()
        await self._watch(self._pace.aftermath_seconds)
        self._tally.fallback = measure(before, await self._scene.read_diary())

    async def _tell_incident(self) -> None:
        """The record that the gateway has made of it."""
        await self._wait_for(lambda _: bool(self._incident), 0.0, "the rollback left no incident")
        self._show.tell(f"crossfade incidents {self._incident} --admin {self._scene.admin_url}")
        self._show.quote_incident(await self._desk.read_incident(self._incident))

    async def _resume(self) -> None:
        """A person mends the new shop and begins again, without waiting for the cooldown."""
        await self._scene.stage_fault(is_failing=False)
        self._is_failing = False
        self._show.tell("the new shop is mended; a person resumes with --force, as the cooldown would take a day")
        self._again = ", again"
        await self._desk.act(Action.RESUME, "mended", force=True)

    # Looking on.

    async def _watch(self, seconds: float) -> None:
        """So many seconds, telling what happens."""
        await self._watch_until(lambda _: False, seconds)

    async def _wait_for(self, is_so: Callable[[RolloutView], bool], seconds: float, otherwise: str) -> None:
        """Until it is so, which is due in so many seconds; raises `CommandError` when it does not come."""
        patience = seconds + PATIENCE_SECONDS
        if await self._watch_until(is_so, patience):
            return
        view = await self._desk.look()
        waits = ", ".join(view.stage.waits_for) if view.stage is not None else ""
        standing = f"it is {say_state(view.state)} at {view.percent:g} %" + (f" and waits for {waits}" if waits else "")
        raise CommandError(f"{otherwise} within {patience:.0f} s: {standing}")

    async def _watch_until(self, is_so: Callable[[RolloutView], bool], seconds: float) -> bool:
        """Whether it is so within so many seconds; looks once at least."""
        give_up_at = self._clock() + seconds
        while not is_so(await self._look()):
            if self._clock() >= give_up_at:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _look(self) -> RolloutView:
        """See where the rollout stands and what the log says, and pass it on."""
        looked_at = self._clock()
        view = await self._desk.look()
        for event in await self._desk.read_events():
            self._hear(event)
        if looked_at >= self._drift_due_at:
            await self._look_at_drift()
        if view.percent == self._tally.chapters[-1].percent:
            self._tally.settle(looked_at)
        else:
            await self._turn_to(view.percent)
        return view

    async def _look_at_drift(self) -> None:
        self._drift_due_at = self._clock() + DRIFT_SECONDS
        self._tally.drift = await self._desk.read_drift()

    def _hear(self, event: Event) -> None:
        self._show.tell_event(event)
        self._incident = str(event.inputs.get("incident", self._incident))

    async def _turn_to(self, percent: float) -> None:
        """Another share is on its way: the next chapter begins when every worker has it."""
        self._tally.begin_change()
        await self._scene.wait_for(self._desk.is_in_force, "not every worker follows")
        await self._look_at_drift()
        title = TITLES.get(percent, OTHER_TITLE) + (self._again if percent < PERCENTS[-1] else "")
        is_settling = not self._is_failing or percent == 0
        self._tally.begin_chapter(Chapter(title, percent), self._clock(), is_settling=is_settling)


def _has_quarter(view: RolloutView) -> bool:
    """The plan reaches its second stage."""
    return view.percent >= PERCENTS[1]


def _is_rolled_back(view: RolloutView) -> bool:
    """The gateway goes back by itself."""
    return view.state == "rolled_back"


def _is_completed(view: RolloutView) -> bool:
    """The plan is over."""
    return view.state == "completed"


def measure(before: Diary, after: Diary) -> Fallback:
    """What became of the fault, from what the new shop wrote down when everybody was back, and a while later."""
    first, last = after.first_failed_at, before.last_asked_at
    seconds = max(0.0, last - first) if first is not None and last is not None else 0.0
    return Fallback(failed=after.failed, seconds=seconds, late=after.asked - before.asked)


async def perform(console: Console, seconds: float, *, with_fault: bool) -> bool:
    """The whole demo; returns whether every promise held."""
    tally = Tally()
    show = Show(console, tally)
    pace = pace_of(seconds, with_fault=with_fault)
    with set_scene(pace) as scene:
        await scene.wait_until_ready()
        show.introduce(scene.url, scene.admin_url, scene.file, {arm: scene.url_of(arm) for arm in Arm})
        async with (
            open_desk(scene.admin_url) as desk,
            Load(scene.url, tally, Random(SEED)).run(),
            show.run(),
        ):
            await Story(scene, desk, tally, show, pace).play(seconds, with_fault=with_fault)
    show.conclude()
    return all(promise.is_kept for promise in tally.list_promises())
