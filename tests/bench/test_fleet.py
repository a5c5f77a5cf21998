"""What the bench of a fleet plays is what its replicas would say, and what it has seen is held against its bounds."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from bench.fleet import Delays, build_configuration, check, list_delays
from bench.processes import BenchError
from bench.replicas import Outcome, Script, Sighting, Traffic, name_rollout
from gateway.core.progress import Progress, State
from gateway.core.types import Arm
from gateway.settings.load import load_text
from tests.store.servers import RedisServer

TRAFFIC = Traffic(routes=3, requests_per_second=200)
ROLLOUT = name_rollout(1)


def errors_of(script: Script, second: float) -> int:
    """Of the candidate of `ROLLOUT`, in the second that ends then."""
    portion = script.read("a", second).portions[ROLLOUT]
    return sum(cell.error_count for subject, cell in portion.cells if subject.arm == Arm.CANDIDATE)


def test_each_rollout_is_counted_on_both_arms_under_the_version_that_is_in_force() -> None:
    """All requests of a second are in one report."""
    script = Script(TRAFFIC, Random(1))
    script.follow({name_rollout(number): Progress(state=State.RUNNING, version=7) for number in range(3)})
    portions = script.read("a", 1.0).portions

    assert {portion.version for portion in portions.values()} == {7}
    assert sum(cell.requests for portion in portions.values() for _, cell in portion.cells) == 200
    assert {subject.arm for subject, _ in portions[ROLLOUT].cells} == {"baseline", "candidate"}


def test_its_configuration_is_one_that_nobody_has_to_be_warned_of(tmp_path: Path) -> None:
    """A rollout for each route, with the default guard and a gate, on the Redis that was started."""
    loaded = load_text(build_configuration(RedisServer(tmp_path), 3, compares=True), "gateway.yaml", {}, tmp_path)

    assert loaded.warnings == []
    assert [*loaded.config.rollouts] == [name_rollout(number) for number in range(3)]
    assert [route.rollout for route in loaded.config.routes] == [*loaded.config.rollouts]


def test_a_candidate_fails_from_its_second_on() -> None:
    """Of the second in which it begins, only a part."""
    script = Script(TRAFFIC, Random(1))
    script.fail({ROLLOUT: 10.0})
    before, amid, after = (errors_of(script, second) for second in (10.0, 10.4, 11.0))

    assert before < amid < after


def test_who_is_rolled_back_has_no_candidate_any_more() -> None:
    """As it would be with requests."""
    script = Script(TRAFFIC, Random(1))
    script.follow({ROLLOUT: Progress(state=State.ROLLED_BACK, version=8)})

    assert {subject.arm for subject, _ in script.read("a", 1.0).portions[ROLLOUT].cells} == {"baseline"}


def test_delays_run_from_the_fault_to_the_verdict_and_from_there_to_the_last_replica() -> None:
    """By one clock."""
    began, epoch = time.monotonic(), time.time()
    seen = [Sighting(ROLLOUT, name, 0.0, epoch + after) for name, after in (("a", 2.5), ("b", 3.25))]
    (delays,) = list_delays({ROLLOUT: began}, {ROLLOUT: epoch + 2.0}, Outcome(seen), 2)

    assert delays.committed == pytest.approx(2.0, abs=0.1)
    assert delays.followed == 1.25


def test_a_replica_that_never_hears_is_a_failure() -> None:
    """However many others did."""
    with pytest.raises(BenchError, match="1 replicas did not hear of the rollback of r1"):
        list_delays({ROLLOUT: 0.0}, {ROLLOUT: 1.0}, Outcome([Sighting(ROLLOUT, "a", 0.0, 2.0)]), 2)


@pytest.mark.parametrize(
    ("leader", "redis", "followed", "complaint"),
    [
        (0.51, 0.1, 0.5, "costs its leader or its store too much"),
        (0.1, 0.21, 0.5, "costs its leader or its store too much"),
        (0.1, 0.1, 2.1, "followed a rollback too late"),
    ],
)
def test_what_is_beyond_its_bound_is_a_failure(leader: float, redis: float, followed: float, complaint: str) -> None:
    """Each of them."""
    with pytest.raises(BenchError, match=complaint):
        check(leader, redis, [Delays(ROLLOUT, 1.0, followed)])


def test_what_is_within_its_bounds_passes() -> None:
    """Nothing is raised."""
    check(0.5, 0.2, [Delays(ROLLOUT, 9.0, 2.0)])
