"""How far a rollout is: the values that `gateway.core.lifecycle` is about."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

import msgspec

from gateway.core.verdicts import Judgement

SHADOW: Final = "shadow"
"""Where else a rollback may go: the candidate answers nobody, but goes on to be sent copies."""


class State(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    ROLLED_BACK = "rolled_back"
    COMPLETED = "completed"


def say_state(state: str) -> str:
    """A state as sentences have it: ``rolled back``."""
    return state.replace("_", " ")


class Action(StrEnum):
    """What an operator may do."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    STEP_BACK = "step-back"
    ROLLBACK = "rollback"
    SET = "set"
    UNSET = "unset"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rollout is: all that is stored of it. Times of day are seconds since the epoch."""

    state: State
    version: int = 0
    """Grows by one with each transition. Of two with the same parent the store takes only the first."""
    stage: int = 0
    """The index of the stage, from 0; of a fixed percentage always 0."""
    percent: float | None = None
    """An operator's percentage; the plan stands still under it."""
    to_shadow: bool = False
    """Of a rollback: whether requests go on to be copied to the candidate."""
    stage_percent: float = 0.0
    """The share of the stage, or the fixed one, that is in force when no operator's is."""
    stage_cohorts: tuple[str, ...] = ()
    stage_since: float = 0.0
    """When the stage began; for display."""
    share_since: float = 0.0
    """Since when the share has been what it is: arms are compared over nothing older, whoever set it."""
    watched_since: float = 0.0
    """The last start, resume, step back or rollback: no window reaches behind it."""
    held_seconds: float = 0.0
    """How long the stage has been running and watched."""
    cooldown_left_seconds: float = 0.0
    rollbacks: int = 0
    """How often it has been rolled back, ever: whoever has more of them knows of one that the other never heard of."""
    retries_used: int = 0
    """How often it has started again by itself; how often it may is the file's to say, whenever that is edited."""
    watch_left_seconds: float = 0.0
    """Of a completed rollout: how long guards go on to act."""
    stepped_back_from: tuple[int, ...] = ()
    """The stages that a guard has stepped back from; its second from one pauses."""
    saved_at: float = 0.0
    """When this was so; what passed since, while no gateway ran, counts for the cooldown."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step from a state to a state, and why."""

    kind: str
    """Of the event that tells it."""
    before: Progress
    after: Progress
    actor: Literal["operator", "rule", "plan", "file"]
    name: str
    """The rule, the stage, or who it was."""
    reason: str
    judgement: Judgement | None = None
    """What the rule said."""
    inputs: dict[str, object] = {}

    @property
    def is_urgent(self) -> bool:
        """Whether it keeps users from harm, and so waits for nobody."""
        return self.kind == "rollback" or (self.actor == "rule" and self.kind != "notify")
