"""A second of a rollout: what is judged, who is asked, and what comes of it."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from gateway.core.conducting import Moment, Outcome, blocked_by, broken_quietly, conduct, is_watched, stage_of
from gateway.core.lifecycle import Action, Progress, State, act, begin
from gateway.core.plans import Do, Guard, Plan, Query, Stage, Webhook
from gateway.core.rules import parse_comparison, parse_rule
from gateway.core.types import Mode, Rollout
from gateway.core.verdicts import Judgement, Reason, Verdict
from gateway.core.watch import Watch
from tests.core.asking import rollout
from tests.core.watching import Service, both

WELL, ILL = Service(per_second=50), Service(per_second=50, errors=1.0)
HOOK = Webhook("http://ci.internal/approve")
MEMORY = Query("http://prom:9090", "memory", *parse_comparison("> 2"))


class Questions:
    """Whoever is asked outside: answers alike, and remembers what was asked."""

    def __init__(self, verdict: Verdict = Verdict.OK) -> None:
        self.verdict = verdict
        self.asked: list[object] = []

    def __call__(self, asked: object) -> Judgement:
        self.asked.append(asked)
        return Judgement(rule=str(asked), verdict=self.verdict, reason="answered")


class Life:
    """A rollout with a plan, second by second."""

    def __init__(self, *stages: Stage, guards: tuple[Guard, ...] = ()) -> None:
        self.rollout: Rollout = rollout(plan=Plan(stages=stages, starts_by_itself=True, guards=guards))
        self.watch = Watch(self.rollout, ["orders"])
        self.ask = Questions()
        self.progress: Progress = begin(self.rollout, 0.0)
        self.kinds: list[str] = []
        self.second = 0
        self._dice = Random(1)

    def live(self, seconds: int, candidate: Service = WELL, baseline: Service = WELL) -> list[str]:
        """Let seconds pass with such traffic; what happened."""
        self.kinds = []
        for _ in range(seconds):
            self.second += 1
            served = both(candidate, baseline).items()
            self.watch.take(self.second, {subject: service.serve(self._dice) for subject, service in served})
            moment = Moment(self.second, 1.0, float(self.second))
            outcome = conduct(self.watch, self.rollout, self.progress, moment, self.ask)
            self.progress = outcome.progress
            if outcome.transition is not None:
                self.progress = outcome.transition.after
                self.kinds.append(outcome.transition.kind)
        return self.kinds


@pytest.mark.parametrize("seconds_ago", [0.0, 0.3, 0.8])
def test_a_hold_and_a_cooldown_count_from_when_they_began(seconds_ago: float) -> None:
    """An operator acts between two looks: of the second that has passed, only what came after that counts."""
    life, now = Life(Stage(5, hold_seconds=10), Stage(100)), 1000.0
    begun_at = now - seconds_ago
    _, forced = act(life.rollout, life.progress, Action.PROMOTE, begun_at, force=True)
    _, gone_back = act(life.rollout, life.progress, Action.ROLLBACK, begun_at)

    held = conduct(life.watch, life.rollout, forced, Moment(1, 1.0, now), life.ask).progress
    cooling = conduct(life.watch, life.rollout, gone_back, Moment(1, 1.0, now), life.ask).progress

    assert held.held_seconds == pytest.approx(seconds_ago)
    assert gone_back.cooldown_left_seconds - cooling.cooldown_left_seconds == pytest.approx(seconds_ago)


@pytest.mark.parametrize("saved_at", [999.05, 999.0, 400.0, 1003.0])
def test_all_of_a_second_counts_that_began_no_earlier(saved_at: float) -> None:
    """Two clocks that differ by a little take nothing away, nor does one that was set back, or of another gateway."""
    life = Life(Stage(5, hold_seconds=10), Stage(100))
    progress = msgspec.structs.replace(life.progress, saved_at=saved_at)

    after = conduct(life.watch, life.rollout, progress, Moment(1, 1.0, 1000.0), life.ask).progress

    assert after.held_seconds == 1.0


def test_a_plan_goes_through_its_stages() -> None:
    """Each for as long as it holds."""
    life = Life(Stage(5, hold_seconds=10), Stage(50, hold_seconds=20), Stage(100))

    assert life.live(9) == []
    assert life.live(2) == ["stage"]
    assert life.live(21) == ["stage", "complete"]
    assert life.progress.state is State.COMPLETED


def test_a_broken_guard_comes_before_the_plan() -> None:
    """Though the hold is over and no gate objects."""
    life = Life(Stage(5, hold_seconds=5), Stage(100), guards=(Guard(parse_rule("errors > 3"), Do.ROLLBACK),))

    assert life.live(5, candidate=ILL) == ["rollback"]
    assert life.live(30, candidate=ILL) == []
    assert life.progress.state is State.ROLLED_BACK


def test_others_are_asked_only_when_all_else_is_ok() -> None:
    """Not before the hold is over, nor while a rule objects."""
    gates = (parse_rule("errors < 100 for 5s"), HOOK)
    life = Life(Stage(5, hold_seconds=10, gates=gates), Stage(100))

    life.live(8, candidate=ILL)
    assert life.ask.asked == []
    life.live(6, candidate=ILL)
    assert life.ask.asked == []
    assert life.live(8) == ["stage", "complete"]
    assert life.ask.asked == [HOOK]


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.BROKEN])
def test_who_does_not_pass_keeps_the_plan_where_it_is(verdict: Verdict) -> None:
    """Not knowing is no passing."""
    life = Life(Stage(5, gates=(HOOK,)), Stage(100))
    life.ask.verdict = verdict

    assert life.live(60) == []


def test_a_guard_may_ask_outside() -> None:
    """It is asked every second, hold or not."""
    life = Life(Stage(5, hold_seconds=100), guards=(Guard(MEMORY, Do.PAUSE),))
    assert life.live(3) == []
    life.ask.verdict = Verdict.BROKEN

    assert life.live(3) == ["pause"]
    assert life.ask.asked[0] == Guard(MEMORY, Do.PAUSE)


def test_a_person_approves_where_the_plan_says_so() -> None:
    """It waits as long as it takes; guards go on."""
    life = Life(Stage(5, needs_approval=True), Stage(100, hold_seconds=99))

    assert life.live(100) == ["approval"]
    kind, life.progress = act(life.rollout, life.progress, Action.PROMOTE, 0.0)
    assert (kind, life.progress.stage, life.progress.state) == ("stage", 1, State.RUNNING)


def test_nobody_is_watched_where_nobody_is_answered() -> None:
    """Before the start, after a rollback, in other modes, and under the kill switch."""
    plan = rollout(plan=Plan(stages=(Stage(5),)))
    pending = begin(plan, 0.0)
    running = act(plan, pending, Action.START, 0.0)[1]

    assert is_watched(plan, running)
    assert not is_watched(plan, pending)
    assert is_watched(plan, act(plan, pending, Action.SET, 0.0, percent=3.0)[1])
    assert not is_watched(plan, act(plan, running, Action.ROLLBACK, 0.0)[1])
    assert not is_watched(msgspec.structs.replace(plan, mode=Mode.SHADOW), running)
    assert not is_watched(msgspec.structs.replace(plan, killed=True), running)


def test_under_an_operators_percentage_there_is_no_stage() -> None:
    """The plan stands still, gates say nothing; guards go on."""
    life = Life(Stage(5), Stage(100), guards=(Guard(parse_rule("errors > 3"), Do.ROLLBACK),))
    life.progress = act(life.rollout, life.progress, Action.SET, 0.0, percent=30.0)[1]

    assert stage_of(life.rollout, life.progress) is None
    assert life.live(30) == []
    assert life.live(3, candidate=ILL) == ["rollback"]


def test_people_are_told_of_what_breaks_without_consequences() -> None:
    """Guards that only notify, and faults that both arms share."""
    guards = (
        Guard(parse_rule("errors > 3"), Do.NOTIFY),
        Guard(parse_rule("error_rate > 5% for 1m"), Do.ROLLBACK),
    )
    life = Life(Stage(5, hold_seconds=99), guards=guards)
    assert life.live(30, candidate=ILL, baseline=ILL) == []
    moment = Moment(31.0, 1.0, 31.0)

    told = broken_quietly(conduct(life.watch, life.rollout, life.progress, moment, life.ask))

    assert {name: each.reason for name, each in told.items()} == {
        "errors > 3 for 1m": Reason.BROKEN,
        "error_rate > 5% for 1m": Reason.BOTH_ARMS,
    }


def test_after_its_watch_a_completed_rollout_only_notifies() -> None:
    """It has answered everybody for days."""
    life = Life(Stage(100), guards=(Guard(parse_rule("errors > 3"), Do.ROLLBACK),))
    life.live(1)
    life.progress = msgspec.structs.replace(life.progress, watch_left_seconds=0.0)

    assert life.live(5, candidate=ILL) == []
    outcome = conduct(life.watch, life.rollout, life.progress, Moment(life.second, 1.0, 0.0), life.ask)
    assert list(broken_quietly(outcome)) == ["errors > 3 for 1m"]


def test_people_are_told_of_a_guard_that_has_nothing_left_to_do() -> None:
    """What it would pause is paused already."""
    life = Life(Stage(5, hold_seconds=99), guards=(Guard(parse_rule("errors > 3"), Do.PAUSE),))
    assert life.live(3, candidate=ILL) == ["pause"]

    outcome = conduct(life.watch, life.rollout, life.progress, Moment(life.second, 1.0, 0.0), life.ask)

    assert (outcome.transition, list(broken_quietly(outcome))) == (None, ["errors > 3 for 1m"])


def blocked(
    rule: str, verdict: Verdict, reason: str, progress: Progress | None = None, needs: int | None = None
) -> list[str]:
    """What holds up a stage of ten seconds, of which all have passed unless another progress is given."""
    about = rollout(plan=Plan(stages=(Stage(5, hold_seconds=10), Stage(50)), starts_by_itself=True))
    over = msgspec.structs.replace(begin(about, 0.0), held_seconds=10.0)
    gate = parse_rule(rule)
    judgement = Judgement(rule=gate.text, verdict=verdict, reason=reason, needs=needs)
    return [*blocked_by(about, Outcome(progress or over, None, [], [(gate, judgement)]))]


@pytest.mark.parametrize(
    ("rule", "verdict", "reason", "needs", "is_blocking"),
    [
        ("mismatch_rate < 1%", Verdict.BROKEN, Reason.NOT_MET, None, True),
        ("mismatches < 10 for 5m", Verdict.BROKEN, Reason.NOT_MET, None, True),
        ("mismatch_rate < 1%", Verdict.UNKNOWN, Reason.NOT_COMPARED, None, True),
        ("mismatch_rate < 1%", Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE, None, True),  # it speaks against it
        ("mismatch_rate < 1%", Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE, 500, False),
        ("mismatch_rate < 1%", Verdict.UNKNOWN, Reason.FEW_REQUESTS, 5, False),
        ("mismatch_rate < 1%", Verdict.UNKNOWN, Reason.YOUNG_STAGE, None, False),
        ("mismatch_rate < 1%", Verdict.OK, Reason.MET, None, False),
        ("error_rate < 1%", Verdict.BROKEN, Reason.NOT_MET, None, False),
    ],
)
def test_a_gate_on_mismatches_blocks_where_waiting_does_not_help(
    rule: str, verdict: Verdict, reason: Reason, needs: int | None, is_blocking: bool
) -> None:
    """What only takes its time is not news, and other gates say for themselves what is wrong."""
    assert bool(blocked(rule, verdict, reason, needs=needs)) is is_blocking


@pytest.mark.parametrize(
    "progress",
    [
        Progress(state=State.RUNNING, stage_percent=5.0, held_seconds=9.0),
        Progress(state=State.PAUSED, stage_percent=5.0, held_seconds=10.0),
        Progress(state=State.WAITING, stage_percent=5.0, held_seconds=10.0),
        Progress(state=State.RUNNING, stage_percent=5.0, held_seconds=10.0, percent=30.0),
    ],
)
def test_only_a_running_stage_whose_hold_is_over_is_held_up(progress: Progress) -> None:
    """Before that, or while the plan stands still anyway, a gate keeps nobody from anything."""
    assert blocked("mismatch_rate < 1%", Verdict.BROKEN, Reason.NOT_MET, progress) == []
