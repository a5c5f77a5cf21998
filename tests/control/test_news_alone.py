"""What a controller of a gateway that is alone has told people the next one does not tell them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.conducting import WELL_SECONDS
from gateway.core.plans import Do, Stage
from gateway.core.rules import parse_rule
from tests.control.gateway import Gateway

LONG = (Stage(5, hold_seconds=9999),)
NOISY = ("errors > 10 for 5s", Do.NOTIFY)
SLOW = ("error_rate > 5% for 10s", Do.NOTIFY)
HELD_UP = (Stage(5, hold_seconds=3, gates=(parse_rule("mismatch_rate < 1% for 5s"),)), Stage(50, hold_seconds=9999))


@pytest.mark.parametrize("rule", [NOISY, SLOW])
@pytest.mark.parametrize("seconds", [8, int(WELL_SECONDS) + 10])
async def test_what_is_still_broken_is_told_once(tmp_path: Path, rule: tuple[str, Do], seconds: int) -> None:
    """However long ago that was: the windows show that it is no other fault."""
    gateway = Gateway(tmp_path, rule, stages=LONG)
    await gateway.begin()
    await gateway.live(seconds, errors=50)
    await gateway.begin_again()
    await gateway.live(5, errors=50)

    assert gateway.kinds == ["notify"]
    await gateway.end()


async def test_what_came_and_went_is_told_again_when_it_was_well_for_minutes(tmp_path: Path) -> None:
    """As by a controller that was there all the while; it is another fault by then."""
    gateway = Gateway(tmp_path, NOISY, stages=LONG)
    await gateway.begin()
    await gateway.live(3, errors=50)
    await gateway.live(8)
    await gateway.begin_again()
    await gateway.live(5)
    await gateway.live(3, errors=50)
    assert gateway.kinds == ["notify"]
    await gateway.live(int(WELL_SECONDS) + 10)
    await gateway.live(3, errors=50)

    assert gateway.kinds == ["notify", "notify"]
    await gateway.end()


async def test_what_was_well_for_minutes_before_it_is_another_fault(tmp_path: Path) -> None:
    """Though it breaks soon after the new controller began."""
    gateway = Gateway(tmp_path, NOISY, stages=LONG)
    await gateway.begin()
    await gateway.live(3, errors=50)
    await gateway.live(int(WELL_SECONDS) + 10)
    await gateway.begin_again()
    await gateway.live(2)
    await gateway.live(3, errors=50)

    assert gateway.kinds == ["notify", "notify"]
    await gateway.end()


async def test_a_stage_that_is_held_up_is_told_once(tmp_path: Path) -> None:
    """Drift, say."""
    gateway = Gateway(tmp_path, stages=HELD_UP)
    await gateway.begin()
    await gateway.live(12, mismatches=5)
    await gateway.begin_again()
    await gateway.live(5, mismatches=5)

    assert gateway.kinds == ["blocked"]
    await gateway.end()


async def test_an_edit_of_the_plan_tells_nobody_of_the_same_fault_again(tmp_path: Path) -> None:
    """A rule that was left as it was is told; one that was edited says something else."""
    gateway = Gateway(tmp_path, NOISY, stages=LONG)
    await gateway.begin()
    await gateway.live(8, errors=50)
    for rule in (NOISY, ("errors > 15 for 5s", Do.NOTIFY)):
        gateway.plan = Gateway(tmp_path, rule, stages=(Stage(5, hold_seconds=8888),)).plan
        gateway.publish()
        await gateway.live(3, errors=50)

    assert gateway.kinds == ["notify", "notify"]
    await gateway.end()
