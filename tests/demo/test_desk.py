"""What the demo's operator does over the admin API of a real gateway."""

from __future__ import annotations

import pytest

from gateway.core.lifecycle import Action
from gateway.core.types import Mode
from gateway.demo.configuration import pace_of
from gateway.demo.desk import OPERATOR, open_desk
from gateway.demo.scene import set_scene
from gateway.errors import CommandError


async def test_an_operator_drives_a_rollout_and_reads_what_became_of_it():
    """Start and rollback are in force when they return, stand in the log once, and the rollback leaves an incident."""
    with set_scene(pace_of(60, with_fault=True)) as here:
        await here.wait_until_ready()
        await here.edit(Mode.LIVE)
        async with open_desk(here.admin_url) as desk:
            await desk.act(Action.START, "ready")
            started, told = await desk.look(), await desk.read_events()
            await desk.act(Action.ROLLBACK, "enough")
            ended, told = await desk.look(), told + await desk.read_events()
            start, rollback = (event for event in told if event.actor.type == "operator")
            page = await desk.read_incident(rollback.inputs["incident"])
            is_in_force = await desk.is_in_force()

    assert (started.state, started.percent, ended.state, ended.percent) == ("running", 5, "rolled_back", 0)
    assert (start.kind, start.actor.name, start.reason) == ("start", OPERATOR, "ready")
    assert (rollback.kind, rollback.reason) == ("rollback", "enough")
    assert page.startswith("# shop was rolled back")
    assert is_in_force


async def test_a_refusal_is_explained():
    """The gateway's own words are in the error."""
    with set_scene(pace_of(60, with_fault=True)) as here:
        await here.wait_until_ready()
        async with open_desk(here.admin_url) as desk:
            with pytest.raises(CommandError, match=r"409 .* is pending: resume is possible only"):
                await desk.act(Action.RESUME, "")


async def test_an_api_that_does_not_answer_is_explained():
    """A call says what it asked; the question whether all is in force is answered with no."""
    async with open_desk("http://127.0.0.1:1") as desk:
        assert not await desk.is_in_force()
        with pytest.raises(CommandError, match="does not answer GET /api/v1/rollouts/shop"):
            await desk.look()
