"""The gateway at a glance."""

from __future__ import annotations

from pathlib import Path

from gateway import __version__
from gateway.admin.status import TokensView, view_tokens
from gateway.control.token_keys import KnownKeys, TokenKeys
from gateway.core.tokens import TokenPolicy
from tests.admin.desk import UPTIME_SECONDS, desk
from tests.control.texts import GOOD

ROUTES = """\
version: 1
backends:
  legacy: {endpoints: [http://127.0.0.1:1, http://127.0.0.1:2], health: {path: /healthz}}
  new: [http://127.0.0.1:3, http://127.0.0.1:4]
rollouts: {shop: {key: client_ip, percent: 5}}
routes:
  - {name: orders, match: {host: "*.example.com", path: /orders/**, methods: [GET], headers: {X-Beta: ["1", "2"]}},
     baseline: legacy, candidate: new, rollout: shop, paths: ["/orders/{id}"]}
  - {name: rest, match: /**, backend: legacy}
"""


async def test_the_status_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """From the version to the rollouts."""
    async with desk(tmp_path) as (made, client):
        made.seat.connections, made.seat.in_flight = 7, 3
        status = (await client.get("/api/v1/status")).json
        revision = made.roster.revision

        assert status == {
            "version": __version__,
            "revision": revision,
            "uptime_s": UPTIME_SECONDS,
            "ready": True,
            "workers": [{"pid": 11, "revision": revision, "connections": 7, "in_flight": 3}],
            "backends": [
                {"name": "legacy", "endpoints": [{"url": "http://127.0.0.1:1", "healthy": None}]},
                {"name": "new", "endpoints": [{"url": "http://127.0.0.1:2", "healthy": None}]},
            ],
            "store": {"kind": "sqlite", "ok": True, "file": str(tmp_path / "crossfade.db"), "reason": None},
            "rollouts": [{"name": "shop", "state": "running", "percent": 5, "version": 0}],
            "comparer": None,
            "fleet": None,
            "degraded": None,
            "tokens": None,
        }


async def test_the_comparer_is_shown_while_it_is_there(tmp_path: Path) -> None:
    """Nobody waits for it, so it is no worker."""
    async with desk(tmp_path) as (made, client):
        made.roster.comparer_joined(pid=12, revision="r1", run=2)
        status = (await client.get("/api/v1/status")).json

    assert status["comparer"] == {"pid": 12, "revision": "r1"}
    assert (status["ready"], len(status["workers"])) == (True, 1)


async def test_an_endpoint_is_healthy_when_every_worker_finds_it_so(tmp_path: Path) -> None:
    """Before anybody has looked it is unknown, and where nothing is checked as well; but not when it was ejected."""
    async with desk(tmp_path, ROUTES) as (made, client):
        unknown = (await client.get("/api/v1/status")).json["backends"]
        assert {each["healthy"] for backend in unknown for each in backend["endpoints"]} == {None}
        made.seat.endpoints = {
            "legacy": {"http://127.0.0.1:1": True, "http://127.0.0.1:2": False},
            "new": {"http://127.0.0.1:3": True, "http://127.0.0.1:4": False},
        }
        backends = (await client.get("/api/v1/status")).json["backends"]

        assert [each["healthy"] for backend in backends for each in backend["endpoints"]] == [True, False, None, False]


async def test_before_the_first_configuration_there_is_a_status_too(tmp_path: Path) -> None:
    """It says that it is not ready; routes can't be listed yet."""
    async with desk(tmp_path, None) as (_, client):
        status = (await client.get("/api/v1/status")).json

        assert (status["ready"], status["revision"], status["backends"], status["rollouts"]) == (False, "", [], [])
        assert (await client.get("/api/v1/routes")).status == 503


async def test_routes_are_listed_in_their_order(tmp_path: Path) -> None:
    """With what they match and where they lead."""
    async with desk(tmp_path, ROUTES) as (_, client):
        listed = (await client.get("/api/v1/routes")).json
        orders, rest = listed["items"]

        assert listed["next"] is None
        assert orders["match"] == {
            "paths": ["/orders/**"],
            "hosts": ["*.example.com"],
            "methods": ["GET"],
            "headers": {"x-beta": ["1", "2"]},
        }
        assert (orders["baseline"], orders["candidate"], orders["rollout"]) == ("legacy", "new", "shop")
        assert orders["paths"] == ["/orders/{id}"]
        assert (rest["name"], rest["baseline"], rest["candidate"], rest["rollout"]) == ("rest", "legacy", None, None)


async def test_a_store_that_can_not_be_used_is_said(tmp_path: Path) -> None:
    """The gateway serves on; its operators should know."""
    (tmp_path / "crossfade.db").mkdir()
    async with desk(tmp_path, GOOD) as (_, client):
        status = (await client.get("/api/v1/status")).json
        store = status["store"]

        assert (store["kind"], store["ok"], store["file"]) == ("sqlite", False, str(tmp_path / "crossfade.db"))
        assert store["reason"] == "Is a directory"
        assert (
            status["degraded"]
            == "the store can't be used (Is a directory): nothing but a rollback can be done until it can"
        )


class Nowhere:
    """A memory that keeps nothing."""

    def put(self, kept: KnownKeys) -> None:
        pass

    def newest(self) -> None:
        return None


def test_the_keys_of_tokens_are_shown() -> None:
    """How many there are, and why they can't be read now; nothing that could be a secret."""
    keys = TokenKeys(Nowhere(), lambda _change: None)
    assert view_tokens(None) is view_tokens(keys) is None
    keys.follow(TokenPolicy("https://id.example/keys?code=secret", ("ES256",)))
    well = view_tokens(keys)
    keys._sources["https://id.example/keys?code=secret"].fault = "it answered 503"

    assert well == TokensView("https://id.example/keys", 0, None)
    assert view_tokens(keys) == TokensView("https://id.example/keys", 0, "it answered 503")
