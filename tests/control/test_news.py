"""What is broken though nothing changes, and what holds up a plan, is told once, with the fields that differ."""

from __future__ import annotations

from pathlib import Path

from gateway.control.notices import compose, list_kinds
from gateway.core.lifecycle import Action
from gateway.core.plans import Do, Stage
from gateway.core.rules import parse_rule
from tests.control.found import PRICE, field, path
from tests.control.gateway import ADA, Gateway

GATE = parse_rule("mismatch_rate < 1% for 5s")
STAGES = (Stage(5, hold_seconds=10, gates=(GATE,)), Stage(50, hold_seconds=10, gates=(GATE,)))


async def test_people_are_told_once(tmp_path: Path) -> None:
    """What comes and goes is one thing; what was well for minutes and breaks again is another."""
    gateway = Gateway(tmp_path, ("errors > 10 for 5s", Do.NOTIFY), stages=(Stage(5, hold_seconds=9999),))
    await gateway.begin()

    await gateway.live(4, errors=50)
    await gateway.live(6)
    await gateway.live(4, errors=50)
    assert gateway.kinds == ["notify"]
    await gateway.live(310)
    await gateway.live(2, errors=50)

    assert gateway.kinds == ["notify", "notify"]
    await gateway.end()


async def test_a_plan_that_mismatches_hold_up_says_which_fields_differ(tmp_path: Path) -> None:
    """When the hold is over and not before: by then there would be a step."""
    gateway = Gateway(tmp_path, stages=STAGES)
    gateway.found = [path({PRICE: field(412), ("$.note", "missing"): field(7)}, compared=18_000)]
    await gateway.begin()
    await gateway.live(9, mismatches=5)
    assert gateway.kinds == []
    await gateway.live(3, mismatches=5)

    ((event, transition),) = gateway.heard
    assert (event.kind, event.actor.type, event.actor.name) == ("blocked", "plan", "stage 1")
    assert event.before == event.after
    assert event.reason == (
        "mismatch_rate < 1% for 5s is broken: 10 % (bound 1 %; 250 compared); worst: "
        "$.items[*].price value (412 of 18,000 on /orders/{id}), $.note missing (7 of 18,000 on /orders/{id})"
    )
    assert event.inputs["value"] == 0.1
    assert event.inputs["fields"][1] == {  # type: ignore[index]
        "route": "orders",
        "path": "/orders/{id}",
        "field": "$.note",
        "kind": "missing",
        "counted": 7,
        "compared": 18_000,
    }
    assert transition.before == transition.after
    await gateway.end()

    notice = compose(event, transition.judgement, "http://gateway:9900")
    assert (notice.title, notice.urgency) == ("Crossfade: shop is held up by a gate", "warning")
    assert notice.body.splitlines()[:2] == ["by: plan stage 1", f"reason: {event.reason}"]
    assert list_kinds(event) == {"notify"}


async def test_a_stage_says_so_once(tmp_path: Path) -> None:
    """Not every second, nor whenever the rate crosses its bound; the next stage is another matter."""
    gateway = Gateway(tmp_path, stages=STAGES)
    await gateway.begin()
    for mismatches in (5, 0, 5):
        await gateway.live(20, mismatches=mismatches)
    assert gateway.kinds == ["blocked"]

    await gateway.rollouts.act("shop", Action.PROMOTE, reason="", actor=ADA, force=True)
    await gateway.live(12, mismatches=5)

    assert gateway.kinds == ["blocked", "stage", "blocked"]
    assert gateway.heard[-1][0].actor.name == "stage 2"
    await gateway.end()


async def test_drift_is_told_though_it_was_told_before_that_nothing_is_compared(tmp_path: Path) -> None:
    """A night without users must not hide from anybody what the morning shows."""
    gateway = Gateway(tmp_path, stages=STAGES)
    gateway.found = [path({PRICE: field(412)}, compared=18_000)]
    await gateway.begin()
    for _ in range(15):
        gateway.second, gateway.wall = gateway.second + 1, gateway.wall + 1
        await gateway.conductor.tick()
    assert ["nothing has been compared yet" in event.reason for event, _ in gateway.heard] == [True]

    await gateway.live(12, mismatches=5)

    assert gateway.kinds == ["blocked", "blocked"]
    assert "$.items[*].price" in gateway.heard[-1][0].reason
    await gateway.end()


async def test_what_only_takes_its_time_is_not_told(tmp_path: Path) -> None:
    """A gate that waits for more to be compared, or another one: all is as it must be."""
    gates = (GATE, parse_rule("error_rate < 1% for 5s"))
    gateway = Gateway(tmp_path, stages=(Stage(5, hold_seconds=1, gates=gates), Stage(100, hold_seconds=999)))
    await gateway.begin()
    await gateway.live(12, errors=20)

    assert gateway.kinds == []
    await gateway.end()
