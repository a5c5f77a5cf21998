"""Rollouts over the API, where the store does not say how they stand or does not know yet."""

from __future__ import annotations

from pathlib import Path

from tests.admin.desk import desk
from tests.control.members import membership
from tests.control.texts import GOOD


async def test_without_a_store_a_rollback_is_in_force_all_the_same(tmp_path: Path) -> None:
    """Users come first; whatever moves forward waits for the store. And the answer says that nobody else knows yet."""
    store = tmp_path / "crossfade.db"
    store.mkdir()
    async with desk(tmp_path) as (made, client):
        assert (await client.put("/api/v1/rollouts/shop/percent", json={"percent": 7})).status == 503
        back = await client.post("/api/v1/rollouts/shop/rollback")
        still = (await client.get("/api/v1/rollouts/shop")).json
        store.rmdir()
        await made.rollouts.retry()
        later = (await client.get("/api/v1/rollouts/shop")).json

    assert (back.status, back.json["state"], back.json["stored"]) == (200, "rolled_back", False)
    assert (still["stored"], later["stored"], later["state"]) == (False, True, "rolled_back")


async def test_what_was_never_read_from_the_store_says_so(tmp_path: Path) -> None:
    """A gateway of a fleet that has heard nothing since its start knows no rollout's standing, on whichever page."""
    for moves, is_read in ((-1, False), (0, True)):
        async with desk(tmp_path, GOOD, membership(moves=moves)) as (_, client):
            shown = (await client.get("/api/v1/rollouts/shop")).json
            row = (await client.get("/api/v1/overview")).json["rows"][0]

        assert (shown["read"], row["read"]) == (is_read, is_read)


async def test_before_the_first_configuration_nobody_is_told_that_a_rollout_is_none(tmp_path: Path) -> None:
    """A controller that has just started does not know them yet; whoever rolls back asks again."""
    async with desk(tmp_path, None) as (_, client):
        back = await client.post("/api/v1/rollouts/shop/rollback")
        shown = await client.get("/api/v1/rollouts/shop")

    assert (back.status, shown.status) == (503, 503)
    assert back.json["detail"] == "no configuration has been compiled yet"
