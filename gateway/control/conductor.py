"""The conductor: once a second, from what was counted to what the rules say, and from that to what happens.

It brings the parts together and decides nothing itself: sums and verdicts are a `Watch`'s, what follows from them is
the lifecycle's, storing it and putting it in force is `Rollouts`'. Time is a monotonic clock's, so a clock that is set
while the gateway runs neither skips a hold nor hangs one; a second that took longer counts as what it took.

A new controller finds what was counted before it in the windows and goes on with that; evidence begins anew with it.

In a fleet the leader goes by what all gateways have counted, in watches beside those of its own. Those who follow judge
nothing and have their own watches ready: while the store is away each goes by these, and does only what keeps users
from harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import structlog

from gateway.control.decisions import describe_decision
from gateway.control.readings import list_values
from gateway.control.recall import Newcomer, group, pick, recall, recall_by_steps, recall_told
from gateway.control.telling import blockage_of, notification_of
from gateway.core.conducting import Moment, Outcome, blocked_by, broken_quietly, conduct, list_untold, stage_of
from gateway.core.fleet import Role
from gateway.core.lifecycle import Transition
from gateway.core.verdicts import Judgement, Verdict
from gateway.core.watch import Watch
from gateway.errors import Fenced, StoreConflict, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.control.figures import Figures
    from gateway.control.findings import Finding
    from gateway.control.gates import ExternalGates
    from gateway.control.leading import Leading
    from gateway.control.membership import Membership
    from gateway.control.rollouts import Rollouts
    from gateway.core.figures import Subject
    from gateway.core.histogram import Buckets
    from gateway.core.plans import Guard, Query, Webhook
    from gateway.core.types import Rollout
    from gateway.core.windows import Windows
    from gateway.store.records import Event

TICK_SECONDS: Final = 1.0

PATIENCE_SECONDS: Final = 0.5
"""How long a tick waits for what it has set going: for ever it would be blind."""

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

    __slots__ = ("acting", "blocked", "fleet", "outcome", "own", "rollout", "routes", "told")

    def __init__(self, rollout: Rollout, routes: frozenset[str]) -> None:
        self.rollout = rollout
        self.routes = routes
        self.own = Watch(rollout, routes)
        """Of this gateway's requests."""
        self.fleet: Watch | None = None
        """Of all gateways', for who leads them."""
        self.outcome: Outcome | None = None
        self.told: dict[str, float] = {}
        """The rules that people were told of, and when each was broken last."""
        self.blocked: dict[str, float] = {}
        """The same of the gates that hold up the stage."""
        self.acting: dict[bool, asyncio.Task[None]] = {}
        """What is under way, by whether it is a rescue."""

    @property
    def watch(self) -> Watch:
        """The one to go by."""
        return self.own if self.fleet is None else self.fleet


class Clocks(NamedTuple):
    """The times that a conductor goes by."""

    monotonic: Callable[[], float]
    """Seconds; never goes back, and nobody sets it."""
    counting: Callable[[], float]
    """By which counts are recorded in the windows."""
    now: Callable[[], datetime]
    """The time of day."""


class Sight(NamedTuple):
    """What a conductor sees of this gateway."""

    figures: Figures
    serial: Callable[[], int]
    """Of the newest table."""
    waiting: Callable[[], Mapping[Subject, Buckets]] = dict
    """How long the requests under way have waited."""
    find_worst: Callable[[frozenset[str], str | None], Sequence[Finding]] = lambda _routes, _path: ()
    """What differs most on some routes (and on one path, if it is given)."""
    list_events: Callable[[str], Sequence[Event]] = lambda _name: ()
    """The newest of a rollout, whoever's they are."""


class Conductor:
    """See the module. ``membership`` is the gateway's in a fleet."""

    def __init__(
        self,
        sight: Sight,
        rollouts: Rollouts,
        gates: ExternalGates,
        clocks: Clocks,
        membership: Membership | None = None,
    ) -> None:
        self._sight = sight
        self._rollouts = rollouts
        self._gates = gates
        self._clocks = clocks
        self._membership = membership
        self._fence: int | None = None
        """The lease under which this gateway conducts; None while it does not, or is alone."""
        self._watched_under: int | None = None
        """The lease under which fleet watches were begun. They go on when it was interrupted for a moment."""
        self._seats: dict[str, _Seat] = {}
        self._last = clocks.monotonic()
        rollouts.followers.append(self._follow)
        rollouts.unmet = self._list_unmet
        if membership is not None:
            membership.leading.list_verdicts = lambda: {name: self.rules(name) for name in self._seats}

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
        passed = second - self._last
        role = self._membership.role if self._membership is not None else Role.ALONE
        plans = self._rollouts.plans()
        self._take(second)
        self._arrange(plans, second)
        await self._gather(role, second)
        if self._rollouts.plans() is not plans:  # the file was read anew meanwhile: the next second goes by that
            return
        self._last = second
        if role in {Role.ALONE, Role.LEADER}:
            self._conduct(plans, second, passed)
        else:
            self._stand_by(plans, second, is_degraded=role is Role.DEGRADED)
        for name, seat in self._seats.items():
            self._begin(name, seat)
        await self._let_act()

    def _conduct(self, plans: Mapping[str, Rollout], second: float, passed: float) -> None:
        """Judge, and let time pass."""
        changed = {}
        for name, rollout in plans.items():
            outcome = self._judge(name, rollout, second, passed)
            if outcome.progress is not self._rollouts.progress(name):
                changed[name] = outcome.progress
        self._rollouts.pass_time(changed)

    def _stand_by(self, plans: Mapping[str, Rollout], second: float, *, is_degraded: bool) -> None:
        """Judge only while nobody else does, and then let nothing happen but what keeps users from harm."""
        looked_at = {}
        for name, rollout in plans.items():
            seat = self._seats[name]
            seat.outcome = None
            if is_degraded:
                outcome = self._judge(name, rollout, second, 0.0)
                looked_at[name] = outcome.progress
                seat.outcome = outcome if outcome.is_rescue else outcome._replace(transition=None)
        self._rollouts.pass_time(looked_at)

    def _judge(self, name: str, rollout: Rollout, second: float, passed: float) -> Outcome:
        seat, moment = self._seats[name], Moment(second, passed, self._clocks.now().timestamp())
        seat.outcome = conduct(seat.watch, rollout, self._rollouts.progress(name), moment, self._ask_for(name))
        return seat.outcome

    def rules(self, name: str) -> list[RuleState]:
        """What each rule of a rollout said last, gates first."""
        if self._membership is not None and self._membership.role is Role.FOLLOWER:
            return self._membership.rules(name)
        seat = self._seats.get(name)
        if seat is None or seat.outcome is None:
            return []
        gates = [RuleState("", "gate", gate.text, None, said) for gate, said in seat.outcome.gates]
        guards = [RuleState("", "guard", each.when.text, str(each.do), said) for each, said in seat.outcome.guards]
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
        self._recall(self._sight.figures.windows, {name: seat.own for name, seat in fresh.items()}, second)

    def _recall(self, windows: Windows, watches: Mapping[str, Watch], second: float) -> None:
        """Let watches that have seen nothing yet begin with what was counted before."""
        newcomers = [
            Newcomer(watch, self._seats[name].rollout, self._seats[name].routes, self._rollouts.progress(name))
            for name, watch in watches.items()
        ]
        if newcomers:
            recall(windows, newcomers, self._clocks.counting(), second)

    def _take(self, second: float) -> None:
        """This gateway's own counts; in a fleet they are for the others, too."""
        counted, waiting = group(self._sight.figures.drain()), group(self._sight.waiting())
        for name, seat in self._seats.items():
            cells, ages = pick(seat.routes, counted), pick(seat.routes, waiting)
            seat.own.take(second, cells, ages)
            if self._membership is not None:
                self._membership.outbox.put(name, cells, ages)

    async def _gather(self, role: Role, second: float) -> None:
        """What the whole fleet counted, for who leads it."""
        if self._membership is None:
            return
        leading = self._membership.leading
        self._fence = leading.fence if role is Role.LEADER else None
        is_interrupted = role is Role.FOLLOWER and self._membership.fence == leading.fence
        if self._watched_under != leading.fence or not (role is Role.LEADER or is_interrupted):
            for seat in self._seats.values():
                seat.fleet = None
        if role is not Role.LEADER:
            return
        self._watched_under = leading.fence
        fresh = {name: seat for name, seat in self._seats.items() if seat.fleet is None}
        for name, seat in self._seats.items():
            cells, waiting = leading.figures.drain(name), leading.figures.waiting(name)
            if name not in fresh:
                seat.watch.take(second, cells, waiting)
        await self._recall_fleet(leading, fresh, second)

    async def _recall_fleet(self, leading: Leading, seats: Mapping[str, _Seat], second: float) -> None:
        """Begin with what all counted. Others have a turn between its steps: a large fleet's take seconds together."""
        began = {name: self._rollouts.progress(name) for name in seats}
        watches = {name: Watch(seat.rollout, seat.routes) for name, seat in seats.items()}
        newcomers = [Newcomer(watches[name], seat.rollout, seat.routes, began[name]) for name, seat in seats.items()]
        windows, at = leading.figures.windows, self._clocks.counting()
        for _ in recall_by_steps(windows, newcomers, at, second) if newcomers else ():
            await asyncio.sleep(0)
        for name, seat in seats.items():
            seat.fleet = watches[name]
            self._recall_told(name, seat, leading.verdicts.get(name, ()))
            if self._rollouts.progress(name).version != began[name].version:  # it has moved meanwhile
                seat.fleet.restart(self._clocks.monotonic())

    def _recall_told(self, name: str, seat: _Seat, rules: Sequence[RuleState]) -> None:
        """What the leader before, whose rules these were, has told people is told already."""
        said, now, second = [rule.judgement for rule in rules], self._clocks.now(), self._clocks.monotonic()
        told = recall_told(self._sight.list_events(name), said, self._rollouts.progress(name), now.timestamp())
        seat.told |= {rule: second - ago for rule, ago in told["notify"].items()}
        seat.blocked |= {rule: second - ago for rule, ago in told["blocked"].items()}

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
        if outcome.is_rescue not in seat.acting and (outcome.transition is not None or self._has_news(seat, outcome)):
            seat.acting[outcome.is_rescue] = asyncio.ensure_future(self._act(name, seat, outcome, self._fence))

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

    async def _act(self, name: str, seat: _Seat, outcome: Outcome, fence: int | None) -> None:
        try:
            if outcome.transition is not None:
                await self._rollouts.commit(name, self._complete(name, outcome.transition), fence)
            else:
                await self._tell(name, seat, outcome)
        except (StoreUnavailable, StoreConflict, Fenced) as error:
            log.warning("transition_waits", rollout=name, reason=str(error))  # it is found again in a second

    def _complete(self, name: str, transition: Transition) -> Transition:
        """What a plan does rests on the hold and on what the gates said."""
        if transition.actor != "plan":
            return transition
        gates = [{"id": rule.id, **list_values(rule.judgement)} for rule in self.rules(name) if rule.kind == "gate"]
        inputs = {"held_s": round(transition.before.held_seconds, 1), "gates": gates}
        return msgspec.structs.replace(transition, inputs=transition.inputs | inputs)

    def _list_unmet(self, name: str) -> list[str]:
        gates = [rule for rule in self.rules(name) if rule.kind == "gate"]
        stage = stage_of(self._rollouts.plans()[name], self._rollouts.progress(name))
        if stage is not None and len(gates) < len(stage.gates):
            return ["nobody has said yet what its gates say"]
        return [f"{gate.id} is {gate.judgement.verdict}" for gate in gates if gate.judgement.verdict is not Verdict.OK]

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
            worst = self._sight.find_worst(routes, judgement.path)
            await self._rollouts.tell(name, blockage_of(judgement, progress(name), worst))
            seat.blocked[rule] = clock()

    def _follow(self, name: str, kind: str) -> None:
        """Something is in force, whoever did it: windows and evidence begin where they must."""
        seat = self._seats.get(name)
        if seat is None or kind not in RESTARTING | STAGING:
            return
        second = self._clocks.monotonic()
        seat.blocked.clear()
        self._take(second)  # what was reported before the move is of before it, and counts go on with a stage
        self._sight.figures.begin(seat.routes, self._sight.serial())
        if self._membership is not None:
            self._membership.outbox.forget(name)
            self._membership.leading.figures.begin(name, self._rollouts.progress(name).version)
        for watch in (seat.own, seat.fleet) if seat.fleet is not None else (seat.own,):
            if kind in RESTARTING:
                watch.restart(second)
            else:
                watch.begin_stage(second)
        if kind in RESTARTING:
            self._gates.restart(name)
        else:
            self._gates.forget(name)


def _number(rules: list[RuleState]) -> list[RuleState]:
    """Each with an id: its name, and a number where several have the same."""
    seen: dict[str, int] = {}
    numbered = []
    for rule in rules:
        name = rule.judgement.rule
        seen[name] = number = seen.get(name, 0) + 1
        numbered.append(replace(rule, id=name if number == 1 else f"{name} ({number})"))
    return numbered
