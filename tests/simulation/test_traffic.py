"""Synthetic traffic."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from gateway.core.shadowing import Compare, Shadow
from gateway.core.types import Arm, Cohort, Condition, Held, KeyKind, KeySource, Match, Rollout, Route
from gateway.core.windows import Cell
from gateway.simulation.faults import Condition as ArmCondition
from gateway.simulation.traffic import Stream, Traffic, list_places, share_of_requests
from tests.simulation.scenarios import build_rollout

WELL = ArmCondition(0.002)
WHEN = (Condition(KeySource(KeyKind.HEADER, "X-Group"), ("a",)),)


def route(name: str, *paths: str) -> Route:
    """A route with these templates."""
    return Route(name=name, match=Match(), baseline="legacy", candidate="new", rollout="checkout", paths=paths)


def collect(seconds: int, share: float, candidate: ArmCondition = WELL, paths: int = 1) -> dict[Arm, Cell]:
    """What both arms have after so many seconds of 100 requests."""
    stream = Stream(Traffic(requests_per_second=100), [("r", f"/{number}") for number in range(paths)], Random(1), {})
    sums = {arm: Cell() for arm in Arm}
    for _ in range(seconds):
        for subject, cell in stream.pass_second(share, {Arm.CANDIDATE: candidate, Arm.BASELINE: WELL}).items():
            sums[Arm(subject.arm)].add(cell)
    return sums


def test_requests_take_the_arms_by_share() -> None:
    """A quarter of all goes to the candidate at 25 %."""
    sums = collect(1000, 0.25)

    assert sums[Arm.CANDIDATE].requests == pytest.approx(25_000, rel=0.03)
    assert sums[Arm.BASELINE].requests == pytest.approx(75_000, rel=0.03)


def test_every_request_has_a_latency() -> None:
    """Failed ones too: what answers 500 answers."""
    sums = collect(50, 0.5)

    assert all(sum(cell.latencies.values()) == cell.requests for cell in sums.values())


def test_a_bad_condition_is_that_of_one_arm() -> None:
    """The other one goes on as usual."""
    sums = collect(500, 0.5, ArmCondition(0.05, slowness=3.0))
    rates = {arm: cell.error_count / cell.requests for arm, cell in sums.items()}

    assert rates[Arm.CANDIDATE] == pytest.approx(0.05, rel=0.1)
    assert rates[Arm.BASELINE] == pytest.approx(0.002, rel=0.4)
    assert max(sums[Arm.CANDIDATE].latencies) > max(sums[Arm.BASELINE].latencies)


def test_a_broken_path_fails_wholly_and_alone() -> None:
    """One of twenty is a twentieth of the requests."""
    cell = collect(200, 0.5, ArmCondition(0.0, broken=frozenset({3})), paths=20)[Arm.CANDIDATE]

    assert cell.error_count / cell.requests == pytest.approx(1 / 20, rel=0.1)


@pytest.mark.parametrize(("both", "copied"), [(False, 0.9), (True, 1.0)])
def test_copies_of_a_route_are_compared(both: bool, copied: float) -> None:
    """A tenth of what the baseline answers, or of all; of the other route nothing is copied."""
    shadow = Shadow(10.0, frozenset({"GET"}), both, 0, 1, 1.0, Compare(status=True, headers=()))
    places = [("a", "/a"), ("b", "/b")]
    stream = Stream(Traffic(requests_per_second=200), places, Random(1), {"a": shadow})
    sums = {path: Cell() for path in ("/a", "/b")}
    for _ in range(500):
        cells = stream.pass_second(0.1, {Arm.CANDIDATE: ArmCondition(0.0, mismatch_rate=0.2), Arm.BASELINE: WELL})
        for subject, cell in cells.items():
            if subject.arm == Arm.CANDIDATE:
                sums[subject.path].add(cell)

    assert sums["/a"].compared == pytest.approx(5000 * copied, rel=0.06)
    assert sums["/a"].mismatches == pytest.approx(1000 * copied, rel=0.12)
    assert (sums["/b"].compared, sums["/b"].mismatches) == (0, 0)


def test_what_answers_nobody_is_compared_all_the_same() -> None:
    """That is what a stage without a share is good for."""
    shadow = Shadow(100.0, frozenset({"GET"}), False, 0, 1, 1.0, Compare(status=True, headers=()))
    stream = Stream(Traffic(requests_per_second=200), [("a", "/a")], Random(1), {"a": shadow})
    cells = {Arm(subject.arm): cell for subject, cell in stream.pass_second(0.0, dict.fromkeys(Arm, WELL)).items()}

    assert cells[Arm.CANDIDATE].compared == cells[Arm.BASELINE].requests
    assert (cells[Arm.CANDIDATE].requests, cells[Arm.CANDIDATE].mismatches) == (0, 0)


def test_the_same_seed_gives_the_same_traffic() -> None:
    """To the request."""
    assert collect(20, 0.3, paths=5) == collect(20, 0.3, paths=5)


def test_requests_are_for_the_paths_that_routes_name() -> None:
    """So that a rule about one of them sees traffic; a route that names none has one all the same."""
    routes = [route("orders", "/orders", "/orders/{id}"), route("rest")]

    assert list_places(routes) == (("orders", "/orders"), ("orders", "/orders/{id}"), ("rest", "/simulated/{id}"))


def test_more_paths_are_made_up_and_fewer_left_out() -> None:
    """As many as were asked for, over all routes."""
    routes = [route("orders", "/orders"), route("rest", "/rest")]

    assert len(set(list_places(routes, 7))) == 7
    assert list_places(routes, 1) == (("orders", "/orders"),)


def with_cohorts(percent: float, *cohorts: Cohort, **others: object) -> Rollout:
    """A fixed percentage with cohorts."""
    return msgspec.structs.replace(build_rollout((), percent=percent), cohorts=cohorts, **others)


def test_cohorts_add_to_the_share_and_take_from_it() -> None:
    """Each has 10 % of the keys here: one at the candidate, one at the baseline, one with a floor of 50 %."""
    internal, fragile = Cohort("internal", WHEN, Arm.CANDIDATE), Cohort("fragile", WHEN, Arm.BASELINE)
    beta = Cohort("beta", WHEN, percent=50)

    assert share_of_requests(with_cohorts(20, internal, fragile, beta), 10) == pytest.approx(0.1 + 0.05 + 0.7 * 0.2)
    assert share_of_requests(with_cohorts(100, fragile), 10) == pytest.approx(0.9)


def test_nobody_takes_the_candidate_of_a_rollout_that_is_held() -> None:
    """Whatever its percentage and cohorts."""
    assert share_of_requests(with_cohorts(50, held=Held.ROLLED_BACK), 10) == 0
