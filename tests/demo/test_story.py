"""The demo's story, played for real: two services, a gateway of several processes, and a load."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.demo.story import WITH_FAULT, WITHOUT_FAULT, perform

SECONDS = 6.0


@pytest.mark.parametrize("acts", [WITH_FAULT, WITHOUT_FAULT])
def test_a_story_goes_from_nobody_to_everybody_in_its_time(acts):
    """Its parts fill the time that it was given."""
    assert (acts[0].percent, acts[-1].percent) == (0, 100)
    assert sum(act.part for act in acts) == pytest.approx(1)


def test_the_operator_goes_back_after_the_fault():
    """A failing candidate is followed by 0 %, and by the same percentage again."""
    index = next(index for index, act in enumerate(WITH_FAULT) if act.is_failing)

    assert [act.percent for act in WITH_FAULT[index - 1 : index + 3]] == [25, 25, 0, 25]


async def test_every_promise_is_kept_through_a_fault_and_back():
    """The gateway loses no request and moves no user the wrong way, and the errors that there are were staged."""
    console = Console(file=io.StringIO(), width=120)
    is_kept = await perform(console, SECONDS, with_fault=True)
    shown = console.file.getvalue()

    assert is_kept, shown
    assert shown.count("in force in every worker") == 6
    assert "fault: the new shop fails" in shown
    assert "staged errors in all" in shown
    assert "BROKEN" not in shown
