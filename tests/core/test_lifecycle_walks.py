"""Whatever operators, guards, plans and editors do in whatever order, a rollout keeps its promises."""

from __future__ import annotations

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core import lifecycle
from gateway.core.lifecycle import adopt, effect, share_of, step
from gateway.core.plans import Do, Stage
from gateway.core.progress import Action, Progress, State
from gateway.core.types import Held, Mode, Rollout
from gateway.errors import WrongAction
from tests.core.lives import NOON, act, fixed, guard, planned, said, started

SHARES = st.sampled_from([0.0, 1.0, 5.0, 25.0, 50.0, 100.0])
STAGES = st.lists(
    st.builds(
        Stage,
        percent=SHARES,
        hold_seconds=st.sampled_from([0.0, 60.0]),
        cohorts=st.sampled_from([(), ("internal",)]),
        needs_approval=st.booleans(),
    ),
    min_size=1,
    max_size=4,
).map(lambda stages: sorted(stages, key=lambda stage: stage.percent))


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    """What a file may say: a plan or a fixed percentage, in any mode, capped or not."""
    plain = fixed(draw(SHARES))
    if draw(st.booleans()):
        plan = {"retries": draw(st.integers(0, 2)), "cooldown_seconds": draw(st.sampled_from([0.0, 100.0]))}
        plain = planned(*draw(STAGES), **plan, watch_seconds=50.0, starts_by_itself=draw(st.booleans()))
    mode = draw(st.sampled_from([Mode.LIVE, Mode.LIVE, Mode.LIVE, Mode.SHADOW, Mode.OFF]))
    return msgspec.structs.replace(plain, mode=mode, cap=draw(st.sampled_from([100.0, 100.0, 10.0])))


class Life(RuleBasedStateMachine):
    """A rollout, and all that can happen to it."""

    rollout: Rollout
    progress: Progress
    now = NOON

    @initialize(rollout=rollouts())
    def begin(self, rollout: Rollout) -> None:
        self.rollout, self.progress = rollout, lifecycle.begin(rollout, self.now)

    @rule(action=st.sampled_from(Action), percent=SHARES, force=st.booleans(), to=st.sampled_from([None, "shadow"]))
    def act(self, action: Action, percent: float, force: bool, to: str | None) -> None:
        before = self.progress
        try:
            _, after = lifecycle.act(self.rollout, before, action, self.now, percent=percent, force=force, to=to)
        except WrongAction:
            return
        if before.state is State.ROLLED_BACK:
            assert action is Action.RESUME
        self.follow(after)

    @rule(seconds=st.sampled_from([60.0, 1000.0]))
    def go_on(self, seconds: float) -> None:
        """All is well, and holds are over."""
        self.pass_time(seconds, [], gates_ok=True)

    @rule(
        seconds=st.sampled_from([0.0, 1.0, 59.0, 100.0]),
        does=st.lists(st.sampled_from(Do), max_size=3),
        gates_ok=st.none() | st.booleans(),
    )
    def judge(self, seconds: float, does: list[Do], gates_ok: bool | None) -> None:
        """Such guards are broken, and gates may be ok."""
        self.pass_time(seconds, does, gates_ok)

    def pass_time(self, seconds: float, does: list[Do], gates_ok: bool | None) -> None:
        """A second, or a long one: at most one thing happens by itself."""
        self.now += seconds
        broken = [said(guard(do)) for do in does]
        passed, transition = step(self.rollout, self.progress, seconds, self.now, broken, gates_ok)
        assert (passed.state, passed.stage, passed.percent) == (
            self.progress.state,
            self.progress.stage,
            self.progress.percent,
        )
        if transition is None:
            self.progress = passed
            return
        assert transition.before == passed
        if transition.actor == "rule":
            assert share_of(self.rollout, transition.after) <= share_of(self.rollout, passed)
        if passed.state is State.ROLLED_BACK:
            assert (transition.kind, passed.cooldown_left_seconds) == ("retry", 0)
        self.follow(transition.after)

    @rule(rollout=rollouts(), restarts=st.booleans())
    def edit(self, rollout: Rollout, restarts: bool) -> None:
        """By itself, or while no gateway ran."""
        before = self.progress
        after = adopt(None if restarts else self.rollout, rollout, before, self.now)
        assert (after.state is State.ROLLED_BACK) == (before.state is State.ROLLED_BACK)
        assert (after.percent, after.rollbacks) == (before.percent, before.rollbacks)
        if rollout.plan.stages and before.state not in {State.PENDING, State.ROLLED_BACK}:
            is_begun = after.stage_since == self.now and after.watched_since == self.now and before.stage_percent == 0
            assert after.stage_percent <= before.stage_percent or is_begun
        self.rollout, self.progress = rollout, after

    @rule(seconds=st.sampled_from([-1000.0, 0.0, 50.0, 1000.0]))
    def restart(self, seconds: float) -> None:
        """The store gives back what was put in; the time of day may have been set meanwhile."""
        stored = msgspec.json.decode(msgspec.json.encode(self.progress), type=Progress)
        assert stored == self.progress
        self.now = max(NOON, self.now + seconds)
        found = lifecycle.catch_up(stored, self.now)
        assert found.cooldown_left_seconds <= stored.cooldown_left_seconds
        self.progress = adopt(None, self.rollout, found, self.now)
        assert self.progress == found

    def follow(self, after: Progress) -> None:
        """Nothing skips a stage, and every rollback is counted."""
        assert after.rollbacks - self.progress.rollbacks == (after.state is State.ROLLED_BACK)
        assert after.stage <= self.progress.stage + 1
        self.progress = after

    @invariant()
    def nobody_is_moved_beyond_what_was_asked_for(self) -> None:
        """By the file, the stage, an operator, or the environment, whichever has the say."""
        share, given_to_workers = share_of(self.rollout, self.progress), effect(self.rollout, self.progress)
        wanted = self.progress.stage_percent if self.progress.percent is None else self.progress.percent
        assert share == given_to_workers.percent <= min(wanted, self.rollout.cap)
        if self.progress.state is State.ROLLED_BACK:
            assert (share, given_to_workers.held, self.progress.percent) == (0, Held.ROLLED_BACK, None)

    @invariant()
    def nothing_that_is_counted_is_negative(self) -> None:
        """Seconds and retries."""
        progress = self.progress
        counted = (progress.held_seconds, progress.cooldown_left_seconds, progress.watch_left_seconds)
        assert min(*counted, progress.retries_used) >= 0

    @invariant()
    def a_plan_is_in_one_of_its_stages(self) -> None:
        """Running, it has that stage's share."""
        stages = self.rollout.plan.stages
        if not stages or self.progress.state is State.ROLLED_BACK:
            return
        stage = stages[self.progress.stage]
        if self.progress.state in {State.RUNNING, State.WAITING, State.COMPLETED}:
            assert (stage.percent, stage.cohorts) == (self.progress.stage_percent, self.progress.stage_cohorts)


Life.TestCase.settings = settings(max_examples=max(300, settings().max_examples), stateful_step_count=30)


class TestLife(Life.TestCase):
    """Walks through it at random; a failing one is shown at its shortest."""


@given(rollouts(), rollouts())
@example(fixed(0.0), fixed(0.0, plan=planned().plan))
def test_an_edit_forgets_no_rollback(former: Rollout, edited: Rollout) -> None:
    """Also where nobody was on the candidate, and the plan begins anew: another gateway may still have it in force."""
    back = act(former, started(former), Action.ROLLBACK)
    for progress in (back, act(former, back, Action.RESUME, force=True)):
        assert adopt(former, edited, progress, NOON).rollbacks == 1
