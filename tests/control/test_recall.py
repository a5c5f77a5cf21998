"""A watch that begins late has seen what was counted before it."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from gateway.control.recall import Newcomer, look_back, recall, recall_told
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.lifecycle import Progress, State
from gateway.core.plans import Do, Guard, Plan, Stage
from gateway.core.rules import parse_rule
from gateway.core.verdicts import Judgement, Verdict
from gateway.core.watch import Watch
from gateway.core.windows import Cell, Windows
from gateway.store.records import Event
from tests.control.rollbacks import happened
from tests.core.asking import rollout

AT = 100_000.0
SECOND = 7.0
"""What the watch's clock says then: it may have been started long after."""


def newcomer(
    *guards: str,
    gates: tuple[str, ...] = (),
    watched_since: float = 0.0,
    stage_since: float = 0.0,
    share_since: float = 0.0,
) -> Newcomer:
    """A watch that has seen nothing, of a rollout that is so far."""
    stage = Stage(50, gates=tuple(parse_rule(gate) for gate in gates))
    rules = tuple(Guard(parse_rule(guard), Do.ROLLBACK) for guard in guards)
    about = rollout(plan=Plan(stages=(stage,), guards=rules))
    progress = Progress(
        state=State.RUNNING, watched_since=watched_since, stage_since=stage_since, share_since=share_since
    )
    return Newcomer(Watch(about, {"orders"}), about, frozenset({"orders"}), progress)


def counted(errors: int, requests: int = 10, route: str = "orders") -> list[Counted]:
    """So many requests of the candidate, some of which failed."""
    figures = PathFigures(answers={Answer("new", "GET", 500, "split"): requests}, errors={"5xx": errors})
    return [Counted(Subject(route, "/a", "candidate", False), figures)]


def windows_of(*errors: int) -> Windows:
    """In each of the seconds before `AT` ten requests, of which so many failed; the last number is the newest."""
    windows = Windows()
    for second, failed in enumerate(errors, int(AT) - len(errors)):
        windows.take(second, counted(failed))
        windows.take(second, counted(failed, route="others"))
    return windows


def value_of(newcomer: Newcomer) -> float | None:
    """What the first guard's rule reads now."""
    return newcomer.watch.judge_guards(SECOND, None)[0][1].value


def test_what_its_rules_look_back_on_is_there() -> None:
    """As far as each window goes, and of its own routes only."""
    late = newcomer("errors > 1000 for 5s", "errors > 1000 for 1m")

    recall(windows_of(*[1] * 120), [late], AT, SECOND)

    short, long = (judgement.value for _, judgement in late.watch.judge_guards(SECOND, None))
    assert short == pytest.approx(5, abs=1)
    assert long == pytest.approx(60, abs=1)


def test_nothing_is_seen_from_before_the_last_start() -> None:
    """A rollback ends what was; so do a start, a resume and a step back."""
    late = newcomer("errors > 1000 for 1m", watched_since=AT - 20)

    recall(windows_of(*[1] * 120), [late], AT, SECOND)

    assert value_of(late) == pytest.approx(20, abs=1)


def test_time_goes_on_from_there() -> None:
    """What was recalled leaves the window when its time is over."""
    late = newcomer("errors > 1000 for 1m")
    recall(windows_of(*[1] * 120), [late], AT, SECOND)

    assert late.watch.judge_guards(SECOND + 30, None)[0][1].value == pytest.approx(30, abs=1)
    assert late.watch.judge_guards(SECOND + 90, None)[0][1].value == 0


def test_a_gate_finds_the_evidence_of_its_whole_stage() -> None:
    """Also what is behind every window; and the stage is as old as it is."""
    gate = "error_rate < 2% for 1m"
    late = newcomer(gates=(gate,), stage_since=AT - 500)
    soon = newcomer(gates=(gate,), stage_since=AT - 30)
    young = newcomer(gates=(gate,), stage_since=AT - 70)

    recall(windows_of(*[0] * 600), [late, soon, young], AT, SECOND)

    said = {each: each.watch.judge_gates(SECOND, each.rollout.plan.stages[0])[0][1] for each in (late, soon, young)}
    assert said[late].verdict is Verdict.OK
    assert (said[soon].verdict, said[soon].reason) == (Verdict.UNKNOWN, "young_stage")
    assert said[young].verdict is Verdict.OK


def test_evidence_begins_with_a_rollout_and_not_some_time_later() -> None:
    """A rule that looks back far is as soon as others: its evidence has a beginning at the very start."""
    fresh = newcomer("error_rate > 5% for 1h", watched_since=AT - 0.7, stage_since=AT - 0.7)
    recall(windows_of(*[0] * 3), [fresh], AT, SECOND)

    for second in range(1, 10):
        cells = {counted(10)[0].subject: Cell(requests=10, errors={"5xx": 10})}
        fresh.watch.take(SECOND + second, cells)

    assert fresh.watch.judge_guards(SECOND + 10, None)[0][1].verdict is Verdict.BROKEN


def test_a_fault_before_it_is_a_fault() -> None:
    """A controller that is killed while everything fails does not begin with a clean slate."""
    late = newcomer("error_rate > 20% for 5s")

    recall(windows_of(*[0] * 60, *[10] * 5), [late], AT, SECOND)

    assert late.watch.judge_guards(SECOND, None)[0][1].verdict is Verdict.BROKEN


def test_it_looks_back_as_far_as_its_longest_window() -> None:
    """Of guards and gates, whichever stage they belong to."""
    assert look_back(newcomer("errors > 1 for 5s", gates=("p95 < 1s for 10m",)).rollout) == 600
    assert look_back(newcomer().rollout) == 0


@pytest.mark.parametrize("gate", ["error_rate < 2% for 1m", "error_rate < 2% for 1h"])
def test_evidence_begins_again_where_the_share_was_changed(gate: str) -> None:
    """Before an operator's percentage other requests went to either arm; also where steps are of many seconds."""
    since = AT - 33
    set_since = newcomer(gates=(gate,), share_since=since)
    long_since = newcomer(gates=(gate,), share_since=AT - 4000)

    recall(windows_of(*[0] * 5000), [set_since, long_since], AT, SECOND)

    young, old = (each.watch.judge_gates(SECOND, each.rollout.plan.stages[0])[0][1] for each in (set_since, long_since))
    assert (young.verdict, young.reason) == (Verdict.UNKNOWN, "young_stage")
    assert old.verdict is Verdict.OK


def at(time: str) -> float:
    """Of that day, in Unix time."""
    return datetime.fromisoformat(f"2026-11-21T{time}Z").timestamp()


def told(kind: str, at: str, rule: str, reason: str = "broken") -> Event:
    """An event that told people of a rule."""
    return happened(kind, time=f"2026-11-21T{at}.000Z", inputs={"rule": rule, "reason": reason})


def test_what_people_were_told_is_known_by_the_newest_event_of_each_rule() -> None:
    """What was broken to the last has been so until now; other events tell of no rule."""
    events = [
        told("notify", "09:00:00", "errors > 1"),
        told("notify", "09:01:00", "errors > 1"),
        told("notify", "09:01:00", "p99 > 2s"),
        happened("stage"),
        told("blocked", "09:01:30", "mismatches < 1", "not_compared"),
    ]
    said = [
        Judgement(rule="p99 > 2s", verdict=Verdict.BROKEN, reason="broken"),
        Judgement(rule="errors > 1", verdict=Verdict.OK, reason="quiet"),
    ]
    found = recall_told(events, said, Progress(state=State.RUNNING), at("09:02:00"))

    assert found == {
        "notify": {"errors > 1": 60, "p99 > 2s": 0},
        "blocked": {"mismatches < 1 (not_compared)": 30},
    }


@pytest.mark.parametrize("moved", ["stage_since", "share_since", "watched_since"])
def test_what_held_up_another_stage_is_another_matter(moved: str) -> None:
    """Who looks at the next one is told again, as by one leader; of a guard nobody is."""
    events = [told(kind, "09:00:00", "mismatches < 1") for kind in ("blocked", "notify")]
    progress = msgspec.structs.replace(Progress(state=State.RUNNING), **{moved: at("09:01:00")})
    found = recall_told(events, [], progress, at("09:02:00"))

    assert found == {"notify": {"mismatches < 1": 120}, "blocked": {}}
