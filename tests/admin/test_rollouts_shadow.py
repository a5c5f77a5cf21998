"""Rollouts over the API, where copies may go on after a rollback, or there are none."""

from __future__ import annotations

from pathlib import Path

from tests.admin.desk import desk
from tests.control.texts import GOOD

SHADOWED = GOOD.replace("rollout: shop}", "rollout: shop, shadow: {}}")
ROLLBACK = "/api/v1/rollouts/shop/rollback"


async def test_what_has_shadow_says_so(tmp_path: Path) -> None:
    """Else nobody would know whether copies can go on after a rollback."""
    async with desk(tmp_path, SHADOWED) as (_, client):
        assert (await client.get("/api/v1/rollouts/shop")).json["has_shadow"] is True


async def test_what_has_a_journal_says_so(tmp_path: Path) -> None:
    """Whoever rolls it back hears of the writes that the baseline lacks."""
    async with desk(tmp_path, GOOD.replace("rollout: shop}", "rollout: shop, journal: {}}")) as (_, client):
        assert (await client.get("/api/v1/rollouts/shop")).json["has_journal"] is True


async def test_copies_go_on_after_a_rollback_to_shadow(tmp_path: Path) -> None:
    """Of a rollout that makes some."""
    async with desk(tmp_path, SHADOWED) as (_, client):
        back = await client.post(ROLLBACK, json={"to": "shadow"})

    assert (back.status, back.json["state"], back.json["to_shadow"]) == (200, "rolled_back", True)


async def test_a_rollback_to_shadow_where_nothing_is_copied_is_409(tmp_path: Path) -> None:
    """With what is right; nothing has moved, and a plain one goes on being possible."""
    async with desk(tmp_path) as (_, client):
        refused = await client.post(ROLLBACK, json={"to": "shadow"})
        stands = (await client.get("/api/v1/rollouts/shop")).json
        plain = await client.post(ROLLBACK)

    assert (refused.status, stands["state"], stands["version"], plain.status) == (409, "running", 0, 200)
    assert refused.json["detail"] == (
        "no route of `shop` has `shadow`, so no copies can go on; roll back without `--to shadow`"
    )
