"""Services that do well, and badly, from minute to minute; and how soon a watch tells one from the other."""

from __future__ import annotations

import pytest

from gateway.core.plans import Stage
from gateway.core.verdicts import Reason, Verdict
from gateway.core.windows import Cell
from tests.core.watching import (
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

# Faults.


def test_a_candidate_that_fails_altogether_is_found_in_seconds() -> None:
    """Ten healthy minutes, then every answer of the candidate is a 500."""
    scene = Scene(DEFAULT_GUARD)
    assert scene.run_until_broken(10 * MINUTE, both(WELL, BUSY)) is None

    found = scene.run_until_broken(10, both(WELL.but(errors=1.0), BUSY))

    assert found is not None
    assert found <= 5


def test_a_candidate_that_fails_from_the_first_request_is_found_as_soon() -> None:
    """There are no healthy requests to be outweighed: it takes what makes twenty of them."""
    found = Scene(DEFAULT_GUARD).run_until_broken(10, both(WELL.but(errors=1.0), BUSY))

    assert found == 2


def test_a_candidate_that_fails_now_and_then_is_found_in_a_minute() -> None:
    """Half an hour at 0.2 %, then 5 % of the candidate's answers are errors."""
    scene = Scene(DEFAULT_GUARD)
    assert scene.run_until_broken(30 * MINUTE, both(WELL, BUSY)) is None

    assert scene.run_until_broken(90, both(WELL.but(errors=0.05), BUSY)) is not None


def test_a_candidate_that_slows_down_is_found() -> None:
    """Three times slower than it was, against a baseline that is as it was."""
    scene = Scene(DEFAULT_GUARD)
    assert scene.run_until_broken(6 * MINUTE, both(WELL, BUSY)) is None

    assert scene.run_until_broken(3 * MINUTE, both(WELL.but(median_seconds=0.15), BUSY)) is not None


def test_a_candidate_that_answers_clients_otherwise_is_found() -> None:
    """It denies what the baseline grants: 4xx, not errors."""
    scene = Scene(DEFAULT_GUARD)
    assert scene.run_until_broken(6 * MINUTE, both(WELL, BUSY)) is None

    assert scene.run_until_broken(3 * MINUTE, both(WELL.but(client_errors=0.5), BUSY)) is not None


def test_one_bad_path_of_ten_is_found_where_each_is_looked_at() -> None:
    """The whole has 10 % more errors than the path by itself shows; the judgement names it."""
    scene = Scene([rule("error_rate > 25% for 1m", per_path=True)])
    paths = {name: both(WELL.but(per_second=1), BUSY.but(per_second=4), f"/{name}") for name in "abcdefghij"}
    services = {about: service for arms in paths.values() for about, service in arms.items()}
    assert scene.run_until_broken(5 * MINUTE, services) is None

    found = scene.run_until_broken(MINUTE, services | {subject(CANDIDATE, "/c"): Service(1, errors=0.9)})

    assert found is not None
    assert (scene.guard.route, scene.guard.path, scene.guard.reason) == ("orders", "/c", Reason.BROKEN)


def test_what_happens_is_the_same_each_time() -> None:
    """The verdicts follow from what was counted, and from nothing else."""
    scenes = [Scene(DEFAULT_GUARD, seed=5) for _ in range(2)]

    found = [scene.run_until_broken(100, both(WELL.but(errors=0.08), BUSY)) for scene in scenes]

    assert found[0] == found[1] is not None


# No faults.


@pytest.mark.parametrize("seed", range(5))
def test_two_services_alike_are_left_alone(seed: int) -> None:
    """Half an hour each, on a tenth of the baseline's traffic, looked at every second."""
    scene = Scene(DEFAULT_GUARD, seed=seed)

    assert scene.run_until_broken(30 * MINUTE, both(Service(2, errors=0.01), Service(20, errors=0.01))) is None


def test_a_fault_of_both_arms_is_not_the_candidates() -> None:
    """A database that both use is down: relative rules are quiet, absolute ones say why they don't act."""
    scene = Scene(["error_rate > 20% for 5s", "error_rate > baseline + 1% for 1m"])
    scene.run(5 * MINUTE, both(WELL, BUSY))

    assert scene.run_until_broken(MINUTE, both(WELL.but(errors=0.9), BUSY.but(errors=0.9))) is None
    assert (scene.guard.verdict, scene.guard.reason) == (Verdict.UNKNOWN, Reason.BOTH_ARMS)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.95])
@pytest.mark.parametrize("guard", ["error_rate > baseline + 1% for 1m", "error_rate > 5% for 1m"])
def test_a_fault_of_both_arms_as_the_share_grows_is_not_the_candidates_either(guard: str, share: float) -> None:
    """Of the last minute, most of the candidate's requests came with the fault, most of the baseline's before it."""
    scene = Scene([guard])
    scene.run(2 * MINUTE, both(BUSY.but(per_second=10), BUSY.but(per_second=190)))

    scene.watch.begin_stage(scene.second)
    candidate, baseline = (Service(200 * part, errors=0.1) for part in (share, 1 - share))

    assert scene.run_until_broken(2 * MINUTE, both(candidate, baseline)) is None


def test_a_candidate_that_fails_as_its_share_grows_is_found_in_seconds() -> None:
    """What was before the change is not needed for that."""
    scene = Scene(DEFAULT_GUARD)
    scene.run(2 * MINUTE, both(BUSY.but(per_second=10), BUSY.but(per_second=190)))
    scene.watch.begin_stage(scene.second)

    found = scene.run_until_broken(10, both(Service(50, errors=1.0), BUSY.but(per_second=150)))

    assert found is not None
    assert found <= 3


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rates", [(10, 40), (40, 10), (95, 5)])
def test_a_fault_of_both_arms_that_comes_and_goes_is_never_the_candidates(
    seed: int, rates: tuple[float, float]
) -> None:
    """By chance the candidate is over the bound a second before the baseline is: that proves nothing."""
    scene = Scene(DEFAULT_GUARD, seed=seed)
    candidate, baseline = (Service(each, errors=0.002) for each in rates)

    for share in (0.002, 0.3, 0.002, 0.6, 0.002, 0.1):
        assert scene.run_until_broken(70, both(candidate.but(errors=share), baseline.but(errors=share))) is None


@pytest.mark.parametrize(("rates", "seconds"), [((95, 5), 5), ((100, 0), 3), ((20, 1), 20)])
def test_a_candidate_that_fails_with_most_of_the_traffic_is_found_as_well(
    rates: tuple[float, float], seconds: int
) -> None:
    """Few requests of the baseline, or none, tell that it does better."""
    scene = Scene(["error_rate > 20% for 5s", "error_rate > 5% for 1m"])
    candidate, baseline = (Service(each, errors=0.002) for each in rates)
    scene.run(2 * MINUTE, both(candidate, baseline))

    found = scene.run_until_broken(seconds, both(candidate.but(errors=0.5), baseline))

    assert found is not None


def test_who_wants_to_may_act_on_a_shared_fault() -> None:
    """`shared: act` is for those whose candidate makes the baseline fail."""
    scene = Scene([rule("error_rate > 20% for 5s", acts_on_shared=True)])

    assert scene.run_until_broken(20, both(WELL.but(errors=0.9), BUSY.but(errors=0.9))) is not None


def test_a_baseline_without_errors_makes_no_catastrophe_of_two() -> None:
    """`2x baseline` takes the baseline as 0.1 % at the least."""
    scene = Scene(["error_rate > 2x baseline for 1m"])
    scene.run(MINUTE, both(Service(10), Service(40)))

    scene.count({subject(CANDIDATE): Cell(requests=10, errors={"5xx": 2})})

    assert scene.guard.bound == pytest.approx(0.002)
    assert (scene.guard.verdict, scene.guard.reason) == (Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE)


def test_a_guard_about_too_few_waits_until_there_could_be_enough() -> None:
    """A rollout that has just begun had next to none, of course."""
    scene = Scene(["requests < 1000 for 1m"])

    scene.run(30, both(WELL, BUSY))
    assert (scene.guard.verdict, scene.guard.reason) == (Verdict.UNKNOWN, Reason.YOUNG_STAGE)
    scene.run(31, both(WELL, BUSY))
    assert scene.guard.verdict is Verdict.BROKEN


def test_what_was_under_way_before_the_last_stage_is_no_baseline() -> None:
    """At 100 % relative gates are skipped, however many of the baseline's answers came a moment late."""
    last = Stage(100, gates=(rule("p95 < 1.1x baseline for 1m"),))
    scene = Scene(stages=(Stage(50), last))
    scene.watch.begin_stage(scene.second)
    scene.run(1, both(BUSY, BUSY))

    scene.run(120, {subject(CANDIDATE): BUSY})

    judgement = scene.watch.judge_gates(scene.second, last)[0][1]
    assert (judgement.verdict, judgement.reason) == (Verdict.OK, Reason.NO_BASELINE)
