"""Rollouts with plans, and where they may be."""

from __future__ import annotations

from typing import Any

from gateway.core import lifecycle
from gateway.core.plans import Do, Guard, Plan, Rule, Stage
from gateway.core.progress import Action, Progress, State, Transition
from gateway.core.rules import parse_rule
from gateway.core.types import Arm, Cohort, Rollout
from gateway.core.verdicts import Judgement, Reason, Verdict
from tests.core.asking import rollout

HOUR = 3600.0
NOON = 1_767_268_800.0
"""1 January 2026, 12:00 UTC."""

STAGES = (
    Stage(0.0, HOUR, cohorts=("internal",)),
    Stage(5.0, HOUR),
    Stage(25.0, HOUR, needs_approval=True),
    Stage(100.0, HOUR),
)
COHORTS = (
    Cohort("internal", (), arm=Arm.CANDIDATE),
    Cohort("fragile", (), arm=Arm.BASELINE),
    Cohort("beta", (), percent=50.0),
)


def planned(*stages: Stage, **plan: Any) -> Rollout:
    """A rollout with a plan: of these stages, else of `STAGES`."""
    return rollout(name="shop", percent=0.0, cohorts=COHORTS, plan=Plan(stages=stages or STAGES, **plan))


def fixed(percent: float = 5.0, **more: Any) -> Rollout:
    """A rollout with a fixed percentage."""
    return rollout(name="shop", percent=percent, **more)


def started(of: Rollout, stage: int = 0) -> Progress:
    """In this stage of its plan."""
    progress = lifecycle.begin(of, NOON)
    if progress.state is State.PENDING:
        _, progress = lifecycle.act(of, progress, Action.START, NOON)
    for _ in range(stage):
        _, progress = lifecycle.act(of, progress, Action.PROMOTE, NOON, force=True)
    return progress


def standing(of: Rollout, state: State) -> Progress:
    """In this state, reached as it can be reached."""
    if state is State.PENDING:
        return lifecycle.begin(of, NOON)
    if state is State.COMPLETED:
        return started(of, len(of.plan.stages))
    if state is State.WAITING:
        after, transition = lifecycle.step(of, started(of, 2), HOUR, NOON, (), gates_ok=True)
        assert transition is not None, after
        return transition.after
    acts = {State.PAUSED: Action.PAUSE, State.ROLLED_BACK: Action.ROLLBACK}
    progress = started(of, 1)
    return act(of, progress, acts[state]) if state in acts else progress


def act(of: Rollout, progress: Progress, action: Action, **how: Any) -> Progress:
    """What an operator's action leads to."""
    return lifecycle.act(of, progress, action, NOON, **how)[1]


def guard(do: Do, text: str = "error_rate > 5%") -> Guard:
    """A guard that does so."""
    return Guard(parse_rule(text), do)


def said(of: Guard, verdict: Verdict = Verdict.BROKEN) -> tuple[Guard, Judgement]:
    """What it says."""
    assert isinstance(of.when, Rule)
    return of, Judgement(rule=of.when.text, verdict=verdict, reason=Reason.BROKEN, value=0.5, bound=0.05)


def hit(of: Rollout, progress: Progress, *does: Do) -> Transition | None:
    """What follows from such guards being broken."""
    return lifecycle.step(of, progress, 1.0, NOON, [said(guard(do)) for do in does], gates_ok=None)[1]


def after_hit(of: Rollout, progress: Progress, *does: Do) -> Progress:
    """The progress then; something must follow."""
    transition = hit(of, progress, *does)
    assert transition is not None
    return transition.after
