"""Rules about mismatches rest on what was compared, and pass or fire on that alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from gateway.core.figures import Subject
from gateway.core.plans import Stage
from gateway.core.verdicts import Judgement, Reason, Verdict
from gateway.core.windows import Cell
from tests.core.watching import BASELINE, CANDIDATE, MINUTE, Scene, rule, subject

GATE = "mismatch_rate < 1% for 1m"
GUARD = "mismatch_rate > 1% for 5m"


def copied(compared: int, mismatches: int = 0, *, path: str = "/a", requests: int = 0) -> dict[Subject, Cell]:
    """A second of copies, beside the candidate's own requests."""
    return {
        subject(CANDIDATE, path): Cell(requests=requests, compared=compared, mismatches=mismatches),
        subject(BASELINE, path): Cell(requests=compared),
    }


def pass_seconds(scene: Scene, seconds: int, cells: Mapping[Subject, Cell]) -> None:
    """So many seconds, one like the other."""
    for _ in range(seconds):
        scene.count(cells)


def at_everybody(scene: Scene) -> Stage:
    """The same stage, for everybody."""
    return msgspec.structs.replace(scene.stage, percent=100.0)


def said(judgement: Judgement) -> tuple[Verdict, str]:
    """What it says, and why."""
    return judgement.verdict, judgement.reason


def test_a_gate_on_mismatches_passes_on_evidence() -> None:
    """Too young, then too few pairs to be sure of 1 %, then ok; no request of the candidate's is needed."""
    scene = Scene(gates=[GATE])
    seen = []
    for _ in range(5 * MINUTE):
        scene.count(copied(5))
        seen.append(scene.gate.reason)

    assert list(dict.fromkeys(seen)) == [Reason.YOUNG_STAGE, Reason.LITTLE_EVIDENCE, Reason.MET]
    assert (scene.gate.verdict, scene.gate.value, scene.gate.candidate_requests) == (Verdict.OK, 0.0, 300)


def test_a_gate_on_mismatches_blocks_while_drift_is_too_high() -> None:
    """However well the requests do."""
    scene = Scene(gates=[GATE])
    pass_seconds(scene, 2 * MINUTE, copied(100, 2, requests=100))

    assert said(scene.gate) == (Verdict.BROKEN, Reason.NOT_MET)
    assert (scene.gate.value, scene.gate.candidate_requests) == (pytest.approx(0.02), 6000)


def test_a_gate_on_mismatches_needs_as_many_pairs_as_other_gates_need_requests() -> None:
    """Those that were not copied don't count, and the judgement says how many pairs are wanting."""
    scene = Scene(gates=[GATE])
    pass_seconds(scene, MINUTE, copied(0, requests=100))
    scene.count(copied(15, requests=100))

    assert said(scene.gate) == (Verdict.UNKNOWN, Reason.FEW_REQUESTS)
    assert (scene.gate.candidate_requests, scene.gate.needs) == (15, 5)


def test_a_gate_on_mismatches_needs_evidence() -> None:
    """Sixty pairs that are alike don't show that fewer than one in a hundred differ."""
    scene = Scene(gates=[GATE])
    pass_seconds(scene, MINUTE, copied(1))

    assert said(scene.gate) == (Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE)
    assert scene.gate.needs


def test_a_count_of_mismatches_is_compared_plainly() -> None:
    """One that was seen is one too many, and none that was seen is none."""
    scene = Scene(["mismatches > 0 for 1m"], ["mismatches < 1 for 1m"])
    pass_seconds(scene, MINUTE, copied(1))
    assert said(scene.guard) == (Verdict.OK, Reason.QUIET)
    assert said(scene.gate) == (Verdict.OK, Reason.MET)

    scene.count(copied(1, 1))
    assert said(scene.guard) == (Verdict.BROKEN, Reason.BROKEN)
    assert said(scene.gate) == (Verdict.BROKEN, Reason.NOT_MET)


def test_a_guard_on_mismatches_breaks() -> None:
    """Beyond doubt: a few that differ among many are let be."""
    drifting, quiet = Scene([GUARD]), Scene([GUARD])
    pass_seconds(drifting, MINUTE, copied(20, 1))
    pass_seconds(quiet, MINUTE, copied(200, 1))

    assert said(drifting.guard) == (Verdict.BROKEN, Reason.BROKEN)
    assert drifting.guard.value == pytest.approx(0.05)
    assert said(quiet.guard) == (Verdict.OK, Reason.QUIET)


def test_a_guard_on_mismatches_is_not_excused_by_a_baseline_that_is_compared_with_nobody() -> None:
    """The baseline has no mismatches of its own: nothing is shared."""
    scene = Scene([GUARD])
    pass_seconds(scene, MINUTE, copied(20, 20))

    assert said(scene.guard) == (Verdict.BROKEN, Reason.BROKEN)


def test_the_path_that_drifts_is_named() -> None:
    """A guard over all paths acts on the worst; paths of which nothing is copied don't hide it."""
    scene = Scene([rule(GUARD, per_path=True)])
    pass_seconds(scene, MINUTE, copied(20) | copied(20, 4, path="/bad") | copied(0, path="/unseen", requests=50))

    assert (scene.guard.verdict, scene.guard.path) == (Verdict.BROKEN, "/bad")


def test_a_gate_over_all_paths_passes_on_those_that_are_compared() -> None:
    """A path of which nothing is copied, or next to nothing, can't hold up all others."""
    scene = Scene(gates=[rule(GATE, per_path=True)])
    pass_seconds(scene, 5 * MINUTE, copied(20) | copied(0, path="/unseen", requests=50))

    assert (scene.gate.verdict, scene.gate.path) == (Verdict.OK, "/a")


def test_the_stage_of_everybody_asks_for_no_copies() -> None:
    """At 100 % the baseline answers nobody, so there is nothing to copy: the gate is skipped."""
    scene = Scene(gates=[GATE])
    pass_seconds(scene, MINUTE, copied(0, requests=100))
    assert said(scene.gate) == (Verdict.UNKNOWN, Reason.NOT_COMPARED)

    scene.stage = at_everybody(scene)
    scene.watch.begin_stage(scene.second)
    pass_seconds(scene, MINUTE - 1, copied(0, requests=100))
    assert said(scene.gate) == (Verdict.UNKNOWN, Reason.YOUNG_STAGE)
    pass_seconds(scene, 1, copied(0, requests=100))
    assert said(scene.gate) == (Verdict.OK, Reason.NO_BASELINE)


def test_copies_in_both_directions_are_judged_at_everybody_too() -> None:
    """With `direction: both` there is something to look at, and it counts."""
    scene = Scene(gates=[GATE])
    scene.stage = at_everybody(scene)
    pass_seconds(scene, 2 * MINUTE, copied(10, 1, requests=100))

    assert said(scene.gate) == (Verdict.BROKEN, Reason.NOT_MET)


def test_a_new_stage_is_compared_by_itself() -> None:
    """What was alike at 5 % says nothing of 50 %."""
    scene = Scene(gates=[GATE])
    pass_seconds(scene, 5 * MINUTE, copied(20))
    assert scene.gate.verdict is Verdict.OK

    scene.watch.begin_stage(scene.second)
    pass_seconds(scene, MINUTE, copied(0, requests=100))
    assert said(scene.gate) == (Verdict.UNKNOWN, Reason.NOT_COMPARED)


def test_a_handful_of_pairs_at_everybody_holds_up_nobody() -> None:
    """A cohort that stays with the baseline, or requests without a key, must not keep a plan from its end for ever."""
    scene = Scene(gates=[GATE])
    scene.stage = at_everybody(scene)
    scene.watch.begin_stage(scene.second)
    pass_seconds(scene, 2 * MINUTE, copied(0, requests=100))
    scene.count(copied(1, requests=100))

    assert said(scene.gate) == (Verdict.OK, Reason.NO_BASELINE)
