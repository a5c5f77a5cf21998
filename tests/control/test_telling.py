"""The audit log is told from where to where, who or what, why, and with which numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.control.findings import find_worst
from gateway.control.telling import (
    action_of,
    blockage_of,
    edit_of,
    notification_of,
    say_edit,
    tell_file,
    tell_restored,
    tell_transition,
)
from gateway.core.lifecycle import Action, Transition, act, begin
from gateway.core.plans import Plan, Stage
from gateway.core.types import Mode, Rollout
from gateway.core.verdicts import Judgement, Verdict
from gateway.store.records import Actor, Standing
from tests.control.found import path
from tests.core.asking import rollout
from tests.proxy.wiring import table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOP = rollout(name="shop", plan=Plan(stages=(Stage(5), Stage(50))))
BROKEN = Judgement(rule="p99 > 300ms for 1m", verdict=Verdict.BROKEN, reason="broken", value=0.45, bound=0.3)


def test_a_transition_is_told_with_its_numbers() -> None:
    """In the API's units, under the revision that it happened under."""
    pending = begin(SHOP, 0.0)
    kind, running = act(SHOP, pending, Action.START, 0.0)
    transition = Transition(
        kind=kind, before=pending, after=running, actor="operator", name="ada", reason="go", judgement=BROKEN
    )

    event = tell_transition(SHOP, transition, NOON, "r1")

    assert (event.time, event.rollout, event.kind, event.revision) == (
        "2026-01-01T12:00:00.000Z",
        "shop",
        "start",
        "r1",
    )
    assert (event.before, event.after) == (Standing("pending", 0), Standing("running", 5))
    assert event.actor == Actor("operator", "ada")
    assert (event.inputs["value"], event.inputs["bound"], event.inputs["unit"]) == (450, 300, "ms")


def test_a_configuration_is_told_by_its_revision() -> None:
    """It concerns no single rollout."""
    event = tell_file(table(revision="r7"), "gateway.yaml", NOON)

    assert (event.rollout, event.kind, event.revision) == (None, "config", "r7")
    assert event.actor == Actor("file", "gateway.yaml")


def test_an_action_names_who_wanted_it() -> None:
    """And what was asked beside."""
    before = begin(SHOP, 0.0)
    after = msgspec.structs.replace(before, percent=7.0)
    action = action_of("percent", (before, after), Actor("operator", "ada"), "go", 7.0, force=False)

    event = tell_transition(SHOP, action, NOON, "r1")

    assert (event.kind, event.actor, event.reason, event.inputs) == (
        "percent",
        Actor("operator", "ada"),
        "go",
        {"percent": 7.0},
    )


@pytest.mark.parametrize(("is_known", "had"), [(False, "nothing of it"), (True, "its version 0")])
def test_what_was_written_again_is_told_with_what_was_there(is_known: bool, had: str) -> None:
    """Who looks for a move that is missing finds here where it was lost."""
    stored = begin(SHOP, 0.0)
    known = msgspec.structs.replace(stored, percent=7.0, version=3)

    event = tell_restored("shop", SHOP, stored if is_known else None, known, NOON, "r1")

    assert (event.kind, event.actor) == ("restored", Actor("plan", "store"))
    assert event.reason == f"the store had {had}: a gateway wrote again what it knew, as version 3"
    assert event.before == (Standing("pending", 0) if is_known else None)
    assert event.inputs == ({"version": 3, "stored": 0} if is_known else {"version": 3})


def test_an_edit_names_the_file() -> None:
    """And what it led to."""
    before = begin(SHOP, 0.0)
    after = msgspec.structs.replace(before, stage_percent=3.0)

    edit = edit_of(before, after, "gateway.yaml", "its stages were edited")

    assert (edit.kind, edit.actor, edit.name, edit.before, edit.after) == (
        "edit",
        "file",
        "gateway.yaml",
        before,
        after,
    )


def planned(*stages: Stage) -> Rollout:
    """A plan of these."""
    return msgspec.structs.replace(SHOP, plan=Plan(stages=stages))


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ((Stage(8), Stage(50)), "stage 1 was 5 %, is 8 %"),
        ((Stage(5, cohorts=("staff",)), Stage(0.5)), "stage 1 has other cohorts; stage 2 was 50 %, is 0.5 %"),
        ((Stage(5, hold_seconds=7), Stage(50), Stage(100)), "stage 1 has other conditions; there were 2, are 3"),
    ],
)
def test_an_edit_says_what_of_the_stages_was_edited(stages: tuple[Stage, ...], said: str) -> None:
    """Whoever finds a rollout paused by it need not compare two files."""
    assert say_edit(SHOP, planned(*stages)) == f"its stages were edited: {said}"


def test_of_many_edited_stages_some_are_named() -> None:
    """A reason is a sentence, not the file."""
    before, after = (planned(*(Stage(share + more) for share in range(9))) for more in (0, 1))

    said = say_edit(before, after)

    assert said.endswith("stage 3 was 2 %, is 3 %; 6 more edits")


def test_an_edit_says_what_else_of_a_rollout_was_edited() -> None:
    """Mode, percentage, or one way to give a share for the other; after a restart nobody knows."""
    fixed, other = rollout(percent=5), rollout(percent=7.5)
    shadowed = msgspec.structs.replace(SHOP, mode=Mode.SHADOW)

    assert say_edit(SHOP, shadowed) == "its mode was edited: it was live, is shadow"
    assert say_edit(fixed, other) == "its percentage was edited: it was 5 %, is 7.5 %"
    assert say_edit(SHOP, other) == "it has a fixed percentage now, 7.5 %, no stages"
    assert say_edit(fixed, SHOP) == "it has stages now, no fixed percentage"
    assert {say_edit(None, SHOP), say_edit(SHOP, SHOP)} == {"the file was edited"}


def test_a_notification_changes_nothing() -> None:
    """It says what the rule says."""
    progress = begin(SHOP, 0.0)

    notification = notification_of(BROKEN, progress)

    assert (notification.before, notification.after, notification.judgement) == (progress, progress, BROKEN)


def test_what_a_rule_does_is_told_with_its_numbers() -> None:
    """`the guard is broken` would read as if the guard had failed."""
    progress = begin(SHOP, 0.0)

    event = tell_transition(SHOP, notification_of(BROKEN, progress), NOON, "r1")

    assert event.reason == "p99 > 300ms for 1m was broken: 450 ms (bound 300 ms)"


def test_a_rollback_to_shadow_is_told() -> None:
    """Whoever did it: requests go on to be copied."""
    pending = begin(SHOP, 0.0)
    _, running = act(SHOP, pending, Action.START, 0.0)
    for to, told in (("shadow", "shadow"), (None, None)):
        kind, back = act(SHOP, running, Action.ROLLBACK, 1.0, to=to)
        transition = Transition(kind=kind, before=running, after=back, actor="operator", name="ada", reason="")

        assert tell_transition(SHOP, transition, NOON, "r1").inputs.get("to") == told


def test_what_holds_up_a_plan_is_told_with_the_fields_that_differ() -> None:
    """Nothing changes; a gate that can't say anything says why."""
    progress = begin(SHOP, 0.0)
    silent = Judgement(rule="mismatch_rate < 1%", verdict=Verdict.UNKNOWN, reason="not_compared")
    unsure = msgspec.structs.replace(silent, reason="little_evidence", value=0.0, candidate_requests=70)
    transition = blockage_of(silent, progress, find_worst([path()], 5))

    assert (transition.kind, transition.actor, transition.name) == ("blocked", "plan", "stage 1")
    assert (transition.before, transition.after) == (progress, progress)
    assert tell_transition(SHOP, transition, NOON, "r1").inputs["fields"]
    assert transition.reason.startswith("mismatch_rate < 1% is unknown: nothing has been compared yet; worst: ")
    assert transition.reason.endswith("worst: $.items[*].price value (1 of 100 on /orders/{id})")
    assert blockage_of(unsure, progress, ()).reason == (
        "mismatch_rate < 1% is unknown: 0 % (70 compared); "
        "little evidence since the stage began, and what there is does not support it"
    )
