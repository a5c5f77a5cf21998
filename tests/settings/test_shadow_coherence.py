"""What `crossfade check` warns of where requests are copied and writes are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.load import load_text

FRAME = """\
version: 1
backends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}
rollouts: {fade: {key: client_ip, %s}}
routes:
  - {name: a, match: {path: /a/**, methods: [GET, POST]}, baseline: legacy, candidate: new, rollout: fade, %s}
  - {name: b, match: /b/**, baseline: legacy, candidate: new, rollout: fade}
"""
GUARD = "guard: [errors > 5, %s]"
GATES = "stages: [{percent: 5, hold: 1h}], gates: [%s]"


def warnings_of(rollout: str, route: str) -> list[str]:
    """What is said of a rollout and the first of its routes with these fields: where, and what."""
    warnings = load_text(FRAME % (rollout, route), "gateway.yaml", {}, Path()).warnings
    return [f"{risk.path}: {risk.message}" for risk in warnings]


@pytest.mark.parametrize(
    ("rollout", "route"),
    [
        ("percent: 5", "shadow: {}"),
        ("mode: shadow", "shadow: {percent: 100, compare: {noise: 5%}}"),
        ("mode: shadow", "shadow: {methods: [GET, POST]}"),
        ("percent: 5", "shadow: {methods: [GET, POST], direction: both}"),
        ("percent: 5", "shadow: {methods: [GET, POST]}, journal: {}"),
        ("percent: 5", "shadow: {percent: 0, methods: POST, direction: both}"),
        ("percent: 5", "journal: {methods: [POST, DELETE]}"),
        ("mode: off", "journal: {}"),
        (GUARD % "mismatches > 5", "shadow: {}"),
        (GUARD % "{when: mismatch_rate > 1%, route: a}", "shadow: {}"),
        ("guard: {when: p99 > 2s, route: b, do: shadow}", "shadow: {}"),
        (GATES % "mismatch_rate < 1%", "shadow: {}"),
        ("stages: [{percent: 5, hold: 1h}]", "shadow: {}"),
    ],
)
def test_what_does_what_it_says_is_not_warned_of(rollout: str, route: str) -> None:
    """Whoever is warned without reason stops reading warnings."""
    assert warnings_of(rollout, route) == []


@pytest.mark.parametrize(
    ("rollout", "route", "warning"),
    [
        (
            GUARD % "mismatch_rate > 5%",
            "journal: {}",
            (
                "rollouts.fade.guard.1: nothing is compared until a route of this rollout has `shadow`: "
                "this guard never acts"
            ),
        ),
        (
            GATES % "mismatches <= 0 for 1h",
            "journal: {}",
            (
                "rollouts.fade.gates.0: nothing is compared until a route of this rollout has `shadow`: "
                "this gate never passes"
            ),
        ),
        (
            GUARD % "{when: mismatches > 5, route: b}",
            "shadow: {}",
            "rollouts.fade.guard.1: nothing is compared until route `b` has `shadow`: this guard never acts",
        ),
        (
            "stages: [{percent: 5, hold: 1h}]",
            "journal: {}",
            (
                "rollouts.fade.stages: no gate is asked before a stage ends, and nothing is compared: "
                "the plan goes on by time alone"
            ),
        ),
        (
            "mode: shadow",
            "journal: {}",
            "rollouts.fade.mode: copies nothing: no route of this rollout has `shadow`",
        ),
        (
            GUARD % "{when: p99 > 2s, do: shadow}",
            "journal: {}",
            (
                "rollouts.fade.guard.1.do: `shadow` is a rollback after which copies go on, but no route of this "
                "rollout has `shadow`: add it to one, or write `rollback`"
            ),
        ),
        (
            GUARD % "{prometheus: 'http://127.0.0.1:9090', query: up, when: '< 1', do: shadow}",
            "journal: {}",
            (
                "rollouts.fade.guard.1.do: `shadow` is a rollback after which copies go on, but no route of this "
                "rollout has `shadow`: add it to one, or write `rollback`"
            ),
        ),
        (
            "gates: [errors < 5], stages: [{percent: 5, hold: 1h, guard: [{when: p99 > 2s, do: shadow}]}]",
            "journal: {}",
            (
                "rollouts.fade.stages.0.guard.0.do: `shadow` is a rollback after which copies go on, but no route of "
                "this rollout has `shadow`: add it to one, or write `rollback`"
            ),
        ),
        ("mode: off", "shadow: {}", "routes.0.shadow: nothing is copied in `mode: off`"),
        ("percent: 5", "shadow: {percent: 0}", "routes.0.shadow.percent: copies nothing"),
        (
            "percent: 5",
            "shadow: {methods: [HEAD, OPTIONS]}",
            "routes.0.shadow: nothing is copied: `match.methods` of this route leaves out HEAD, OPTIONS",
        ),
        (
            "percent: 5",
            "journal: {methods: PUT}",
            "routes.0.journal: nothing is kept: `match.methods` of this route leaves out PUT",
        ),
        (
            "mode: shadow",
            "shadow: {methods: POST, compare: {noise: 1}}",
            "routes.0.shadow.compare.noise: says nothing: only copies of GET and HEAD go to the baseline again",
        ),
        (
            "percent: 5",
            "shadow: {methods: [GET, POST, PUT]}, journal: {methods: POST}",
            (
                "routes.0.shadow.methods: the baseline never gets the PUT that the candidate answers; "
                "add `direction: both` or `journal`"
            ),
        ),
    ],
)
def test_what_may_not_be_meant_is_told(rollout: str, route: str, warning: str) -> None:
    """Allowed, but a rule that waits for ever or a write that is missing is found late."""
    assert warnings_of(rollout, route) == [warning]
