"""The audit log over the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.desk import desk

PERCENT = "/api/v1/rollouts/shop/percent"


async def test_an_event_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """Who changed what, when, why, and by which values."""
    async with desk(tmp_path) as (made, client):
        await client.put(PERCENT, json={"percent": 20, "reason": "more"})
        (event,) = (await client.get("/api/v1/events?rollout=shop")).json["items"]

        assert event == {
            "id": event["id"],
            "time": "2026-01-01T00:10:00.000Z",
            "rollout": "shop",
            "kind": "percent",
            "actor": {"type": "operator", "name": "127.0.0.1"},
            "from": {"state": "running", "percent": 5},
            "to": {"state": "running", "percent": 20},
            "reason": "more",
            "inputs": event["inputs"],
            "revision": made.roster.revision,
        }


async def test_events_are_read_page_by_page(tmp_path: Path) -> None:
    """`next` is what to give as `after`; null when there is nothing more."""
    async with desk(tmp_path) as (_, client):
        for percent in range(5):
            await client.put(PERCENT, json={"percent": percent})
        seen, after = [], 0
        while after is not None:
            page = (await client.get(f"/api/v1/events?rollout=shop&limit=2&after={after}")).json
            seen += [event["to"]["percent"] for event in page["items"]]
            after = page["next"]

        assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("query", "field"),
    [("after=-1", "after"), ("after=x", "after"), ("limit=0", "limit"), ("limit=1001", "limit"), ("since=1", "since")],
)
async def test_what_is_wrong_with_a_question_is_said(tmp_path: Path, query: str, field: str) -> None:
    """422 that names the field."""
    async with desk(tmp_path) as (_, client):
        refused = await client.get(f"/api/v1/events?{query}")

        assert (refused.status, refused.json["field"]) == (422, field)


async def test_a_rollout_without_events_has_none(tmp_path: Path) -> None:
    """Configured or not: it may have been, once."""
    async with desk(tmp_path) as (_, client):
        assert (await client.get("/api/v1/events?rollout=other")).json == {"items": [], "next": None}


async def test_without_a_store_there_are_no_events_to_read(tmp_path: Path) -> None:
    """503, and the reason."""
    (tmp_path / "crossfade.db").mkdir()
    async with desk(tmp_path) as (_, client):
        assert (await client.get("/api/v1/events")).status == 503
