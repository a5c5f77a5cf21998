"""What an action would do to the users, asked before it is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.impact import view_impact
from gateway.core.lifecycle import Action
from gateway.core.types import Mode
from tests.admin.desk import Client, Desk, desk
from tests.core.lives import act, fixed, planned, started

PLAN = """\
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts:
  shop:
    key: client_ip
    start: auto
    stages: [{percent: 5, hold: 10m}, {percent: 50, approval: manual, hold: 1s}, {percent: 100}]
routes: [{name: shop, match: /**, baseline: legacy, candidate: new, rollout: shop}]
"""


async def ask(client: Client, query: str, rollout: str = "shop") -> Any:
    """What the API answers."""
    return (await client.get(f"/api/v1/rollouts/{rollout}/impact?{query}")).json


def crowd(made: Desk, users: int) -> None:
    """So many users are seen; few enough to be counted one by one."""
    made.crowds.take({"shop": tuple((number + 0.5) / users for number in range(users))})


async def test_a_percentage_moves_its_share_of_the_users(tmp_path: Path) -> None:
    """Up to the candidate, down to the baseline; and nothing is done by asking."""
    async with desk(tmp_path, PLAN) as (made, client):
        made.now += timedelta(hours=1)
        crowd(made, 200)
        assert await ask(client, "percent=25") == {
            "users": 200,
            "window_s": 3600,
            "percent_before": 5,
            "percent_after": 25,
            "to_candidate": 40,
            "to_baseline": 0,
            "state_after": "running",
            "stage_after": 1,
            "cohorts_before": [],
            "cohorts_after": [],
        }
        down = await ask(client, "percent=1")
        assert (down["to_candidate"], down["to_baseline"]) == (0, 8)
        assert made.rollouts.state("shop").percent == 5


@pytest.mark.parametrize(
    ("query", "percent", "state", "stage"),
    [
        ("action=rollback", 0, "rolled_back", 1),
        ("action=pause", 5, "paused", 1),
        ("action=promote&force=true", 50, "running", 2),
        ("action=step-back", 0, "rolled_back", 1),
    ],
)
async def test_an_action_says_where_it_leads(
    tmp_path: Path, query: str, percent: float, state: str, stage: int
) -> None:
    """To a state, a stage and a share."""
    async with desk(tmp_path, PLAN) as (_, client):
        shown = await ask(client, query)

    assert (shown["percent_after"], shown["state_after"], shown["stage_after"]) == (percent, state, stage)


async def test_what_would_be_refused_is_refused_with_the_same_words(tmp_path: Path) -> None:
    """So that a page can explain it before anybody tries."""
    async with desk(tmp_path, PLAN) as (_, client):
        for action in ("start", "resume"):
            foreseen = await client.get(f"/api/v1/rollouts/shop/impact?action={action}")
            tried = await client.post(f"/api/v1/rollouts/shop/{action}", json={})
            assert (foreseen.status, foreseen.json["detail"]) == (409, tried.json["detail"]), action


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "action"),
        ("percent=5&action=rollback", "action"),
        ("percent=101", "percent"),
        ("action=set", "action"),
        ("action=explode", "action"),
    ],
)
async def test_a_question_that_makes_no_sense_is_422(tmp_path: Path, query: str, field: str) -> None:
    """One of a percentage and an action is needed."""
    async with desk(tmp_path) as (_, client):
        answer = await client.get(f"/api/v1/rollouts/shop/impact?{query}")

    assert (answer.status, answer.json["field"]) == (422, field)


async def test_users_that_nobody_has_counted_are_unknown(tmp_path: Path) -> None:
    """Null is not nobody. And a rollout that isn't there is 404."""
    async with desk(tmp_path) as (_, client):
        shown = await ask(client, "percent=50")
        assert (shown["users"], shown["to_candidate"], shown["to_baseline"]) == (None, None, None)
        assert (shown["percent_before"], shown["percent_after"], shown["stage_after"]) == (5, 50, None)
        assert (await client.get("/api/v1/rollouts/nowhere/impact?percent=5")).status == 404


def test_cohorts_that_come_and_go_are_named() -> None:
    """A first stage at 0 % is there for its cohort: to take it back is not to move nobody."""
    rollout = planned()
    stages = [started(rollout, stage) for stage in (0, 1)]
    up = view_impact(rollout, stages[0], stages[1], 1000)
    down = view_impact(rollout, stages[0], act(rollout, stages[0], Action.ROLLBACK), 1000)

    assert (up.cohorts_before, up.cohorts_after) == (["internal"], ["internal", "beta"])
    assert (down.percent_before, down.percent_after) == (0, 0)
    assert (down.cohorts_before, down.cohorts_after) == (["internal"], [])


def test_nobody_moves_where_the_mode_keeps_everybody() -> None:
    """In shadow mode the candidate answers nobody, whatever the share is."""
    rollout = msgspec.structs.replace(planned(), mode=Mode.SHADOW)
    before = started(rollout)
    shown = view_impact(rollout, before, act(rollout, before, Action.SET, percent=90), 1000)

    assert (shown.percent_before, shown.percent_after, shown.to_candidate, shown.to_baseline) == (0, 0, 0, 0)


@given(st.floats(0, 100), st.floats(0, 100), st.integers(0, 10**7))
def test_who_moves_one_way_moves_back_the_other(there: float, back: float, users: int) -> None:
    """Nobody moves both ways at once, never more than there are, and as many return."""
    rollout = fixed()
    before = act(rollout, started(rollout), Action.SET, percent=there)
    after = act(rollout, before, Action.SET, percent=back)
    forth, return_ = view_impact(rollout, before, after, users), view_impact(rollout, after, before, users)

    assert (forth.to_candidate, forth.to_baseline) == (return_.to_baseline, return_.to_candidate)
    assert 0 in {forth.to_candidate, forth.to_baseline}
    assert 0 <= (forth.to_candidate or 0) + (forth.to_baseline or 0) <= users
