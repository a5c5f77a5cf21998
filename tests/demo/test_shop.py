"""The demo's two services, over real sockets."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.types import Arm
from gateway.demo.shop import EXPORT_BYTES, FAULT_HEADER, VERSIONS, Orders, Shop


@pytest.fixture
async def shops(tmp_path):
    """A client of each shop, both on the same orders."""
    clients = {arm: TestClient(TestServer(Shop(arm, Orders(tmp_path / "orders.db")).build())) for arm in Arm}
    for client in clients.values():
        await client.start_server()
    yield clients
    for client in clients.values():
        await client.close()


@pytest.mark.parametrize("path", ["/api/products", "/api/products/7", "/api/orders", "/api/reports/daily"])
async def test_both_shops_give_the_same_answer(shops, path):
    """Fading over changes nothing that a user reads."""
    old, new = [await (await shops[arm].get(path)).read() for arm in Arm]

    assert old == new


@pytest.mark.parametrize("arm", list(Arm))
async def test_a_shop_names_its_version(shops, arm):
    """Whoever looks at X-Shop sees which service answered, errors included."""
    answers = [await shops[arm].get(path) for path in ("/api/products", "/api/products/0", "/nowhere")]

    assert {answer.headers["X-Shop"] for answer in answers} == {VERSIONS[arm]}


async def test_an_order_placed_on_one_side_is_found_on_the_other(shops):
    """A user who changes sides keeps their orders."""
    wanted = {"product": 3, "quantity": 2}
    placed = await shops[Arm.BASELINE].post("/api/orders", json=wanted, headers={"X-User-ID": "ann"})
    found = await shops[Arm.CANDIDATE].get(placed.headers["Location"], headers={"X-User-ID": "ann"})

    assert placed.status == 201
    assert await found.json() == {"id": 1, "user": "ann", **wanted}


async def test_an_order_is_shown_to_its_owner_only(shops):
    """Another user gets 404."""
    placed = await shops[Arm.BASELINE].post(
        "/api/orders", json={"product": 3, "quantity": 2}, headers={"X-User-ID": "ann"}
    )

    assert (await shops[Arm.BASELINE].get(placed.headers["Location"], headers={"X-User-ID": "bob"})).status == 404


async def test_orders_are_listed_newest_first(shops):
    """The list holds the user's own orders only."""
    for user, product in [("ann", 1), ("bob", 2), ("ann", 3)]:
        order = {"product": product, "quantity": 1}
        await shops[Arm.BASELINE].post("/api/orders", json=order, headers={"X-User-ID": user})
    listed = await (await shops[Arm.CANDIDATE].get("/api/orders", headers={"X-User-ID": "ann"})).json()

    assert [order["product"] for order in listed["items"]] == [3, 1]


async def test_the_export_streams_without_a_length(shops):
    """A download is chunked, and whole."""
    answer = await shops[Arm.CANDIDATE].get("/api/exports/orders")

    assert "Content-Length" not in answer.headers
    assert len(await answer.read()) == EXPORT_BYTES


async def test_a_fault_fails_one_path_and_ends_when_told(shops):
    """A staged failure says that it is one, and everything else goes on."""
    shop = shops[Arm.CANDIDATE]
    await shop.put("/fault")
    broken, fine = await shop.get("/api/products/7"), await shop.get("/api/products")
    await shop.delete("/fault")
    mended = await shop.get("/api/products/7")

    assert (broken.status, fine.status, mended.status) == (500, 200, 200)
    assert FAULT_HEADER in broken.headers
    assert FAULT_HEADER not in mended.headers


async def test_a_shop_keeps_a_diary_of_what_reached_it(shops):
    """Requests of the API count, those that the fault made fail apart, and questions about the diary not at all."""
    shop = shops[Arm.CANDIDATE]
    await shop.get("/api/products")
    await shop.put("/fault")
    for path in ("/api/products/7", "/api/products/8", "/api/orders"):
        await shop.get(path)
    diary = await (await shop.get("/diary")).json()

    assert (diary["asked"], diary["failed"]) == (4, 2)
    assert diary["first_failed_at"] < diary["last_asked_at"]


async def test_a_new_diary_is_empty(shops):
    """No time is known before anything came."""
    diary = await (await shops[Arm.BASELINE].get("/diary")).json()

    assert diary == {"asked": 0, "last_asked_at": None, "failed": 0, "first_failed_at": None}
