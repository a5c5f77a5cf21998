"""A watch counts whom its rules are about, and says no more than it knows."""

from __future__ import annotations

import pytest

from gateway.core.figures import Subject
from gateway.core.histogram import bucket_of
from gateway.core.plans import Do, Guard, Query, Stage, Webhook
from gateway.core.rules import parse_comparison
from gateway.core.verdicts import Reason, Verdict
from gateway.core.windows import Cell
from tests.core.watching import (
    BASELINE,
    BUSY,
    CANDIDATE,
    DEFAULT_GUARD,
    MINUTE,
    WELL,
    Scene,
    Service,
    both,
    rule,
    subject,
)


def say(verdict: Verdict, reason: Reason) -> tuple[Verdict, str]:
    """As a judgement has it."""
    return verdict, str(reason)


# What is said.


def test_a_few_requests_say_nothing() -> None:
    """Fewer than `min_requests` are unknown, however bad; the judgement says how many are wanting."""
    scene = Scene(["error_rate > 5% for 1m"])
    scene.count({subject(CANDIDATE): Cell(requests=15, errors={"5xx": 15})})

    assert (scene.guard.verdict, scene.guard.reason) == say(Verdict.UNKNOWN, Reason.FEW_REQUESTS)
    assert (scene.guard.candidate_requests, scene.guard.needs) == (15, 5)


def test_relative_guards_need_a_baseline() -> None:
    """At 100 % there is nobody to be compared with."""
    scene = Scene(["error_rate > baseline + 1% for 1m"])
    scene.run(10, both(WELL.but(errors=0.5), Service(1)))

    assert (scene.guard.verdict, scene.guard.reason) == say(Verdict.UNKNOWN, Reason.NO_BASELINE)


def test_without_confidence_values_are_compared_plainly() -> None:
    """One error in twenty is over 2 %: broken at once, where evidence would wait."""
    cells = {subject(CANDIDATE): Cell(requests=20, errors={"5xx": 1})}
    plain, careful = Scene(["error_rate > 2%"], confidence=None), Scene(["error_rate > 2%"])
    plain.count(cells)
    careful.count(cells)

    assert (plain.guard.verdict, plain.guard.reason) == say(Verdict.BROKEN, Reason.BROKEN)
    assert (careful.guard.verdict, careful.guard.reason) == say(Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE)


def test_counts_are_compared_plainly() -> None:
    """They claim no more than what was seen: neither requests nor evidence have to be enough."""
    scene = Scene(["errors > 2 for 1m"])
    scene.count({subject(CANDIDATE): Cell(requests=2, errors={"5xx": 2})})
    assert (scene.guard.verdict, scene.guard.value) == (Verdict.OK, 2)

    scene.count({subject(CANDIDATE): Cell(requests=1, errors={"timeout": 1})})
    assert (scene.guard.verdict, scene.guard.value) == (Verdict.BROKEN, 3)


def test_what_nobody_compares_is_unknown() -> None:
    """A rule about mismatches neither passes nor fires while nothing is copied."""
    scene = Scene(["mismatch_rate > 1%"], ["mismatches < 1 for 1m"])
    scene.run(2 * MINUTE, both(WELL, BUSY))

    assert (scene.guard.verdict, scene.guard.reason) == say(Verdict.UNKNOWN, Reason.NOT_COMPARED)
    assert (scene.gate.verdict, scene.gate.reason) == say(Verdict.UNKNOWN, Reason.NOT_COMPARED)


# Who is counted.


def test_those_who_were_kept_away_count_as_errors_of_the_candidate() -> None:
    """The baseline answered them, as a breaker was open: a candidate that rests is not a healthy one."""
    scene = Scene(["error_rate > 20% for 5s"])
    scene.count({subject(BASELINE): Cell(requests=100, kept_away=40)})

    assert (scene.guard.verdict, scene.guard.value, scene.guard.candidate_requests) == (Verdict.BROKEN, 1.0, 40)
    assert (scene.guard.baseline, scene.guard.baseline_requests) == (0.0, 100)


@pytest.mark.parametrize(
    "others",
    [
        subject(CANDIDATE, is_forced=True),
        subject(CANDIDATE, route="another rollout's"),
        Subject("", "", "", is_forced=False),
    ],
)
def test_rules_look_at_users_of_their_rollout_only(others: Subject) -> None:
    """Not at those who chose the arm themselves, nor at other routes."""
    scene = Scene(["errors > 0 for 1m", rule("errors > 0 for 1m", per_path=True)])
    scene.count({others: Cell(requests=100, errors={"5xx": 100})}, {others: {bucket_of(2.0): 9}})

    assert (scene.guard.verdict, scene.guard.value) == (Verdict.OK, 0)


@pytest.mark.parametrize(
    ("narrowed", "errors"),
    [({}, 15), ({"route": "orders"}, 3), ({"path": "/a"}, 9), ({"route": "carts", "path": "/a"}, 8)],
)
def test_a_narrowed_rule_looks_at_its_part(narrowed: dict[str, str], errors: int) -> None:
    """One route, one path on every route, or one path of one route; the judgement says which."""
    scene = Scene([rule("errors > 0 for 1m", **narrowed)])
    for number, (route, path) in enumerate([("orders", "/a"), ("orders", "/b"), ("carts", "/b"), ("carts", "/a")]):
        scene.count({subject(CANDIDATE, path, route=route): Cell(requests=9, errors={"5xx": 2**number})})

    assert scene.guard.value == errors
    assert (scene.guard.route, scene.guard.path) == (narrowed.get("route"), narrowed.get("path"))
    assert all(value in scene.guard.rule for value in narrowed.values())


def test_the_worst_path_speaks_for_all() -> None:
    """Broken before unknown before ok; among equals the one furthest beyond its bound."""
    scene = Scene([rule("errors > 5 for 1m", per_path=True)])
    for path, errors in (("/a", 7), ("/b", 9), ("/c", 1)):
        scene.count({subject(CANDIDATE, path): Cell(requests=20, errors={"5xx": errors})})

    assert (scene.guard.verdict, scene.guard.path, scene.guard.value) == (Verdict.BROKEN, "/b", 9)


def test_a_rule_per_path_says_nothing_before_there_are_paths() -> None:
    """Nothing was counted: unknown."""
    assert Scene([rule("errors > 5 for 1m", per_path=True)]).guard.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("errors", "verdict"), [(22, Verdict.UNKNOWN), (26, Verdict.BROKEN)])
def test_it_does_not_matter_how_many_paths_there_will_be(errors: int, verdict: Verdict) -> None:
    """Each path has its part of alpha from its first request on: a hundred more neither give nor take any."""
    scene = Scene([rule("error_rate > 20% for 1m", per_path=True)])
    scene.count({subject(CANDIDATE): Cell(requests=40, errors={"5xx": errors})})
    alone = scene.guard.verdict
    scene.count({subject(CANDIDATE, f"/{number}"): Cell(requests=20) for number in range(100)})

    assert alone is scene.guard.verdict is verdict


# Those who wait.


def test_a_candidate_that_hangs_from_its_first_request_is_found_before_the_time_out() -> None:
    """Nobody got an answer, so there is nothing but the ages of those who wait."""
    scene = Scene(["p50 > 1s for 1m"])
    waiting = {subject(CANDIDATE): {bucket_of(4.0): 40}}
    scene.count({subject(BASELINE): Cell(requests=40, latencies={bucket_of(0.05): 40})}, waiting)

    assert scene.guard.verdict is Verdict.BROKEN
    assert scene.guard.value == pytest.approx(4.0, rel=0.02)


def test_those_who_wait_count_only_as_long_as_they_do() -> None:
    """And once: their answers are counted when they come. The baseline's count as well."""
    scene = Scene(["p50 > 2x baseline for 1m"])
    quick, slow = {bucket_of(0.05): 60}, {bucket_of(4.0): 200}
    cells = {subject(arm): Cell(requests=60, latencies=quick) for arm in (CANDIDATE, BASELINE)}

    scene.count(cells, {subject(CANDIDATE): slow})
    assert scene.guard.value == pytest.approx(4.0, rel=0.02)
    scene.count(cells, {subject(CANDIDATE): slow, subject(BASELINE): slow})
    assert scene.guard.baseline == pytest.approx(4.0, rel=0.02)
    scene.count(cells)
    assert (scene.guard.value, scene.guard.candidate_requests) == (pytest.approx(0.05, rel=0.02), 180)


# Gates.


def test_a_gate_passes_on_evidence_of_the_whole_stage() -> None:
    """Too young, then too few requests to be sure of 1 %, then ok."""
    scene = Scene(gates=["error_rate < 1% for 1m"])
    seen = []
    for _ in range(20 * MINUTE):
        scene.run(1, both(WELL, BUSY))
        seen.append(scene.gate.reason)

    assert list(dict.fromkeys(seen)) == [Reason.YOUNG_STAGE, Reason.LITTLE_EVIDENCE, Reason.MET]
    assert seen.index(Reason.LITTLE_EVIDENCE) == MINUTE - 1
    assert scene.gate.verdict is Verdict.OK


def test_a_gate_that_is_not_met_is_broken() -> None:
    """What it asks for is not so."""
    scene = Scene(gates=["error_rate < 1% for 1m"])
    scene.run(2 * MINUTE, both(WELL.but(errors=0.1), BUSY))

    assert (scene.gate.verdict, scene.gate.reason) == say(Verdict.BROKEN, Reason.NOT_MET)


def test_a_gate_may_ask_for_an_improvement() -> None:
    """`p95 < 0.9x baseline` passes for a candidate twice as quick, not for one that is alike."""
    quick, alike = (Scene(gates=["p95 < 0.9x baseline for 1m"]) for _ in range(2))
    slow = BUSY.but(median_seconds=0.2)
    quick.run(5 * MINUTE, both(slow.but(median_seconds=0.1), slow))
    alike.run(5 * MINUTE, both(slow, slow))

    assert (quick.gate.verdict, quick.gate.reason) == say(Verdict.OK, Reason.MET)
    assert alike.gate.verdict is not Verdict.OK


def test_relative_gates_are_skipped_where_there_is_no_baseline() -> None:
    """At 100 %: but not in the first seconds of a stage, when the baseline just had no time yet."""
    scene = Scene(gates=["p95 < 1.1x baseline for 1m"])
    scene.run(30, both(BUSY, Service()))
    assert (scene.gate.verdict, scene.gate.reason) == say(Verdict.UNKNOWN, Reason.YOUNG_STAGE)

    scene.run(30, both(BUSY, Service()))
    assert (scene.gate.verdict, scene.gate.reason) == say(Verdict.OK, Reason.NO_BASELINE)


def test_a_path_that_hardly_anybody_asks_for_holds_nothing_up() -> None:
    """A gate over all paths passes on those that have requests on both arms; one that is bad still stops it."""
    gate = rule("error_rate < 2x baseline for 1m", per_path=True)
    scene, bad = Scene(gates=[gate]), Scene(gates=[gate])
    busy = both(BUSY.but(per_second=200, errors=0.001), BUSY.but(per_second=200, errors=0.02))
    rare = both(Service(1), Service(0.2), "/rare") | both(Service(0.1), Service(1), "/rarer")
    scene.run(5 * MINUTE, busy | rare)
    bad.run(5 * MINUTE, busy | both(BUSY.but(errors=0.3), BUSY, "/bad"))

    assert (scene.gate.verdict, scene.gate.path) == (Verdict.OK, "/a")
    assert (bad.gate.verdict, bad.gate.path) == (Verdict.BROKEN, "/bad")


def test_nothing_is_certain_enough_for_a_confidence_of_all() -> None:
    """At 100 % no gate passes and no guard acts; a plain comparison is another setting."""
    scene = Scene(["error_rate > 1%"], ["error_rate < 1% for 5s"], confidence=1.0)
    scene.run(MINUTE, both(WELL.but(errors=1.0), BUSY))
    assert scene.guard.reason == Reason.LITTLE_EVIDENCE

    scene.run(2 * MINUTE, both(Service(10), BUSY))
    assert scene.gate.reason == Reason.LITTLE_EVIDENCE


def test_a_new_stage_is_judged_by_itself() -> None:
    """Gates begin anew, and guards that need evidence; counts go on with what is in their windows."""
    scene = Scene(["requests < 1 for 1m", "error_rate > 1% for 1m"], ["error_rate < 0.4% for 1m"])
    scene.run(20 * MINUTE, both(Service(10), BUSY))
    assert scene.gate.verdict is Verdict.OK

    scene.watch.begin_stage(scene.second)
    scene.run(30, both(Service(10), BUSY))

    assert (scene.gate.verdict, scene.gate.reason) == say(Verdict.UNKNOWN, Reason.YOUNG_STAGE)
    counting, rating = scene.watch.judge_guards(scene.second, None)
    assert (counting[1].candidate_requests, rating[1].candidate_requests) == (600, 300)
    scene.run(30, both(Service(10), BUSY))
    assert scene.gate.reason == Reason.LITTLE_EVIDENCE


def test_no_window_reaches_behind_a_restart() -> None:
    """What rolled back yesterday does not roll back again today."""
    scene = Scene([rule("error_rate > 20% for 1m", per_path=True)], ["error_rate < 1% for 1m"])
    scene.run(20, both(WELL.but(errors=1.0), BUSY))
    assert scene.guard.verdict is Verdict.BROKEN

    scene.watch.restart(scene.second)
    assert scene.guard.candidate_requests == 0
    scene.run(10, both(Service(10), BUSY))

    assert (scene.guard.verdict, scene.guard.candidate_requests) == (Verdict.OK, 100)
    assert scene.gate.reason == Reason.YOUNG_STAGE


def test_a_clock_may_begin_anywhere() -> None:
    """A watch that begins at a late second is no slower to find a fault than one that begins at 0."""
    late, early = Scene(DEFAULT_GUARD), Scene(DEFAULT_GUARD)
    late.second = 1e7
    late.watch.restart(late.second)

    assert late.run_until_broken(99, both(WELL.but(errors=0.1), BUSY)) == early.run_until_broken(
        99, both(WELL.but(errors=0.1), BUSY)
    )


# Which rules.


def test_a_stages_guards_stand_beside_the_plans() -> None:
    """In that stage only; those that ask outside are somebody else's to judge."""
    op, value = parse_comparison("> 2")
    outside = Query("http://127.0.0.1:9090", "up", op, value)
    own = Stage(percent=5, guards=(Guard(rule("errors > 1"), Do.PAUSE), Guard(outside, Do.NOTIFY)))
    asking = Stage(percent=50, gates=(rule("errors < 9 for 1m"), Webhook("http://127.0.0.1/approve"), outside))
    scene = Scene(["errors > 5"], stages=(own, asking))

    guards = {stage: scene.watch.judge_guards(1.0, stage) for stage in (own, asking, None)}

    assert [guard.do for guard, _ in guards[own]] == [Do.ROLLBACK, Do.PAUSE]
    assert [guard.do for guard, _ in guards[asking]] == [guard.do for guard, _ in guards[None]] == [Do.ROLLBACK]
    assert [gate.text for gate, _ in scene.watch.judge_gates(1.0, asking)] == [asking.gates[0].text]


def test_alpha_is_split_over_the_guards_that_spend_it() -> None:
    """Beside forty others a guard needs more evidence; beside forty counts it does not."""
    scenes = [
        Scene(["error_rate > 20% for 1m", *others])
        for others in ([], ["errors > 1000"] * 40, ["error_rate > 90% for 1m"] * 40)
    ]
    for scene in scenes:
        scene.count({subject(CANDIDATE): Cell(requests=40, errors={"5xx": 22})})

    assert [scene.guard.verdict for scene in scenes] == [Verdict.BROKEN, Verdict.BROKEN, Verdict.UNKNOWN]


def test_it_says_how_many_requests_are_still_needed() -> None:
    """As far as that can be told: about as many as it then takes."""
    scene = Scene(["error_rate > 5% for 5m"], gates=["error_rate < 2% for 5s"])
    scene.run(6, both(Service(per_second=10, errors=0.12), Service(per_second=10)))
    guard = scene.guard
    assert (guard.verdict, guard.reason) == say(Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE)
    assert guard.needs is not None

    found = scene.run_until_broken(60, both(Service(per_second=10, errors=0.12), Service(per_second=10)))

    assert found is not None
    assert 0.3 * guard.needs <= 10 * found <= 4 * guard.needs
    scene = Scene(gates=["error_rate < 2% for 5s"])
    scene.run(6, both(Service(per_second=10), Service(per_second=10)))
    assert (scene.gate.reason, (scene.gate.needs or 0) > 50) == (Reason.LITTLE_EVIDENCE, True)
