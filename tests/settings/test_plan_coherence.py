"""What contradicts itself is in tests/settings/bad/plan_references.yaml; here is what `crossfade check` warns of."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings.load import load_text

FRAME = """\
version: 1
backends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}
rollouts: {fade: {key: client_ip, %s}}
routes:
  - {name: a, match: /a/**, baseline: legacy, candidate: new, rollout: fade, paths: ["/a/{id}"]}
  - {name: b, match: /b/**, baseline: legacy, candidate: new, rollout: fade, paths: /b}
"""
GATED = "gates: p99 < 1s"


def warnings_of(fields: str) -> list[str]:
    """What is said of a rollout with these fields: where in it, and what."""
    warnings = load_text(FRAME % fields, "gateway.yaml", {}, Path()).warnings
    return [f"{risk.path.removeprefix('rollouts.fade.')}: {risk.message}" for risk in warnings]


@pytest.mark.parametrize(
    "fields",
    [
        "percent: 5",
        "stages: [{percent: 5, hold: 1h}, {percent: 100}], gates: p99 < 1s for 1h",
        "stages: [{percent: 5, gates: p99 < 1s}, {percent: 100}]",
        "stages: [{percent: 5, approval: manual, gates: []}, {percent: 100}], gates: [p99 < 1s]",
        "stages: [{percent: 5}], gates: {webhook: 'http://ci'}, retry: 1",
        "guard: [{when: p99 > 1s, do: pause}, {when: errors > 5, do: step_back}]",
        "guard: [{when: p99 > 1s, path: '/a/{id}'}, {when: p99 > 1s, route: b, path: /b}]",
        "confidence: none",
        "min_requests: 5",
    ],
)
def test_a_sound_plan_is_not_warned_of(fields: str) -> None:
    """Whoever is warned without reason stops reading warnings."""
    assert warnings_of(fields) == []


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ("start: auto", "start: says nothing without `stages`: `percent: 0` is fixed"),
        (f"percent: 5, {GATED}", "gates: says nothing without `stages`: `percent: 5` is fixed"),
        (
            f"stages: [{{percent: 5, approval: manual}}], {GATED}",
            "stages.0.approval: says nothing on the last stage: there is no next one to be promoted to",
        ),
        (
            f"stages: {{percent: 5}}, {GATED}, retry: 1, cooldown: 0s",
            "retry: starts again right after each rollback, as `cooldown` is 0",
        ),
        (
            "stages: [{percent: 5, hold: 1h}, {percent: 100, gates: []}]",
            "stages: no gate is asked before a stage ends, and nothing is compared: the plan goes on by time alone",
        ),
        ("guard: []", "guard: no guard takes the candidate back"),
        ("guard: {when: p99 > 1s, do: pause}", "guard: no guard takes the candidate back"),
        (
            "confidence: none, min_requests: 2",
            "confidence: compares plainly, and `min_requests: 2` lets very few requests decide",
        ),
        (
            "guard: {when: p99 > 1s, path: '/a/{ids}'}",
            "guard.path: `/a/{ids}` is not in `paths` of the rollout's routes; did you mean `/a/{id}`?",
        ),
        (
            "guard: {when: p99 > 1s, route: a, path: /b}",
            "guard.path: `/b` is not in `paths` of the rollout's routes; add it to be counted by",
        ),
        (
            f"stages: [{{percent: 5, gates: []}}, {{percent: 9}}], {GATED}",
            "stages.0: is over as soon as it begins: it has no `hold`, no gate and no approval",
        ),
        (
            f"stages: [{{percent: 5}}, {{percent: 2}}], {GATED}",
            "stages.1.percent: falls from 5 to 2: keys go back",
        ),
        (
            "stages: [{percent: 5, hold: 30m}], gates: [p99 < 1s for 1h, errors < 5]",
            "stages.0.hold: is shorter than the 1h that a gate looks back: the stage lasts 1h",
        ),
        (f"mode: off, stages: [{{percent: 5}}], {GATED}", "stages: the plan stands still in `mode: off`"),
        (
            "stages: [{percent: 5}], gates: error_rate > 1%",
            "gates: `error_rate > 1% for 1m` passes when all is bad: a gate says what is asked for, with `<`",
        ),
        (
            "guard: {when: error_rate < 5%, do: rollback}",
            "guard: `error_rate < 5% for 1m` acts when all is well: a guard says what is feared, with `>`",
        ),
        (
            "guard: [{when: p99 > 1s, do: rollback}, {when: p99 > 1000ms, do: pause}]",
            "guard.1: is there already: a guard named twice takes a share of `confidence` twice",
        ),
        (
            f"stages: [{{percent: 5, guard: p99 > 1s}}], {GATED}, guard: p99 > 1s",
            "stages.0.guard: is there already: a guard named twice takes a share of `confidence` twice",
        ),
    ],
)
def test_what_may_not_be_meant_is_told(fields: str, warning: str) -> None:
    """Allowed, but each has surprised somebody."""
    assert warnings_of(fields) == [warning]


def test_a_route_with_faults_of_its_own_is_known_to_rules() -> None:
    """One mistake is reported once: the rule about such a route is right."""
    text = (FRAME % "guard: {when: p99 > 1s, route: b}").replace("paths: /b", "paths: b")

    with pytest.raises(ConfigError) as caught:
        load_text(text, "gateway.yaml", {}, Path())

    assert [problem.path for problem in caught.value.problems] == ["routes.1.paths"]


@pytest.mark.parametrize("field", ["failover", "breaker"])
def test_what_is_switched_off_is_written_off(field: str) -> None:
    """`false` is what people try first."""
    with pytest.raises(ConfigError, match="false is not allowed; write `off`"):
        load_text((FRAME % "percent: 5").replace("paths: /b", f"{field}: false"), "gateway.yaml", {}, Path())
