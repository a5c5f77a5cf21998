"""The conductor: once a second, from what was counted to what the rules say, and from that to what happens.

It brings the parts together and decides nothing itself: sums and verdicts are the `Watches`', what follows from them is
the lifecycle's, storing it and putting it in force is `Rollouts`', what people are told though nothing changes `News`'.
Time is a monotonic clock's, so a clock that is set while the gateway runs neither skips a hold nor hangs one; a second
that took longer counts as what it took.

In a fleet the leader goes by what all gateways have counted. Those who follow judge nothing and have their own watches
ready: while the store is away each goes by these, and does only what keeps users from harm.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from gateway.control.decisions import describe_decision
from gateway.control.news import News
from gateway.control.rules import complete, list_rules, list_unmet
from gateway.control.watches import Watches
from gateway.core.conducting import Moment, Outcome, conduct, stage_of
from gateway.core.fleet import Role
from gateway.errors import Fenced, StoreConflict, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.control.gates import ExternalGates
    from gateway.control.membership import Membership
    from gateway.control.rollouts import Rollouts
    from gateway.control.rules import RuleState
    from gateway.control.watches import Clocks, Sight
    from gateway.core.plans import Guard, Query, Webhook
    from gateway.core.types import Rollout
    from gateway.core.verdicts import Judgement

TICK_SECONDS: Final = 1.0

PATIENCE_SECONDS: Final = 0.5
"""How long a tick waits for what it has set going: for ever it would be blind."""

RESTARTING: Final = frozenset({"start", "resume", "retry", "step_back", "rollback"})
"""The transitions behind which no window reaches."""

STAGING: Final = frozenset({"stage", "edit", "percent", "unset"})
"""Those that change the share: a stage's evidence begins anew with them."""

log = structlog.get_logger()


class _Seat:
    """What the conductor keeps of one rollout."""

    __slots__ = ("acting", "news", "outcome")

    def __init__(self, news: News) -> None:
        self.news = news
        self.outcome: Outcome | None = None
        """Of the last second in which it was judged; None while nobody judges here."""
        self.acting: dict[bool, asyncio.Task[None]] = {}
        """What is under way, by whether it is a rescue."""


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
        self._watches = Watches(sight, rollouts, clocks, membership)
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
        self._watches.take(second)
        self._arrange(plans, second)
        await self._gather(role, second)
        if self._rollouts.plans() is not plans:  # the file was read anew meanwhile: the next second goes by that
            return
        self._last = second
        if role in {Role.ALONE, Role.LEADER}:
            self._conduct(plans, second, passed)
        else:
            self._stand_by(plans, second, is_degraded=role is Role.DEGRADED)
        for name, rollout in plans.items():
            self._begin(name, rollout, tells=role is not Role.DEGRADED)
        await self._let_act()

    # Seeing.

    def _arrange(self, plans: Mapping[str, Rollout], second: float) -> None:
        """A seat for each rollout of the configuration; one that is watched anew has a new one."""
        fresh = self._watches.arrange(plans, second)
        self._seats = {name: self._seat(name) if name in fresh else self._seats[name] for name in plans}

    def _seat(self, name: str) -> _Seat:
        return _Seat(News(name, self._rollouts, self._sight, self._clocks))

    async def _gather(self, role: Role, second: float) -> None:
        """What the whole fleet counted, for who leads it; what the leader before has told people is told already."""
        if self._membership is None:
            return
        leading = self._membership.leading
        self._fence = leading.fence if role is Role.LEADER else None
        for name in await self._watches.gather(role, second):
            self._seats[name].news.recall(rule.judgement for rule in leading.verdicts.get(name, ()))
        if role is Role.LEADER:
            leading.verdicts = {}  # of the leader before; who watches anew later, as its plan was edited, is another

    # Judging.

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
        watch, progress, is_first = self._watches.of(name), self._rollouts.progress(name), seat.outcome is None
        seat.outcome = outcome = conduct(watch, rollout, progress, moment, self._ask_for(name))
        if is_first and self._membership is None:
            seat.news.recall_alone(rollout, outcome)
        return outcome

    def rules(self, name: str) -> list[RuleState]:
        """What each rule of a rollout said last, gates first."""
        if self._membership is not None and self._membership.role is Role.FOLLOWER:
            return self._membership.rules(name)
        seat = self._seats.get(name)
        return list_rules(seat.outcome) if seat is not None and seat.outcome is not None else []

    # Acting.

    def _ask_for(self, name: str) -> Callable[[Webhook | Query | Guard], Judgement]:
        return lambda gate: self._gates.judge(name, gate, self._inputs(name))

    def _inputs(self, name: str) -> dict[str, object]:
        """What a decision rests on, for whoever is asked outside."""
        rollout, progress = self._rollouts.plans()[name], self._rollouts.progress(name)
        table = self._rollouts.table
        return describe_decision(rollout, progress, self.rules(name), table.revision if table is not None else "")

    def _begin(self, name: str, rollout: Rollout, *, tells: bool) -> None:
        """Let happen what has to: one thing at a time, but a rescue does not wait for what waits for the store.

        Who does without the store ``tells`` people nothing: once it is back the leader does, who knows what was told.
        """
        seat = self._seats[name]
        outcome = seat.outcome
        if outcome is None or outcome.is_rescue in seat.acting:
            return
        if outcome.transition is not None or (tells and seat.news.is_any(rollout, outcome)):
            seat.acting[outcome.is_rescue] = asyncio.ensure_future(self._act(name, rollout, outcome, self._fence))

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

    async def _act(self, name: str, rollout: Rollout, outcome: Outcome, fence: int | None) -> None:
        try:
            if outcome.transition is not None:
                await self._rollouts.commit(name, complete(outcome.transition, self.rules(name)), fence)
            else:
                await self._seats[name].news.tell(rollout, outcome, self._watches.routes(name))
        except (StoreUnavailable, StoreConflict, Fenced) as error:
            log.warning("transition_waits", rollout=name, reason=str(error))  # it is found again in a second

    def _list_unmet(self, name: str) -> list[str]:
        stage = stage_of(self._rollouts.plans()[name], self._rollouts.progress(name))
        return list_unmet(self.rules(name), stage)

    def _follow(self, name: str, kind: str) -> None:
        """Something is in force, whoever did it: windows and evidence begin where they must."""
        seat = self._seats.get(name)
        if seat is None or kind not in RESTARTING | STAGING:
            return
        seat.news.turn_page()
        self._watches.begin(name, is_restart=kind in RESTARTING)
        if kind in RESTARTING:
            self._gates.restart(name)
        else:
            self._gates.forget(name)
