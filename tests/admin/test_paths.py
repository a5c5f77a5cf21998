"""What happens per path and arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.admin.desk import UPTIME_SECONDS, Client, counted, desk

ROUTES = """\
version: 1
admin: {listen: 127.0.0.1:0}
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts: {shop: {key: client_ip, percent: 5}}
routes:
  - {name: shop, match: /shop/**, baseline: legacy, candidate: new, rollout: shop, paths: ["/shop/{id}", /shop/cart]}
  - {name: rest, match: /**, backend: legacy}
"""
NOTHING = {
    "requests": 0,
    "per_second": 0,
    "errors": 0,
    "error_rate": None,
    "p50": None,
    "p95": None,
    "p99": None,
    "kept_away": 0,
}


async def rows(client: Client, query: str = "") -> list[dict[str, Any]]:
    """The items of one answer."""
    answer = await client.get(f"/api/v1/paths{query}")
    assert answer.json["next"] is None
    items: list[dict[str, Any]] = answer.json["items"]
    return items


async def test_a_configured_path_is_there_without_traffic(tmp_path: Path) -> None:
    """Unknown is null; an arm that a route does not have is null, too."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/about", latencies_ms=[1], route="rest"))
        first, second, rest = await rows(client)

        assert [first["path"], second["path"]] == ["/shop/{id}", "/shop/cart"]
        assert (first["route"], first["candidate"], first["baseline"]) == ("shop", NOTHING, NOTHING)
        assert (first["compared"], first["mismatch_rate"]) == (0, None)
        assert (rest["route"], rest["path"], rest["candidate"]) == ("rest", "/about", None)


async def test_an_arms_figures_are_those_of_its_requests(tmp_path: Path) -> None:
    """Counts, the rate over the window, the share of errors, and quantiles in milliseconds off by 1.1 % at most."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(
            counted("/shop/cart", "candidate", range(1, 201), errors=10), counted("/shop/cart", latencies_ms=[7])
        )
        row = (await rows(client, "?window=10s"))[0]
        figures = row["candidate"]

        assert (figures["requests"], figures["per_second"], figures["errors"]) == (200, 20, 10)
        assert figures["error_rate"] == 0.05
        quantiles = [figures[name] for name in ("p50", "p95", "p99")]
        assert quantiles == pytest.approx([100, 190, 198], rel=0.011)
        assert row["baseline"]["p50"] == pytest.approx(7, rel=0.011)


async def test_requests_whose_arm_was_asked_for_are_counted_with_the_others(tmp_path: Path) -> None:
    """They are left out by rules only."""
    async with desk(tmp_path, ROUTES) as (made, client):
        asked = counted("/shop/cart", "candidate", [1, 2], is_forced=True)
        made.count(asked, counted("/shop/cart", "candidate", [3]))

        assert (await rows(client))[0]["candidate"]["requests"] == 3


async def test_paths_come_in_the_routes_order_and_the_busiest_first(tmp_path: Path) -> None:
    """Both arms together."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(
            counted("/about", latencies_ms=[1] * 9, route="rest"),
            counted("/shop/a", latencies_ms=[1] * 3),
            counted("/shop/b", "candidate", [1] * 2),
            counted("/shop/b", latencies_ms=[1] * 2),
        )
        paths = [row["path"] for row in await rows(client)]

        assert paths == ["/shop/b", "/shop/a", "/shop/{id}", "/shop/cart", "/about"]


async def test_a_window_ends_where_it_says(tmp_path: Path) -> None:
    """Older requests are not in it."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/shop/cart", latencies_ms=[1]), ago=90)
        made.count(counted("/shop/cart", latencies_ms=[1, 2]), ago=0)

        assert (await rows(client, "?window=1m"))[0]["baseline"]["requests"] == 2
        assert (await rows(client, "?window=2m"))[0]["baseline"]["requests"] == 3


async def test_a_young_gateway_has_the_rate_of_its_life(tmp_path: Path) -> None:
    """Not one that is diluted by hours before it began."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/shop/cart", latencies_ms=[1] * UPTIME_SECONDS))

        assert (await rows(client, "?window=1h"))[0]["baseline"]["per_second"] == 1


async def test_one_route_can_be_asked_for(tmp_path: Path) -> None:
    """An unknown one is 404; what no route served, or one that is gone, is nobody's row."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/about", latencies_ms=[1], route="rest"), counted("", "", [1], route=""))
        made.count(counted("/x", latencies_ms=[1], route="gone"))

        assert [row["path"] for row in await rows(client, "?route=rest")] == ["/about"]
        assert len(await rows(client)) == 3
        assert (await client.get("/api/v1/paths?route=gone")).status == 404
        mistyped = (await client.get("/api/v1/paths?route=shpo")).json
        assert (mistyped["detail"], mistyped["field"]) == ("there is no route `shpo`; did you mean `shop`?", "route")


async def test_the_routes_of_one_rollout_can_be_asked_for(tmp_path: Path) -> None:
    """Those that share it, and no others; an unknown one is 404."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/about", latencies_ms=[1], route="rest"), counted("/shop/cart", latencies_ms=[1]))
        found = await rows(client, "?rollout=shop")
        mistyped = (await client.get("/api/v1/paths?rollout=shpo")).json

        assert {row["route"] for row in found} == {"shop"}
        assert (mistyped["detail"], mistyped["field"]) == (
            "there is no rollout `shpo`; did you mean `shop`?",
            "rollout",
        )


async def test_a_window_that_is_none_is_refused(tmp_path: Path) -> None:
    """422 that names the field; before a configuration it is 503."""
    async with desk(tmp_path, None) as (_, client):
        refused = await client.get("/api/v1/paths?window=25h")

        assert (refused.status, refused.json["field"]) == (422, "window")
        assert (await client.get("/api/v1/paths")).status == 503
