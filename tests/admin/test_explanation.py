"""What becomes of a request, asked of the running gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.admin.explanation import find_down
from gateway.control.roster import Seat
from tests.admin.desk import desk
from tests.core.signing import make_key, publish, sign

ROUTES = """\
version: 1
admin: {listen: 127.0.0.1:0}
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts: {shop: {key: [header:X-User-ID, client_ip], percent: 100}}
routes:
  - {name: shop, match: {path: /shop/**, host: shop.example}, baseline: legacy, candidate: new, rollout: shop,
     paths: ["/shop/{id}"]}
"""
SHOP = "http://shop.example/shop/81"


def seat(**endpoints: dict[str, bool]) -> Seat:
    """A worker that reports so."""
    return Seat(0, 1, endpoints=endpoints)


async def test_an_explanation_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """And what else there is to know."""
    async with desk(tmp_path, ROUTES) as (_, client):
        answer = await client.post("/api/v1/explain", json={"url": SHOP, "headers": {"X-User-ID": "u-1"}})
        found = answer.json

        assert (found["route"], found["rollout"], found["template"]) == ("shop", "shop", "/shop/{id}")
        assert (found["key"], found["key_source"], found["percent"]) == ("u-1", "header:X-User-ID", 100)
        assert (found["arm"], found["backend"], found["reason"]) == ("candidate", "new", "split")
        assert 0 <= found["bucket"] < 100


async def test_it_is_what_holds_now(tmp_path: Path) -> None:
    """An operator's percentage counts, and so does a candidate that no worker can reach."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.seat.endpoints = {"new": {"http://127.0.0.1:2": False}}
        assert (await client.post("/api/v1/explain", json={"url": SHOP})).json["reason"] == "unhealthy"
        await client.put("/api/v1/rollouts/shop/percent", json={"percent": 0})
        found = (await client.post("/api/v1/explain", json={"url": SHOP})).json

        assert (found["arm"], found["reason"], found["percent"]) == ("baseline", "split", 0)


async def test_headers_come_by_name_or_as_pairs(tmp_path: Path) -> None:
    """Of repeated ones the first counts; without a key it is the client's address."""
    async with desk(tmp_path, ROUTES) as (_, client):
        pairs = [["X-User-ID", "u-1"], ["X-User-ID", "u-2"]]
        by_pairs = await client.post("/api/v1/explain", json={"url": SHOP, "headers": pairs})
        by_address = await client.post("/api/v1/explain", json={"url": SHOP, "client_ip": "2001:DB8::0"})

        assert by_pairs.json["key"] == "u-1"
        assert (by_address.json["key"], by_address.json["key_source"]) == ("2001:db8::", "client_ip")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"url": "/a b"}, "url"),
        ({"url": "shop"}, "url"),
        ({"url": "http://shop.example/shop/../../x"}, "url"),
        ({"url": "/", "method": "get"}, "method"),
        ({"url": "/", "headers": {"A B": "x"}}, "headers"),
        ({"url": "/", "headers": {"A": "x\r\nB: y"}}, "headers"),
        ({"url": "/", "headers": [["A"]]}, "headers[0]"),
        ({"url": "/", "client_ip": "localhost"}, "client_ip"),
        ({"method": "GET"}, "url"),
    ],
)
async def test_what_the_gateway_would_refuse_is_an_error_of_the_call(
    tmp_path: Path, asked: dict[str, Any], field: str
) -> None:
    """422 that names the field; nothing is repaired."""
    async with desk(tmp_path, ROUTES) as (_, client):
        refused = await client.post("/api/v1/explain", json=asked)

        assert (refused.status, refused.json["field"]) == (422, field)


async def test_what_no_route_serves_is_404(tmp_path: Path) -> None:
    """As the gateway would answer it."""
    async with desk(tmp_path, ROUTES) as (_, client):
        assert (await client.post("/api/v1/explain", json={"url": "/shop/81"})).status == 404


async def test_before_the_first_configuration_nothing_can_be_explained(tmp_path: Path) -> None:
    """503: it comes."""
    async with desk(tmp_path, None) as (_, client):
        assert (await client.post("/api/v1/explain", json={"url": "/"})).status == 503


def test_a_backend_is_down_when_no_worker_has_a_healthy_endpoint() -> None:
    """One worker that sees one is enough; who has not reported does not count."""
    one = seat(new={"a": False, "b": False}, legacy={"c": True})

    assert find_down([]) == frozenset()
    assert find_down([seat()]) == frozenset()
    assert find_down([one, seat()]) == {"new"}
    assert find_down([one, seat(new={"a": False, "b": True}, legacy={"c": False})]) == frozenset()


async def test_a_token_is_verified_by_the_keys_in_force(tmp_path: Path) -> None:
    """Those of the running gateway; the answer says what comes of it, and nothing of the token."""
    (tmp_path / "keys.json").write_bytes(publish(make_key()))
    text = ROUTES.replace("header:X-User-ID", "jwt:sub") + "jwt: {jwks: keys.json}\n"
    async with desk(tmp_path, text) as (_, client):

        async def explain(token: bytes) -> list[str | None]:
            asked = {"url": SHOP, "headers": {"Authorization": f"Bearer {token.decode()}"}}
            answer = await client.post("/api/v1/explain", json=asked)
            assert token.decode() not in str(answer.json)
            return [answer.json[name] for name in ("token", "key", "key_source")]

        assert await explain(sign({"sub": "ann"})) == ["good", "ann", "jwt:sub"]
        assert await explain(sign({"sub": "ann", "exp": 1})) == ["expired", "127.0.0.1", "client_ip"]
