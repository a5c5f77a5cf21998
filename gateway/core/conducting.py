"""One second in the life of a rollout: from what its rules say to where it goes.

The gateway's conductor and the simulation both call `conduct`: what is simulated is what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from gateway.core import lifecycle
from gateway.core.judging import MISMATCHING
from gateway.core.lifecycle import Progress, State, Transition
from gateway.core.plans import Do, Gate, Guard, Query, Rule, Stage, Webhook
from gateway.core.types import Rollout
from gateway.core.verdicts import Judgement, Reason, Verdict
from gateway.core.watch import Watch

Ask = Callable[[Webhook | Query | Guard], Judgement]
"""Puts a gate, or a guard, that no proxy can judge to whoever knows; never waits."""


WELL_SECONDS: Final = 300.0
"""How long a rule must have been well before people are told of it again: a rate near its bound comes and goes."""


JITTER_SECONDS: Final = 0.1
"""By how much two clocks may differ over the same second; what became so within it is told from that."""


class Moment(NamedTuple):
    """One second that a rollout is looked at."""

    second: float
    """Of the watch's clock."""
    passed: float
    """Seconds since the last one."""
    now: float
    """Seconds since the epoch, for display."""


class Outcome(NamedTuple):
    """What came of a second."""

    progress: Progress
    """What it was, with the time that has passed."""
    transition: Transition | None
    """From there to what is to be."""
    guards: list[tuple[Guard, Judgement]]
    gates: list[tuple[Gate, Judgement]]

    @property
    def is_rescue(self) -> bool:
        """Whether what is to be keeps users from harm."""
        return self.transition is not None and self.transition.is_urgent


def conduct(watch: Watch, rollout: Rollout, progress: Progress, moment: Moment, ask: Ask) -> Outcome:
    """Judge all rules at ``moment``, and act on them."""
    second, _, now = moment
    passed = _count(progress, moment)
    if not is_watched(rollout, progress):
        after, transition = lifecycle.step(rollout, progress, passed, now, (), None)
        return Outcome(after, transition, [], [])
    stage = stage_of(rollout, progress)
    guards = watch.judge_guards(second, stage) + _ask_guards(rollout, stage, ask)
    gates: list[tuple[Gate, Judgement]] = []
    if stage is not None and progress.state in {State.RUNNING, State.WAITING}:
        gates = _judge_gates(watch, stage, second, ask, is_hold_over=lifecycle.is_hold_over(rollout, progress))
    is_passed = all(judgement.verdict is Verdict.OK for _, judgement in gates)
    after, transition = lifecycle.step(rollout, progress, passed, now, guards, is_passed)
    return Outcome(after, transition, guards, gates)


def _count(progress: Progress, moment: Moment) -> float:
    """The seconds that have passed for ``progress``: what an operator made so half a second ago has lasted only that.

    Else a hold and a cooldown would end up to a second early. Where the clock was set back, all of them.
    """
    lasted = moment.now - progress.saved_at
    return lasted if 0.0 <= lasted < moment.passed - JITTER_SECONDS else moment.passed


def is_watched(rollout: Rollout, progress: Progress) -> bool:
    """Whether the candidate answers anyone, so that there is something to guard."""
    return lifecycle.is_live(rollout) and not lifecycle.is_held(progress)


def stage_of(rollout: Rollout, progress: Progress) -> Stage | None:
    """The stage that a plan is in; None for a fixed percentage, and under an operator's, where plans stand still."""
    stages = rollout.plan.stages
    if not stages or progress.percent is not None or progress.state is State.PENDING:
        return None
    return stages[min(progress.stage, len(stages) - 1)]


def _ask_guards(rollout: Rollout, stage: Stage | None, ask: Ask) -> list[tuple[Guard, Judgement]]:
    guards = (*rollout.plan.guards, *(stage.guards if stage is not None else ()))
    return [(guard, ask(guard)) for guard in guards if isinstance(guard.when, Query)]


def _judge_gates(
    watch: Watch, stage: Stage, second: float, ask: Ask, *, is_hold_over: bool
) -> list[tuple[Gate, Judgement]]:
    """The rules' first: others are asked only when all else is ok."""
    judged: list[tuple[Gate, Judgement]] = list(watch.judge_gates(second, stage))
    is_asked = is_hold_over and all(judgement.verdict is Verdict.OK for _, judgement in judged)
    for gate in stage.gates:
        if not isinstance(gate, Rule):
            judgement = ask(gate) if is_asked else _not_asked(gate)
            is_asked = is_asked and judgement.verdict is Verdict.OK
            judged.append((gate, judgement))
    return judged


def _not_asked(gate: Webhook | Query) -> Judgement:
    return Judgement(rule=gate.text, verdict=Verdict.UNKNOWN, reason="not_asked_yet")


def broken_quietly(outcome: Outcome) -> Mapping[str, Judgement]:
    """What people are to be told though nothing changes, by the rule's name.

    Guards that are broken but only notify, or have nothing left to do, or come after the watch of a completed rollout;
    and faults that both arms share.
    """
    is_quiet = outcome.transition is None
    return {
        judgement.rule: judgement
        for guard, judgement in outcome.guards
        if (judgement.verdict is Verdict.BROKEN and (guard.do is Do.NOTIFY or is_quiet))
        or judgement.reason == Reason.BOTH_ARMS
    }


def blocked_by(rollout: Rollout, outcome: Outcome) -> Mapping[str, Judgement]:
    """The gates on mismatches that hold up a stage which would be over but for them, by the rule's name.

    Not those that only wait for more of what they see: nobody has to do anything about them. That nothing is compared
    is another matter than what is found once something is, and has a name of its own.
    """
    progress = outcome.progress
    if progress.state is not State.RUNNING or not lifecycle.is_hold_over(rollout, progress):
        return {}
    stuck = (
        judgement
        for gate, judgement in outcome.gates
        if isinstance(gate, Rule) and gate.metric in MISMATCHING and _is_stuck(judgement)
    )
    return {name_blockage(judgement.rule, judgement.reason): judgement for judgement in stuck}


def name_blockage(rule: str, reason: str) -> str:
    """What tells a gate that holds up a stage from the same gate where it does so for another reason."""
    return f"{rule} ({reason})" if reason == Reason.NOT_COMPARED else rule


def _is_stuck(judgement: Judgement) -> bool:
    if judgement.reason == Reason.LITTLE_EVIDENCE:
        return judgement.needs is None  # what the whole stage has seen speaks against it
    return judgement.verdict is Verdict.BROKEN or judgement.reason == Reason.NOT_COMPARED


def list_untold(told: dict[str, float], broken: Mapping[str, Judgement], second: float) -> dict[str, Judgement]:
    """What of ``broken`` people were not ``told`` of since it was well for a while: what comes and goes is one thing.

    What they were told of, and is well for long enough by now, is taken out of ``told``.
    """
    for rule in [rule for rule, at in told.items() if second - at >= WELL_SECONDS]:
        del told[rule]
    told.update({rule: second for rule in broken if rule in told})
    return {rule: judgement for rule, judgement in broken.items() if rule not in told}
