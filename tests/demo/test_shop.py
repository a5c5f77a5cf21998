"""The demo's two services, over real sockets."""

from __future__ import annotations

from datetime import datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.types import Arm
from gateway.demo.shop import EXPORT_BYTES, FAULT_HEADER, SHADOW_HEADER, VERSIONS, Orders, Shop, _open_socket, add_tax


@pytest.fixture
async def shops(tmp_path):
    """A client of each shop, both on the same orders."""
    clients = {arm: TestClient(TestServer(Shop(arm, Orders(tmp_path / "orders.db")).build())) for arm in Arm}
    for client in clients.values():
        await client.start_server()
    yield clients
    for client in clients.values():
        await client.close()


async def _read(client, path):
    """An answer without what no two answers share: the time, and the order of a list that nobody sorts."""
    answer = await (await client.get(path)).json()
    assert datetime.fromisoformat(answer.pop("served_at")).tzinfo is not None
    return {**answer, "also_bought": sorted(answer.get("also_bought", []))}


@pytest.mark.parametrize("path", ["/api/products", "/api/products/7", "/api/orders", "/api/reports/daily"])
async def test_both_shops_give_the_same_answer(shops, path):
    """Fading over changes nothing that a user cares for."""
    old, new = [await _read(shops[arm], path) for arm in Arm]

    assert old == new


async def test_the_new_shop_has_a_bug_until_it_is_mended(shops):
    """Half a cent is lost where it would have made an odd cent even; nothing else differs."""
    old, new = [await _read(shops[arm], "/api/products/10") for arm in Arm]
    await shops[Arm.CANDIDATE].delete("/bug")
    mended = await _read(shops[Arm.CANDIDATE], "/api/products/10")

    assert (old["price_with_tax"], new["price_with_tax"]) == (18.45, 18.44)
    assert old == mended == {**new, "price_with_tax": old["price_with_tax"]}


@given(st.integers(1, 10**9))
def test_the_bug_is_never_more_than_a_cent(cents):
    """And only where there is half a cent to be rounded."""
    right, wrong = (add_tax(cents, is_bugged=is_bugged) for is_bugged in (False, True))

    assert 0 <= round(100 * right) - round(100 * wrong) <= int(cents * 119 % 100 == 50)


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
    assert {"id": 1, "user": "ann", **wanted}.items() <= (await found.json()).items()


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
    """Requests of the API count, users' that the fault made fail apart, and questions about the diary not at all."""
    shop = shops[Arm.CANDIDATE]
    await shop.get("/api/products")
    await shop.put("/fault")
    for path in ("/api/products/7", "/api/products/8", "/api/orders"):
        await shop.get(path)
    await shop.get("/api/products/7", headers={SHADOW_HEADER: "1"})
    diary = await (await shop.get("/diary")).json()

    assert (diary["asked"], diary["copied"], diary["failed"]) == (5, 1, 2)
    assert diary["first_failed_at"] < diary["last_asked_at"]


async def test_a_new_diary_is_empty(shops):
    """No time is known before anything came."""
    diary = await (await shops[Arm.BASELINE].get("/diary")).json()

    assert diary == {"asked": 0, "copied": 0, "last_asked_at": None, "failed": 0, "first_failed_at": None}


def test_it_listens_where_it_is_told():
    """Without a socket of its parent's it opens one of its own, for whoever starts it by hand or in a container."""
    with _open_socket("127.0.0.1:0") as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
