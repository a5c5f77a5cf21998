"""What a trial looked like over time."""

from __future__ import annotations

from itertools import pairwise

from gateway.core.types import Arm
from gateway.simulation.recording import MOST_SLOTS, Recording
from gateway.simulation.trial import run_trial
from tests.simulation.scenarios import build_rollout, build_scenario


def test_a_short_trial_is_recorded_by_the_second() -> None:
    """Share, error rates and latencies of both arms, and which guard was broken when."""
    recording = Recording()
    trial = run_trial(build_scenario("errors=50%", fault_at_seconds=20.0), 1, recording.observe)
    slots = recording.slots()

    assert [slot.second for slot in slots] == list(range(1, int(trial.seconds) + 1))
    assert slots[0].percent == 5
    assert slots[-1].broken
    assert not any(slot.broken for slot in slots[:-1])
    assert (slots[-2].error_rates[Arm.CANDIDATE] or 0) > (slots[-2].error_rates[Arm.BASELINE] or 0)
    assert all(slot.p99_ms[Arm.BASELINE] for slot in slots)


def test_a_long_trial_has_no_more_slots_than_a_picture_has_room_for() -> None:
    """Seconds are put together in equal numbers, and none is lost."""
    recording = Recording()
    rollout = build_rollout((), percent=10, guard=())
    run_trial(build_scenario(rollout=rollout, rps=1, bound_seconds=2500.0), 2, recording.observe)
    seconds = [slot.second for slot in recording.slots()]

    assert len(seconds) <= MOST_SLOTS
    assert seconds[-1] == 2500
    assert {after - before for before, after in pairwise(seconds[:-1])} == {8.0}


def test_what_is_unknown_stays_unknown() -> None:
    """At 100 % the baseline has neither errors nor latencies."""
    recording = Recording()
    rollout = build_rollout((), percent=100, guard=())
    run_trial(build_scenario(rollout=rollout, bound_seconds=3.0), 3, recording.observe)

    assert recording.slots()[0].error_rates[Arm.BASELINE] is None
    assert recording.slots()[0].p99_ms[Arm.BASELINE] is None
