"""The configuration that the demo runs on."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.plans import Metric
from gateway.core.types import Mode
from gateway.demo.configuration import LEAST_HOLD_SECONDS, PERCENTS, Places, pace_of, write_configuration
from gateway.settings.compile import compile_table
from gateway.settings.load import load_text
from gateway.settings.switches import Switches

PLACES = Places(8080, 9900, 2, "/tmp/demo.db", "http://127.0.0.1:9001", "http://127.0.0.1:9002")


@given(st.floats(1, 3600), st.booleans(), st.sampled_from(Mode))
def test_every_pace_and_mode_gives_a_valid_configuration(seconds, with_fault, mode):
    """With the plan's stages in it, each held as long as the pace says."""
    pace = pace_of(seconds, with_fault=with_fault)
    loaded = load_text(write_configuration(PLACES, pace, mode), "gateway.yaml", {}, Path())
    (rollout,) = compile_table(loaded.config, loaded.revision, Switches(), Path()).rollouts

    assert rollout.mode is mode
    assert tuple(stage.percent for stage in rollout.plan.stages) == PERCENTS
    for stage, hold in zip(rollout.plan.stages, pace.hold_seconds, strict=True):
        assert abs(stage.hold_seconds - hold) <= 0.001


def test_the_first_stage_ends_only_while_answers_agree():
    """And the last can end without any that are copied: there is no old shop left to compare with."""
    loaded = load_text(write_configuration(PLACES, pace_of(60, with_fault=True), Mode.LIVE), "", {}, Path())
    (rollout,) = compile_table(loaded.config, loaded.revision, Switches(), Path()).rollouts
    metrics = [{gate.metric for gate in stage.gates} for stage in rollout.plan.stages]

    assert Metric.MISMATCH_RATE in metrics[0]
    assert Metric.MISMATCH_RATE not in metrics[-1]


@given(st.floats(1, 3600))
def test_a_stage_is_held_longer_than_its_gates_look_back(seconds):
    """And the new shop turns bad before the second one is over."""
    pace = pace_of(seconds, with_fault=True)

    assert min(pace.hold_seconds) >= LEAST_HOLD_SECONDS
    assert pace.healthy_seconds < pace.hold_seconds[1]


@given(st.floats(60, 3600))
def test_all_parts_fit_into_the_time(seconds):
    """With some seconds left for what gates, guards and people take."""
    calm, faulty = pace_of(seconds, with_fault=False), pace_of(seconds, with_fault=True)
    first, second, third = faulty.hold_seconds
    there_and_back = first + faulty.healthy_seconds + faulty.aftermath_seconds

    assert calm.shadow_seconds + sum(calm.hold_seconds) <= 0.9 * seconds
    assert faulty.shadow_seconds + there_and_back + first + second + third <= 0.8 * seconds
