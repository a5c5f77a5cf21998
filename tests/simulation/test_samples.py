"""The sample plans, through the real loader and the simulation."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.core.types import Rollout, Table
from gateway.settings.compile import compile_table
from gateway.settings.load import load_file
from gateway.settings.switches import Switches
from gateway.simulation.faults import parse_fault
from gateway.simulation.traffic import Traffic, list_places
from gateway.simulation.trial import Scenario, Trial, run_trial

EXAMPLES = Path(__file__).parent.parent.parent / "config" / "examples"
PLANS = sorted(path.stem for path in EXAMPLES.glob("plan-*.yaml"))


def read(name: str) -> Table:
    """The sample as the gateway would have it."""
    loaded = load_file(EXAMPLES / f"{name}.yaml", {})
    return compile_table(loaded.config, loaded.revision, Switches.from_env({}), EXAMPLES)


def simulate(name: str, *faults: str, minutes: float, hold_minutes: float | None = None, rps: float = 100) -> Trial:
    """Its rollout, on traffic without errors of which each cohort has a fifth; holds may be cut short."""
    table = read(name)
    (rollout,) = table.rollouts
    scenario = Scenario(
        rollout=rollout if hold_minutes is None else shorten(rollout, hold_minutes * 60),
        places=list_places(route for route in table.routes if route.rollout),
        traffic=Traffic(requests_per_second=rps, error_rate=0.0, cohort_percent=20.0),
        faults=tuple(map(parse_fault, faults)),
        fault_at_seconds=60.0,
        bound_seconds=minutes * 60,
        shadows={route.name: route.shadow for route in table.routes if route.shadow is not None},
    )
    return run_trial(scenario, 1)


def shorten(rollout: Rollout, hold_seconds: float) -> Rollout:
    """The same with shorter holds."""
    stages = tuple(msgspec.structs.replace(stage, hold_seconds=hold_seconds) for stage in rollout.plan.stages)
    return msgspec.structs.replace(rollout, plan=msgspec.structs.replace(rollout.plan, stages=stages))


def test_there_are_five() -> None:
    """One for each way in which teams move."""
    assert len(PLANS) == 5


@pytest.mark.parametrize("name", PLANS)
def test_a_sample_leaves_a_well_candidate_alone(name: str) -> None:
    """Nothing happens in its first minutes but the start."""
    trial = simulate(name, minutes=6)

    assert [each.kind for each in trial.happenings] == ["start"]


@pytest.mark.parametrize("name", PLANS)
def test_a_sample_takes_a_broken_candidate_back(name: str) -> None:
    """Within ten seconds of the first error, where a third of all requests fails, even in its first stage."""
    trial = simulate(name, "errors=33%", minutes=6)

    assert "rollback" in [each.kind for each in trial.happenings]
    assert trial.detection_seconds is not None
    assert trial.detection_seconds <= 10


def test_the_plan_by_percentage_goes_all_the_way() -> None:
    """5, 25, 50, 100 %, a person between the stages, on evidence; holds are cut short here."""
    trial = simulate("plan-by-percentage", minutes=90, hold_minutes=2, rps=400)

    assert [each.percent for each in trial.happenings if each.kind == "stage"] == [25, 50, 100]
    assert [each.kind for each in trial.happenings].count("approval") == 3
    assert trial.false_alarms + trial.false_acts == ()


def test_the_plan_by_percentage_waits_a_week_after_a_rollback() -> None:
    """As its team does."""
    assert read("plan-by-percentage").rollouts[0].plan.cooldown_seconds == 7 * 86_400


def test_a_faster_candidate_passes_where_an_improvement_is_asked_for() -> None:
    """One that is as fast as the baseline stays where it is, and so does one that answers something else."""
    faster = simulate("plan-for-a-faster-candidate", "latency=0.6x", minutes=30, hold_minutes=5)
    alike = simulate("plan-for-a-faster-candidate", minutes=30, hold_minutes=5)
    other = simulate("plan-for-a-faster-candidate", "latency=0.6x", "mismatch=5%", minutes=30, hold_minutes=5)

    assert "stage" in [each.kind for each in faster.happenings]
    assert [each.kind for each in alike.happenings] == ["start"]
    assert [each.kind for each in other.happenings] == ["start", "fault"]
