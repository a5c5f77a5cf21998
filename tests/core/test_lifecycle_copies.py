"""Whether a rollout's requests are copied, wherever it is in its life."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.lifecycle import SHADOW, effect, may_copy
from gateway.core.plans import Do
from gateway.core.progress import Action, Progress, State
from gateway.core.types import Held, Mode, Rollout
from tests.core.lives import act, after_hit, planned, standing, started

PLAN = planned()


def with_mode(mode: Mode, *, killed: bool = False) -> Rollout:
    """The plan in this mode."""
    return msgspec.structs.replace(PLAN, mode=mode, killed=killed)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.SHADOW])
@pytest.mark.parametrize("state", State)
def test_everything_is_copied_but_what_was_rolled_back(state: State, mode: Mode) -> None:
    """Also before a plan begins, and where a person has stopped it: comparing is how to know whether to go on."""
    assert may_copy(with_mode(mode), standing(PLAN, state)) is (state is not State.ROLLED_BACK)


@pytest.mark.parametrize("state", State)
def test_nothing_is_copied_where_the_candidate_is_not_to_be_asked(state: State) -> None:
    """`mode: off` and the kill switch say so."""
    progress = standing(PLAN, state)

    assert not may_copy(with_mode(Mode.OFF), progress)
    assert not may_copy(with_mode(Mode.LIVE, killed=True), progress)


def shadowing() -> list[Progress]:
    """Rolled back to shadow: by an operator, and by a guard."""
    return [act(PLAN, started(PLAN), Action.ROLLBACK, to=SHADOW), after_hit(PLAN, started(PLAN), Do.SHADOW)]


def test_copying_goes_on_after_a_rollback_to_shadow() -> None:
    """Nobody is answered by the candidate, which shows when it is well again."""
    for progress in shadowing():
        found = effect(PLAN, progress)

        assert (found.percent, found.held, found.copies) == (0, Held.ROLLED_BACK, True)


def test_the_kill_switch_ends_copying_after_a_rollback_to_shadow_too() -> None:
    """The environment has the last word."""
    for progress in shadowing():
        assert not effect(msgspec.structs.replace(PLAN, killed=True), progress).copies


def test_a_plain_rollback_ends_copying_until_it_is_resumed() -> None:
    """A candidate that is taken away may be too ill even for copies; who resumes it asks it again."""
    back = act(PLAN, started(PLAN), Action.ROLLBACK)

    assert not effect(PLAN, back).copies
    assert effect(PLAN, act(PLAN, back, Action.RESUME, force=True)).copies
