"""Rollouts over the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.admin import control
from tests.admin.desk import desk
from tests.control.texts import GOOD

PERCENT = "/api/v1/rollouts/shop/percent"


async def test_a_rollout_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """What a fixed percentage does not have is null or empty."""
    async with desk(tmp_path) as (made, client):
        listed = (await client.get("/api/v1/rollouts")).json
        shown = (await client.get("/api/v1/rollouts/shop")).json

        assert listed == {"items": [shown], "next": None}
        assert shown == {
            "name": "shop",
            "mode": "live",
            "state": "running",
            "percent": 5,
            "source": "file",
            "stage": None,
            "stages": [],
            "cooldown_until": None,
            "retries_left": None,
            "routes": ["shop"],
            "rules": [],
            "revision": made.roster.revision,
        }


async def test_an_operators_percentage_is_in_force_when_the_call_returns(tmp_path: Path) -> None:
    """In the table that the workers have; and given back, the file's is."""
    async with desk(tmp_path) as (made, client):
        answer = await client.put(PERCENT, json={"percent": 12.5, "reason": "a try"})

        assert (answer.status, answer.json["percent"], answer.json["source"]) == (200, 12.5, "operator")
        assert made.rollouts.table is not None
        assert made.rollouts.table.rollouts[0].percent == 12.5
        answer = await client.delete(PERCENT, json={"reason": "it went well"})
        assert (answer.status, answer.json["percent"], answer.json["source"]) == (200, 5, "file")
        events = (await client.get("/api/v1/events?rollout=shop")).json["items"]
        assert [event["reason"] for event in events] == ["a try", "it went well"]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "127.0.0.1"),
        ({"X-Crossfade-Operator": "ann@example.com"}, "ann@example.com"),
        ({"X-Crossfade-Operator": "x" * 101}, "127.0.0.1"),
        ({"X-Crossfade-Operator": "änn"}, "127.0.0.1"),
        ({"X-Crossfade-Operator": " "}, "127.0.0.1"),
    ],
)
async def test_the_audit_log_knows_who_it_was(tmp_path: Path, headers: dict[str, str], name: str) -> None:
    """By the name that the caller gives, if it is a sane one; else by address."""
    async with desk(tmp_path) as (_, client):
        await client.put(PERCENT, json={"percent": 1}, headers=headers)
        (event,) = (await client.get("/api/v1/events?rollout=shop")).json["items"]

        assert event["actor"] == {"type": "operator", "name": name}


async def test_giving_back_needs_no_body(tmp_path: Path) -> None:
    """And what was not taken can't be given back: 409."""
    async with desk(tmp_path) as (_, client):
        await client.put(PERCENT, json={"percent": 1})

        assert (await client.delete(PERCENT)).status == 200
        assert (await client.delete(PERCENT)).status == 409


async def test_an_unknown_rollout_is_404(tmp_path: Path) -> None:
    """With the name that was perhaps meant."""
    async with desk(tmp_path) as (_, client):
        shown = await client.get("/api/v1/rollouts/shopp")

        assert shown.status == 404
        assert "did you mean `shop`" in shown.json["detail"]
        assert (await client.put("/api/v1/rollouts/a%2Fb/percent", json={"percent": 1})).status == 404
        assert (await client.delete("/api/v1/rollouts/other/percent")).status == 404


@pytest.mark.parametrize(
    ("wish", "field", "detail"),
    [
        ({}, "percent", "is required"),
        ({"percent": 101}, "percent", "100"),
        ({"percent": -0.1}, "percent", "0"),
        ({"percent": "5"}, "percent", "str"),
        ({"percent": None}, "percent", "null"),
        ({"percent": 1, "reason": "x" * 1001}, "reason", "1000"),
        ({"percent": 1, "reson": "x"}, "reson", "did you mean `reason`"),
        ([], "body", "object"),
    ],
)
async def test_what_is_wrong_with_a_wish_is_said(tmp_path: Path, wish: Any, field: str, detail: str) -> None:
    """422 that names the field; nothing changes."""
    async with desk(tmp_path) as (made, client):
        refused = await client.put(PERCENT, json=wish)

        assert (refused.status, refused.json["field"]) == (422, field)
        assert detail in refused.json["detail"]
        assert made.rollouts.state("shop").source == "file"


async def test_a_percentage_that_the_hash_can_not_take_is_422(tmp_path: Path) -> None:
    """Some schemes have whole percentages only."""
    async with desk(tmp_path, GOOD.replace("percent: 5", "percent: 5, hash: md5_mod100")) as (_, client):
        refused = await client.put(PERCENT, json={"percent": 1.5})

        assert (refused.status, refused.json["field"]) == (422, "percent")


async def test_set_but_not_yet_in_force_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked knows that a worker lags; asking again is harmless."""
    monkeypatch.setattr(control, "APPLY_SECONDS", 0)
    async with desk(tmp_path) as (made, client):
        made.applies = False

        assert (await client.put(PERCENT, json={"percent": 1})).status == 503
        assert made.rollouts.state("shop").percent == 1


async def test_without_a_store_nothing_is_set(tmp_path: Path) -> None:
    """What would not outlive a restart is refused: 503."""
    (tmp_path / "crossfade.db").mkdir()
    async with desk(tmp_path) as (made, client):
        assert (await client.put(PERCENT, json={"percent": 1})).status == 503
        assert made.rollouts.state("shop").percent == 5
