"""What was before: a new controller, a new leader, or an edited plan goes on with it.

What was counted before a watch began is taken in by it, and what people were told nobody tells them again.

The windows of the whole gateway are cut into steps once for all watches, as far back as their rules look; what a gate
rests on, everything since its stage began, comes as one sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from gateway.core.conducting import name_blockage
from gateway.core.plans import Guard, Rule
from gateway.core.verdicts import Verdict
from gateway.core.windows import DAY, Cells, Windows

if TYPE_CHECKING:
    from gateway.core.figures import Subject
    from gateway.core.lifecycle import Progress
    from gateway.core.types import Rollout
    from gateway.core.verdicts import Judgement
    from gateway.core.watch import Watch
    from gateway.store.records import Event


Each = TypeVar("Each")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A watch that has seen nothing yet, and whose it is."""

    watch: Watch
    rollout: Rollout
    routes: frozenset[str]
    progress: Progress

    def is_mine(self, subject: Subject) -> bool:
        """Whether a subject's requests are the rollout's."""
        return subject.route in self.routes

    @property
    def stage_since(self) -> float:
        """Where the stage's evidence begins: arms that another share filled say nothing about each other."""
        return max(self.progress.stage_since, self.progress.share_since)


def recall(windows: Windows, newcomers: Sequence[Newcomer], at: float, second: float) -> None:
    """Let the watches take in what was counted until ``at``, which is ``second`` on their clock."""
    for _ in recall_by_steps(windows, newcomers, at, second):
        pass


def recall_by_steps(windows: Windows, newcomers: Sequence[Newcomer], at: float, second: float) -> Iterator[None]:
    """The same little by little, for who has something else to do: of a large fleet all of it takes seconds."""
    back = max((look_back(newcomer.rollout) for newcomer in newcomers), default=0.0)
    for newcomer in newcomers:
        _begin(windows, newcomer, at, second, back)
        yield
    step_seconds, times = windows.cut(at - back, at)
    for begins in times:  # never all of them at once: that would be a million cells
        ends = second - max(0.0, at - begins - step_seconds)
        by_route = group(windows.sum(begins, begins + step_seconds - 1))
        for newcomer in newcomers:
            _take(newcomer, (begins, ends), step_seconds, by_route)
        yield


def group(subjects: Mapping[Subject, Each]) -> dict[str, dict[Subject, Each]]:
    """By route: to look through all of them for each rollout takes long where there are many."""
    found: dict[str, dict[Subject, Each]] = {}
    for subject, each in subjects.items():
        found.setdefault(subject.route, {})[subject] = each
    return found


def pick(routes: frozenset[str], by_route: Mapping[str, dict[Subject, Each]]) -> dict[Subject, Each]:
    """What is of these routes."""
    if len(routes) == 1:
        return by_route.get(next(iter(routes)), {})
    return {subject: each for route in routes for subject, each in by_route.get(route, {}).items()}


def _begin(windows: Windows, newcomer: Newcomer, at: float, second: float, back: float) -> None:
    """Where the watch begins, and what was before its rules' windows."""
    watch, progress = newcomer.watch, newcomer.progress
    began = max(progress.watched_since, at - DAY)
    watch.restart(second - max(0.0, at - began))
    since = max(began, newcomer.stage_since)
    if since < at - back:
        if since > began:
            watch.begin_stage(second - (at - since))
        watch.take(second - back, windows.sum(since, at - back - 1, newcomer.is_mine))


def _take(newcomer: Newcomer, step: tuple[float, float], step_seconds: float, by_route: Mapping[str, Cells]) -> None:
    """One step, which begins by the windows' clock and ends by the watch's."""
    progress, (begins, ends) = newcomer.progress, step
    if begins < int(progress.watched_since):
        return
    # A first stage begins with the watch itself: begun a moment later, its evidence would miss the rules' first start.
    if begins >= newcomer.stage_since > max(begins - step_seconds, progress.watched_since):
        newcomer.watch.begin_stage(ends)
    newcomer.watch.take(ends, pick(newcomer.routes, by_route))


def recall_told(
    events: Iterable[Event], said: Iterable[Judgement], progress: Progress, now: float
) -> dict[str, dict[str, float]]:
    """How many seconds ago a rule was broken of which people were told, by the kind of the event that told them.

    By a rollout's newest ``events``, up to ``now`` (Unix time). A rule that was not ok by what the former leader
    ``said`` last has been broken ever since it was told. What held up another stage is another matter.
    """
    broken = {name_blockage(each.rule, each.reason) for each in said if each.verdict is not Verdict.OK}
    since = max(progress.stage_since, progress.share_since, progress.watched_since)
    told: dict[str, dict[str, float]] = {"notify": {}, "blocked": {}}
    for event in events:
        at = datetime.fromisoformat(event.time).timestamp()
        if event.kind == "notify" or (event.kind == "blocked" and at >= since):
            rule = name_blockage(str(event.inputs.get("rule")), str(event.inputs.get("reason")))
            told[event.kind][rule] = 0.0 if rule in broken else max(0.0, now - at)
    return told


def look_back(rollout: Rollout) -> float:
    """The longest window of its rules, in seconds."""
    plan = rollout.plan
    guards: Iterable[Guard] = (*plan.guards, *(guard for stage in plan.stages for guard in stage.guards))
    rules = [guard.when for guard in guards] + [gate for stage in plan.stages for gate in stage.gates]
    return max((rule.window_seconds for rule in rules if isinstance(rule, Rule)), default=0.0)
