"""All rollouts at a glance: a row each, made once for everybody who looks.

How rollouts stand is looked up at most once a second, what their arms did is counted every `COUNT_SECONDS` in a thread.
Whoever asks in between gets what there is; while nobody asks, nothing is done. Each line has a serial, by which viewers
see what is new to them.
"""

from __future__ import annotations

import asyncio
import itertools
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from aiohttp import web

from gateway.admin.control import compute
from gateway.admin.rollouts import StageView, find_cooldown, view_stage
from gateway.admin.status import StatusView, view_status
from gateway.control.minute import LastMinute, Minute
from gateway.control.paths import show_ms
from gateway.core.histogram import quantile
from gateway.core.types import Arm
from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.admin.control import Call, Control
    from gateway.control.standing import RolloutState
    from gateway.core.windows import Cell
    from gateway.store.records import Event

LOOK_SECONDS: Final = 0.9
"""For so long a look counts as of now: everybody who looks once a second shares it."""
COUNT_SECONDS: Final = 5.0

_LONGEST_REASON: Final = 160
_PAGE: Final = 1000


class ArmGlance(msgspec.Struct, frozen=True):
    """What one arm did over the last minute. Rates and latencies have three digits: more is noise to the eye."""

    requests: int = 0
    per_second: float = 0.0
    error_rate: float | None = None
    """0 to 1; null without requests."""
    p99: float | None = None
    """In milliseconds."""


class LastEvent(msgspec.Struct, frozen=True):
    """What happened last to a rollout."""

    id: int
    time: str
    """RFC 3339, UTC."""
    kind: str
    reason: str
    """The beginning of it, where it is long."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollout's arms did over the last minute."""

    candidate: ArmGlance = ArmGlance()
    baseline: ArmGlance = ArmGlance()
    compared: int = 0
    """Copies of the last minute whose answer was held against the user's."""
    mismatch_rate: float | None = None
    """The share of those that differed in more than noise, 0 to 1; null when nothing was compared."""


class OverviewRow(Figures, frozen=True, kw_only=True):
    """A rollout at a glance."""

    name: str
    mode: Literal["off", "shadow", "live"]
    state: Literal["pending", "running", "waiting", "paused", "rolled_back", "completed"]
    percent: float
    """The share in force now, 0 to 100."""
    source: Literal["file", "plan", "operator", "switch"]
    """Who or what set it."""
    stage: StageView | None
    """Null for a fixed percentage, and while nobody has started the plan."""
    stages: list[float]
    """The percentages of the plan."""
    routes: list[str]
    to_shadow: bool
    cooldown_until: str | None
    last_event: LastEvent | None
    read: bool = True
    """Whether the store was read since the start of this gateway: else it does not know how the rollout stands."""


class Overview(msgspec.Struct, frozen=True):
    """Rollouts at a glance."""

    rows: list[OverviewRow]
    """In the configuration's order; in the stream those that have changed, in any order."""
    gone: list[str]
    """In the stream: rollouts that are no longer configured."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row, and whether it is news."""

    row: OverviewRow
    standing: OverviewRow
    """The row without what changes all the time: its figures, and the hold that runs down."""
    figures: Figures
    serial: int
    """Another one when the row says something else, but for a hold that has gone on."""


@dataclass(frozen=True, slots=True)
class Look:
    """The gateway at one moment, as all viewers see it."""

    status: StatusView
    lines: Mapping[str, Line]
    """By rollout, in the configuration's order."""
    newest_id: int | None
    """Of the audit log's events, 0 before the first; None while the store can't be read."""


async def show_overview(call: Call) -> Overview:
    """All rollouts at a glance, with what both arms did over the last minute.

    The stream's `overview` events bring the same: first all rows, then those that have changed.
    """
    look = await call.request.app[OVERVIEWS_KEY].look()
    return Overview([line.row for line in look.lines.values()], [])


class Overviews:
    """See the module. One for all who look."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._log = Log(control)
        self._last_minute = LastMinute(control.figures.windows, control.figures.started_at)
        self._figures: Mapping[str, Figures] = {}
        self._counted_at = self._looked_at = float("-inf")
        self._look = Look(view_status(control), {}, None)
        self._serials = itertools.count(1)
        self._turn = asyncio.Lock()
        control.rollouts.followers.append(self._follow)

    async def look(self) -> Look:
        """How all stand now: what has moved is seen at once, the rest within a second."""
        async with self._turn:
            loop_time = asyncio.get_running_loop().time()
            if loop_time - self._looked_at >= LOOK_SECONDS:
                self._looked_at = loop_time
                await self._renew(loop_time)
        return self._look

    def _follow(self, _name: str, _kind: str) -> None:
        self._looked_at = float("-inf")

    async def _renew(self, loop_time: float) -> None:
        await self._log.read()
        if loop_time - self._counted_at >= COUNT_SECONDS:
            routes = {state.name: state.routes for state in self._control.rollouts.states()}
            self._figures = await compute(self._count, routes, self._control.now().timestamp())
            self._counted_at = loop_time
        lines = {state.name: self._draw(state) for state in self._control.rollouts.states()}
        self._look = Look(view_status(self._control), lines, self._log.newest_id)

    def _count(self, routes: Mapping[str, tuple[str, ...]], now: float) -> dict[str, Figures]:
        minute = self._last_minute.look(now)
        return {name: glance(minute, shared) for name, shared in routes.items()}

    def _draw(self, state: RolloutState) -> Line:
        """The line of a rollout, with the former serial where it says the same."""
        stage = view_stage(state, self._control.rules(state.name))
        standing = view_standing(state, stage, self._log.last.get(state.name), is_read=self._control.has_read)
        figures = self._figures.get(state.name, Figures())
        row = msgspec.structs.replace(standing, stage=stage, **msgspec.structs.asdict(figures))
        former = self._look.lines.get(state.name)
        is_same = former is not None and former.standing == standing and former.figures == figures
        return Line(row, standing, figures, former.serial if former and is_same else next(self._serials))


OVERVIEWS_KEY: Final = web.AppKey("overviews", Overviews)


class Log:
    """What of the audit log a glance shows: the last event of each rollout. Read on from where it was read to."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self.newest_id: int | None = None
        """None until the store could be read."""
        self.last: dict[str, LastEvent] = {}

    async def read(self) -> None:
        """Take in what is new."""
        with suppress(StoreUnavailable):  # the status says so
            if self.newest_id is None:
                self._take(await self._control.store.last_events())
            while events := await self._control.store.events(self.newest_id or 0, _PAGE):
                self._take(events)

    def _take(self, events: Sequence[Event]) -> None:
        self.newest_id = max((event.id for event in events), default=0)
        for event in events:
            if event.rollout is not None:
                shown = textwrap.shorten(event.reason, _LONGEST_REASON, placeholder=" …")
                self.last[event.rollout] = LastEvent(event.id, event.time, event.kind, shown)


def view_standing(
    state: RolloutState, stage: StageView | None, last: LastEvent | None, *, is_read: bool
) -> OverviewRow:
    """The row of a rollout without what changes all the time."""
    return OverviewRow(
        name=state.name,
        mode=state.rollout.mode.value,
        state=state.progress.state.value,
        percent=state.percent,
        source=state.source,
        stage=stage and msgspec.structs.replace(stage, hold_left_s=0.0),
        stages=[each.percent for each in state.rollout.plan.stages],
        routes=list(state.routes),
        to_shadow=state.progress.to_shadow,
        cooldown_until=find_cooldown(state),
        last_event=last,
        read=is_read,
    )


def glance(minute: Minute, routes: Sequence[str]) -> Figures:
    """What a rollout's arms did, over all its routes."""
    candidate, baseline = (minute.take(routes, arm) for arm in (Arm.CANDIDATE, Arm.BASELINE))
    return Figures(
        candidate=_view_arm(candidate, minute.seconds),
        baseline=_view_arm(baseline, minute.seconds),
        compared=candidate.compared,
        mismatch_rate=_divide(candidate.mismatches, candidate.compared),
    )


def _view_arm(cell: Cell, seconds: float) -> ArmGlance:
    p99 = show_ms(quantile(cell.latencies, 0.99))
    return ArmGlance(
        requests=cell.requests,
        per_second=shorten(cell.requests / seconds),
        error_rate=_divide(cell.error_count, cell.requests),
        p99=None if p99 is None else shorten(p99),
    )


def _divide(count: int, of: int) -> float | None:
    return shorten(count / of) if of else None


def shorten(number: float) -> float:
    """The number with three digits that count."""
    return float(f"{number:.3g}")
