"""The conductor: once a second, from what was counted to what the rules say, and from that to what happens.

It brings the parts together and decides nothing itself: sums and verdicts are a `Watch`'s, what follows from them is
the lifecycle's, storing it and putting it in force is `Rollouts`'. Time is a monotonic clock's, so a clock that is set
while the gateway runs neither skips a hold nor hangs one; a second that took longer counts as what it took.

A new controller finds what was counted before it in the windows and goes on with that; evidence begins anew with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

import msgspec
import structlog

from gateway.control.decisions import describe_decision
from gateway.control.readings import list_values
from gateway.control.recall import Newcomer, recall
from gateway.control.rollouts import is_urgent
from gateway.control.telling import blockage_of, notification_of
from gateway.core.conducting import Moment, Outcome, blocked_by, broken_quietly, conduct
from gateway.core.lifecycle import Transition
from gateway.core.verdicts import Judgement, Verdict
from gateway.core.watch import Watch
from gateway.errors import StoreConflict, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.control.figures import Figures
    from gateway.control.findings import Finding
    from gateway.control.gates import ExternalGates
    from gateway.control.rollouts import Rollouts
    from gateway.core.figures import Subject
    from gateway.core.histogram import Buckets
    from gateway.core.plans import Guard, Query, Webhook
    from gateway.core.types import Rollout

TICK_SECONDS: Final = 1.0

PATIENCE_SECONDS: Final = 0.5
"""How long a tick waits for what it has set going: for ever it would be blind."""

WELL_SECONDS: Final = 300.0
"""How long a rule must have been well before people are told of it again: a rate near its bound comes and goes."""

RESTARTING: Final = frozenset({"start", "resume", "retry", "step_back", "rollback"})
"""The transitions behind which no window reaches."""

STAGING: Final = frozenset({"stage", "edit", "percent", "unset"})
"""Those that change the share: a stage's evidence begins anew with them."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule, and what it says now."""

    id: str
    """Unlike every other rule's of the rollout, and the same as long as the rule is."""
    kind: Literal["gate", "guard"]
    when: str
    do: str | None
    judgement: Judgement


class _Seat:
    """What the conductor keeps of one rollout."""

    __slots__ = ("acting", "blocked", "outcome", "rollout", "routes", "told", "watch")

    def __init__(self, rollout: Rollout, routes: frozenset[str]) -> None:
        self.rollout = rollout
        self.routes = routes
        self.watch = Watch(rollout, routes)
        self.outcome: Outcome | None = None
        self.told: dict[str, float] = {}
        """The rules that people were told of, and when each was broken last."""
        self.blocked: dict[str, float] = {}
        """The same of the gates that hold up the stage."""
        self.acting: dict[bool, asyncio.Task[None]] = {}
        """What is under way, by whether it is a rescue."""


class Clocks(NamedTuple):
    """The times that a conductor goes by."""

    monotonic: Callable[[], float]
    """Seconds; never goes back, and nobody sets it."""
    counting: Callable[[], float]
    """By which counts are recorded in the windows."""
    now: Callable[[], datetime]
    """The time of day."""


class Conductor:
    """See the module.

    ``waiting`` gives how long the requests under way have waited, ``worst`` what differs most on some routes (and on
    one path, if it is given).
    """

    def __init__(
        self,
        figures: Figures,
        rollouts: Rollouts,
        gates: ExternalGates,
        waiting: Callable[[], Mapping[Subject, Buckets]],
        clocks: Clocks,
        worst: Callable[[frozenset[str], str | None], Sequence[Finding]] = lambda _routes, _path: (),
    ) -> None:
        self._worst = worst
        self._figures = figures
        self._rollouts = rollouts
        self._gates = gates
        self._waiting = waiting
        self._clocks = clocks
        self._seats: dict[str, _Seat] = {}
        self._last = clocks.monotonic()
        rollouts.followers.append(self._follow)
        rollouts.unmet = self._list_unmet

    async def run(self) -> None:
        """Once a second, for ever."""
        due = self._clocks.monotonic()
        while True:
            due = max(due + TICK_SECONDS, self._clocks.monotonic())
            await asyncio.sleep(due - self._clocks.monotonic())
            await self.tick()

    async def tick(self) -> None:
        """Take in what was counted, judge, and act."""
        second = self._clocks.monotonic()
        passed, self._last = second - self._last, second
        plans = self._rollouts.plans()
        self._take(second)
        self._arrange(plans, second)
        now = self._clocks.now().timestamp()
        changed = {}
        for name, rollout in plans.items():
            seat, before = self._seats[name], self._rollouts.progress(name)
            outcome = conduct(seat.watch, rollout, before, Moment(second, passed, now), self._ask_for(name))
            seat.outcome = outcome
            if outcome.progress is not before:
                changed[name] = outcome.progress
        self._rollouts.pass_time(changed)
        for name, seat in self._seats.items():
            self._begin(name, seat)
        await self._let_act()

    def rules(self, name: str) -> list[RuleState]:
        """What each rule of a rollout said last, gates first."""
        seat = self._seats.get(name)
        if seat is None or seat.outcome is None:
            return []
        gates = [RuleState("", "gate", gate.text, None, judgement) for gate, judgement in seat.outcome.gates]
        guards = [
            RuleState("", "guard", guard.when.text, str(guard.do), judgement)
            for guard, judgement in seat.outcome.guards
        ]
        return _number([*gates, *guards])

    # Taking in.

    def _arrange(self, plans: Mapping[str, Rollout], second: float) -> None:
        """A seat for each rollout of the configuration; one whose plan or routes changed watches anew."""
        fresh = {}
        for name, rollout in plans.items():
            seat = self._seats.get(name)
            if seat is not None and seat.rollout is rollout:
                continue
            routes = frozenset(route.name for route in self._rollouts.routes(name))
            if seat is not None and seat.rollout.plan == rollout.plan and seat.routes == routes:
                seat.rollout = rollout
            else:
                fresh[name] = _Seat(rollout, routes)
        self._seats = {name: fresh.get(name) or self._seats[name] for name in plans}
        newcomers = [
            Newcomer(seat.watch, seat.rollout, seat.routes, self._rollouts.progress(name))
            for name, seat in fresh.items()
        ]
        if newcomers:
            recall(self._figures.windows, newcomers, self._clocks.counting(), second)

    def _take(self, second: float) -> None:
        counted, waiting = _by_route(self._figures.drain()), _by_route(self._waiting())
        for seat in self._seats.values():
            seat.watch.take(second, _of(seat.routes, counted), _of(seat.routes, waiting))

    # Acting.

    def _ask_for(self, name: str) -> Callable[[Webhook | Query | Guard], Judgement]:
        return lambda gate: self._gates.judge(name, gate, self._inputs(name))

    def _inputs(self, name: str) -> dict[str, object]:
        """What a decision rests on, for whoever is asked outside."""
        rollout, progress = self._rollouts.plans()[name], self._rollouts.progress(name)
        table = self._rollouts.table
        return describe_decision(rollout, progress, self.rules(name), table.revision if table is not None else "")

    def _begin(self, name: str, seat: _Seat) -> None:
        """Let happen what has to: one thing at a time, but a rescue does not wait for what waits for the store."""
        outcome = seat.outcome
        if outcome is None:
            return
        is_rescue = outcome.transition is not None and is_urgent(outcome.transition)
        if is_rescue not in seat.acting and (outcome.transition is not None or self._has_news(seat, outcome)):
            seat.acting[is_rescue] = asyncio.ensure_future(self._act(name, seat, outcome))

    async def _let_act(self) -> None:
        """Give what has begun a moment. Raises what it raises: the master starts a new controller."""
        acting = [task for seat in self._seats.values() for task in seat.acting.values()]
        if acting:
            await asyncio.wait(acting, timeout=PATIENCE_SECONDS)
        for seat in self._seats.values():
            for is_rescue, task in [*seat.acting.items()]:
                if task.done():
                    del seat.acting[is_rescue]
                    task.result()

    async def _act(self, name: str, seat: _Seat, outcome: Outcome) -> None:
        try:
            if outcome.transition is not None:
                await self._rollouts.commit(name, self._complete(name, outcome.transition))
            else:
                await self._tell(name, seat, outcome)
        except (StoreUnavailable, StoreConflict) as error:
            log.warning("transition_waits", rollout=name, reason=str(error))  # it is found again in a second

    def _complete(self, name: str, transition: Transition) -> Transition:
        """What a plan does rests on the hold and on what the gates said."""
        if transition.actor != "plan":
            return transition
        gates = [{"id": rule.id, **list_values(rule.judgement)} for rule in self.rules(name) if rule.kind == "gate"]
        inputs = {"held_s": round(transition.before.held_seconds, 1), "gates": gates}
        return msgspec.structs.replace(transition, inputs=transition.inputs | inputs)

    def _list_unmet(self, name: str) -> list[str]:
        rules = [rule for rule in self.rules(name) if rule.kind == "gate" and rule.judgement.verdict is not Verdict.OK]
        return [f"{rule.id} is {rule.judgement.verdict}" for rule in rules]

    def _has_news(self, seat: _Seat, outcome: Outcome) -> bool:
        """Whether there is anything that people are to be told though nothing changes."""
        second = self._clocks.monotonic()
        untold = list_untold(seat.told, broken_quietly(outcome), second)
        return bool(list_untold(seat.blocked, blocked_by(seat.rollout, outcome), second) or untold)

    async def _tell(self, name: str, seat: _Seat, outcome: Outcome) -> None:
        clock, progress = self._clocks.monotonic, self._rollouts.progress
        for rule, judgement in list_untold(seat.told, broken_quietly(outcome), clock()).items():
            await self._rollouts.tell(name, notification_of(judgement, progress(name)))
            seat.told[rule] = clock()
        for rule, judgement in list_untold(seat.blocked, blocked_by(seat.rollout, outcome), clock()).items():
            routes = frozenset({judgement.route}) if judgement.route is not None else seat.routes
            worst = self._worst(routes, judgement.path)
            await self._rollouts.tell(name, blockage_of(judgement, progress(name), worst))
            seat.blocked[rule] = clock()

    def _follow(self, name: str, transition: Transition) -> None:
        """Something is in force, whoever did it: windows and evidence begin where they must."""
        seat = self._seats.get(name)
        if seat is None:
            return
        second = self._clocks.monotonic()
        if transition.kind in RESTARTING | STAGING:
            seat.blocked.clear()
        if transition.kind in RESTARTING:
            seat.watch.restart(second)
            self._gates.restart(name)
        elif transition.kind in STAGING:
            seat.watch.begin_stage(second)
            self._gates.forget(name)


def list_untold(told: dict[str, float], broken: Mapping[str, Judgement], second: float) -> dict[str, Judgement]:
    """What of ``broken`` people were not ``told`` of since it was well for a while: what comes and goes is one thing.

    What they were told of, and is well for long enough by now, is taken out of ``told``.
    """
    for rule in [rule for rule, at in told.items() if second - at >= WELL_SECONDS]:
        del told[rule]
    told.update({rule: second for rule in broken if rule in told})
    return {rule: judgement for rule, judgement in broken.items() if rule not in told}


_Each = TypeVar("_Each")


def _by_route(subjects: Mapping[Subject, _Each]) -> dict[str, dict[Subject, _Each]]:
    found: dict[str, dict[Subject, _Each]] = {}
    for subject, each in subjects.items():
        found.setdefault(subject.route, {})[subject] = each
    return found


def _of(routes: frozenset[str], by_route: Mapping[str, dict[Subject, _Each]]) -> dict[Subject, _Each]:
    if len(routes) == 1:
        return by_route.get(next(iter(routes)), {})
    return {subject: each for route in routes for subject, each in by_route.get(route, {}).items()}


def _number(rules: list[RuleState]) -> list[RuleState]:
    """Each with an id: its name, and a number where several have the same."""
    seen: dict[str, int] = {}
    numbered = []
    for rule in rules:
        name = rule.judgement.rule
        seen[name] = number = seen.get(name, 0) + 1
        numbered.append(replace(rule, id=name if number == 1 else f"{name} ({number})"))
    return numbered
