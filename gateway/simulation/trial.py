"""One simulated life of a rollout, from its start to its end, on a virtual clock of a tick a second.

Each second the traffic's counts go into the same `Watch`, and `conduct` judges and moves on as in a gateway. External
gates answer ok. A plan is started at once, and a person approves at once what waits for approval, unless nobody is
there to. A trial ends

- when its time is over,
- when the rollout is rolled back and does not start again by itself, or is paused: a person has to look,
- when it is completed, no fault is still to come, and one that came has been there for an hour.

The time in which a rollback cools down is skipped: the candidate has no traffic then, and no window reaches behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, expm1
from random import Random
from typing import Final, Literal

import msgspec

from gateway.core import lifecycle
from gateway.core.conducting import Moment, Outcome, broken_quietly, conduct
from gateway.core.figures import Subject
from gateway.core.lifecycle import Action, State, Transition
from gateway.core.plans import QUANTILES, Guard, Query, Webhook
from gateway.core.shadowing import Shadow
from gateway.core.types import Arm, Rollout
from gateway.core.verdicts import Judgement, Verdict
from gateway.core.watch import Watch
from gateway.core.windows import HOUR, Cell
from gateway.simulation.faults import Condition, Fault, pick_broken, strike
from gateway.simulation.traffic import Place, Stream, Traffic, share_of_requests

AFTERMATH_SECONDS: Final = HOUR
"""How long a completed rollout is looked at after a fault."""

FIXED_SECONDS: Final = HOUR
"""How long a fixed percentage is looked at when nobody says: it has no stages that would end."""

QUIET_SECONDS: Final = 600.0
"""By then a fault of a fixed percentage has struck, when nobody says when."""

_RESTARTING: Final = frozenset({"start", "resume", "retry", "step_back", "rollback"})
_ACTING: Final = frozenset({"rollback", "step_back", "pause"})

Observe = Callable[[float, float, Mapping[Subject, Cell], Outcome], None]
"""Told of each second: which, the percentage in force, what was counted, what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated."""

    rollout: Rollout
    """The configuration's, with its plan."""
    places: tuple[Place, ...]
    traffic: Traffic
    faults: tuple[Fault, ...] = ()
    fault_at_seconds: float | None = None
    """Since the start; None: at a random time of the stage ``fault_stage``."""
    fault_stage: int = 0
    """The index of a stage."""
    bound_seconds: float | None = None
    """When the simulation ends in any case; None: `usual_bound`."""
    is_approved: bool = True
    shadows: Mapping[str, Shadow] = field(default_factory=dict)
    """By route, of those that have one."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the rollout did, or that was done to it."""

    second: float
    """Since the start."""
    kind: str
    """Of the event that a gateway would have recorded, or ``fault``."""
    actor: Literal["operator", "rule", "plan", "file", "fault"]
    stage: int
    """From 1; of a fixed percentage 1."""
    percent: float
    """In force from now on."""
    text: str
    """The rule, or what happened."""
    judgement: Judgement | None = None
    """What the rule said."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Counts are the candidate's since the fault; without one they are 0."""

    seed: int
    seconds: float
    """How long it went."""
    state: str
    percent: float
    """In the end."""
    fault_second: float | None = None
    """When the fault struck; None: there was none, or it was over before."""
    acted_second: float | None = None
    """When a guard first rolled back, stepped back or paused for the fault."""
    detection_seconds: float | None = None
    false_alarms: tuple[str, ...] = ()
    """The rules that rolled back though nothing was wrong with the candidate alone."""
    false_acts: tuple[str, ...] = ()
    """Likewise, those that paused or stepped back."""
    requests_hit: int = 0
    errors_hit: int = 0
    keys_hit: int = 0
    """Distinct ones, as many as to be expected."""
    happenings: tuple[Happening, ...] = ()


def usual_bound(scenario: Scenario) -> float:
    """Twice the plan's time, retries and cooldowns included, and an hour: enough, unless gates stay shut."""
    plan = scenario.rollout.plan
    held = sum(stage.hold_seconds for stage in plan.stages)
    planned = 2 * held * (1 + plan.retries) + plan.retries * plan.cooldown_seconds
    return planned + FIXED_SECONDS + (scenario.fault_at_seconds or 0.0)


def run_trial(scenario: Scenario, seed: int, observe: Observe | None = None) -> Trial:
    """Simulate it once. The same scenario and seed give the same trial."""
    course = _Course(scenario, seed, observe)
    while not course.is_over():
        course.tick()
    return course.conclude()


class _Course:
    """A trial under way."""

    def __init__(self, scenario: Scenario, seed: int, observe: Observe | None) -> None:
        self._scenario = scenario
        self._rollout = scenario.rollout
        self._seed = seed
        self._observe = observe
        self._dice = Random(seed)  # noqa: S311 - dice that can be thrown again, nothing secret
        self._stream = Stream(scenario.traffic, scenario.places, self._dice, scenario.shadows)
        self._broken = pick_broken(scenario.faults, len(scenario.places), self._dice)
        self._bound = usual_bound(scenario) if scenario.bound_seconds is None else scenario.bound_seconds
        self._watch = Watch(self._rollout, {route for route, _ in scenario.places})
        self._second = 0.0
        self._fault_due = scenario.fault_at_seconds if scenario.faults else None
        self._fault_second: float | None = None
        self._happenings: list[Happening] = []
        self._told: set[str] = set()
        self._requests_hit = self._errors_hit = 0
        self._keys_share = 0.0
        self._progress = lifecycle.begin(self._rollout, 0.0)
        self._start()

    def is_over(self) -> bool:
        """See the module."""
        if self._second >= self._bound:
            return True
        state = self._progress.state
        if state is State.ROLLED_BACK:
            return lifecycle.retries_left(self._rollout, self._progress) == 0
        if state is State.COMPLETED:
            return not self._is_fault_awaited() and self._since_fault() >= AFTERMATH_SECONDS
        return state is State.PAUSED

    def tick(self) -> None:
        """One second, or the rest of a cooldown."""
        progress = self._progress
        is_cooling = progress.state is State.ROLLED_BACK
        passed = max(1.0, ceil(progress.cooldown_left_seconds)) if is_cooling else 1.0
        self._second += passed
        if self._fault_due is not None and self._fault_second is None and self._second > self._fault_due:
            self._break()
        cells = self._stream.pass_second(self._share, self._conditions())
        self._count_hits(cells)
        self._watch.take(self._second, cells)
        moment = Moment(self._second, passed, self._second)
        outcome = conduct(self._watch, self._rollout, progress, moment, _answer)
        self._progress = outcome.progress
        if self._observe is not None:
            self._observe(self._second, self._percent, cells, outcome)
        self._follow(outcome)

    def conclude(self) -> Trial:
        """All that is known of it."""
        fault, acted = self._fault_second, self._find_act()
        false = [each for each in self._list_acts() if not self._is_due_to_fault(each)]
        return Trial(
            seed=self._seed,
            seconds=self._second,
            state=str(self._progress.state),
            percent=self._percent,
            fault_second=fault,
            acted_second=acted,
            detection_seconds=None if acted is None or fault is None else acted - fault,
            false_alarms=tuple(each.text for each in false if each.kind == "rollback"),
            false_acts=tuple(each.text for each in false if each.kind != "rollback"),
            requests_hit=self._requests_hit,
            errors_hit=self._errors_hit,
            keys_hit=self._count_keys(),
            happenings=tuple(self._happenings),
        )

    # What moves it.

    def _start(self) -> None:
        if self._progress.state is State.PENDING:
            _, self._progress = lifecycle.act(self._rollout, self._progress, Action.START, 0.0)
        self._enter()
        self._tell("start", "operator", "started")
        if self._scenario.faults and self._fault_due is None and not self._rollout.plan.stages:
            self._fault_due = self._dice.uniform(0.0, QUIET_SECONDS)

    def _follow(self, outcome: Outcome) -> None:
        """What the second led to happens, and people approve what waits for them."""
        if outcome.transition is not None:
            self._move(outcome.transition)
        elif self._progress.state is State.WAITING and self._scenario.is_approved:
            kind, after = lifecycle.act(self._rollout, self._progress, Action.PROMOTE, self._second)
            self._progress = after
            self._watch.begin_stage(self._second)
            self._enter()
            self._tell(kind, "operator", "approved")
        quiet = broken_quietly(outcome)
        for rule in sorted(quiet.keys() - self._told):
            self._tell("notify", "rule", f"{rule}: {quiet[rule].reason}", quiet[rule])
        self._told = set(quiet)

    def _move(self, transition: Transition) -> None:
        self._progress = transition.after
        if transition.kind in _RESTARTING:
            self._watch.restart(self._second)
        elif transition.kind == "stage":
            self._watch.begin_stage(self._second)
        self._enter()
        text = transition.name if transition.actor == "rule" else transition.reason
        self._tell(transition.kind, transition.actor, text, transition.judgement)

    def _enter(self) -> None:
        """What the new progress means for requests, and whether its stage is the one in which the fault strikes."""
        effective = lifecycle.effect(self._rollout, self._progress)
        self._percent = effective.percent
        self._share = share_of_requests(effective, self._scenario.traffic.cohort_percent)
        stages, scenario = self._rollout.plan.stages, self._scenario
        is_chosen = bool(stages) and self._progress.stage == scenario.fault_stage
        if scenario.faults and self._fault_due is None and is_chosen:
            self._fault_due = self._second + self._dice.uniform(0.0, stages[scenario.fault_stage].hold_seconds)

    def _tell(
        self,
        kind: str,
        actor: Literal["operator", "rule", "plan", "file", "fault"],
        text: str,
        judgement: Judgement | None = None,
        second: float | None = None,
    ) -> None:
        self._happenings.append(
            Happening(
                second=self._second if second is None else second,
                kind=kind,
                actor=actor,
                stage=self._progress.stage + 1,
                percent=self._percent,
                text=text,
                judgement=judgement and _in_milliseconds(judgement),
            )
        )

    # The fault.

    def _break(self) -> None:
        # All of the second under way has the fault already.
        self._fault_second = self._second - 1
        places = self._scenario.places
        broken = [places[place][1] for place in sorted(self._broken)]
        text = ", ".join([*map(str, self._scenario.faults), *broken])
        self._tell("fault", "fault", text, second=self._fault_second)

    def _is_fault_awaited(self) -> bool:
        return self._fault_due is not None and self._fault_second is None

    def _since_fault(self) -> float:
        return AFTERMATH_SECONDS if self._fault_second is None else self._second - self._fault_second

    def _conditions(self) -> dict[Arm, Condition]:
        usual = Condition(self._scenario.traffic.error_rate)
        if self._fault_second is None:
            return {Arm.CANDIDATE: usual, Arm.BASELINE: usual}
        faults, since = self._scenario.faults, self._second - self._fault_second
        shared = [fault for fault in faults if fault.is_shared]
        return {
            Arm.CANDIDATE: strike(faults, usual, self._broken, since),
            Arm.BASELINE: strike(shared, usual, frozenset(), since),
        }

    def _count_hits(self, cells: Mapping[Subject, Cell]) -> None:
        if self._fault_second is None:
            return
        for subject, cell in cells.items():
            if subject.arm == Arm.CANDIDATE:
                self._requests_hit += cell.requests
                self._errors_hit += cell.error_count
                self._keys_share = max(self._keys_share, self._share)

    def _count_keys(self) -> int:
        """Of n requests of k keys, all alike, ``k (1 - (1 - 1/k)^n)`` keys are to be expected."""
        keys = self._keys_share * self._scenario.traffic.keys
        return round(-keys * expm1(-self._requests_hit / keys)) if keys else 0

    # What it proves.

    def _list_acts(self) -> list[Happening]:
        return [each for each in self._happenings if each.actor == "rule" and each.kind in _ACTING]

    def _is_due_to_fault(self, act: Happening) -> bool:
        if self._fault_second is None or all(fault.is_shared for fault in self._scenario.faults):
            return False
        return act.second >= self._fault_second

    def _find_act(self) -> float | None:
        return next((act.second for act in self._list_acts() if self._is_due_to_fault(act)), None)


def _answer(gate: Webhook | Query | Guard) -> Judgement:
    """Whoever is asked outside has no objection."""
    rule = gate.when.text if isinstance(gate, Guard) else gate.text
    return Judgement(rule=rule, verdict=Verdict.OK, reason="simulated")


def _in_milliseconds(judgement: Judgement) -> Judgement:
    """With latencies as the admin API has them."""
    if judgement.rule.split(" ", 1)[0] not in set(QUANTILES):
        return judgement
    latencies = {name: getattr(judgement, name) for name in ("value", "bound", "baseline")}
    scaled = {name: None if seconds is None else seconds * 1e3 for name, seconds in latencies.items()}
    return msgspec.structs.replace(judgement, **scaled)
