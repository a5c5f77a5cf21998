"""The fleet over the API."""

from __future__ import annotations

import socket
from pathlib import Path

from gateway import __version__
from gateway.core.fleet import Journaled, Role, Seen
from gateway.journal.records import Heading
from tests.admin.desk import desk
from tests.control.members import HER, HIM, ME, membership, presence
from tests.journal.entries import entry, fill


async def test_a_gateway_that_is_alone_is_the_only_replica(tmp_path: Path) -> None:
    """Its role says so, and it has no leader."""
    async with desk(tmp_path) as (made, client):
        shown = (await client.get("/api/v1/fleet")).json
        host, revision = socket.gethostname(), made.roster.revision

    assert shown == {
        "replica": host,
        "role": "alone",
        "leader": None,
        "fence": 0,
        "degraded": None,
        "store": {"kind": "sqlite", "ok": True, "file": str(tmp_path / "crossfade.db"), "reason": None},
        "revisions": [revision],
        "replicas": [
            {
                "replica": host,
                "host": host,
                "admin": "http://127.0.0.1:0",
                "version": __version__,
                "revision": revision,
                "role": "alone",
                "ready": True,
                "workers": 1,
                "started_at": "2026-01-01T00:08:20.000Z",
                "silent_s": 0.0,
                "behind": 0,
                "switches": [],
                "journal": [],
            }
        ],
    }


async def test_a_fleet_shows_who_leads_and_who_lags(tmp_path: Path) -> None:
    """Each with its role, how long it was silent, and how many moves it has not followed."""
    known = membership()
    known.seen[2] = Seen(HER, presence("three", revision="r2", moves=4), 12.3456)
    async with desk(tmp_path, membership=known) as (made, client):
        revision = made.roster.revision
        shown = (await client.get("/api/v1/fleet")).json
        line = (await client.get("/api/v1/status")).json["fleet"]

    roles = [(each["replica"], each["role"], each["silent_s"], each["behind"]) for each in shown["replicas"]]
    assert roles == [(ME, "follower", 0.2, 0), (HER, "follower", 12.346, 3), (HIM, "leader", 0.9, 0)]
    assert (shown["replica"], shown["role"], shown["leader"], shown["fence"]) == (ME, "follower", HIM, 4)
    assert shown["revisions"] == sorted({revision, "r1"})
    assert line == {"replica": ME, "role": "follower", "leader": HIM, "replicas": 2, "revisions": shown["revisions"]}


async def test_a_degraded_gateway_says_so_and_why(tmp_path: Path) -> None:
    """Its status, too; how long the others have been silent it does not know."""
    known = membership(role=Role.DEGRADED, leader=ME, fault="no answer in time")
    async with desk(tmp_path, membership=known) as (_, client):
        shown = (await client.get("/api/v1/fleet")).json
        status = (await client.get("/api/v1/status")).json

    assert (shown["role"], shown["leader"]) == ("degraded", None)
    assert "no answer in time" in shown["degraded"]
    assert status["degraded"] == shown["degraded"]
    assert status["store"] == shown["store"]
    assert (status["store"]["ok"], status["store"]["reason"]) == (False, "no answer in time")
    assert [each["silent_s"] for each in shown["replicas"]] == [0.2, None, None]
    assert (status["fleet"]["role"], status["fleet"]["replicas"]) == ("degraded", 1)


async def test_emergency_switches_are_shown_where_they_hold(tmp_path: Path) -> None:
    """The others can't know of them otherwise: nothing of them is in the store."""
    known = membership()
    known.seen[1] = Seen(HIM, presence("two", switches=("shop",)), 0.9)
    async with desk(tmp_path, membership=known, CROSSFADE_ROLLBACK="all") as (_, client):
        replicas = (await client.get("/api/v1/fleet")).json["replicas"]

    assert [(each["replica"], each["switches"]) for each in replicas] == [(ME, ["all"]), (HER, []), (HIM, ["shop"])]


async def test_what_waits_in_journals_is_shown_where_it_does(tmp_path: Path) -> None:
    """Each gateway has its own, and replays no other's."""
    waits = {"shop": Journaled(writes=1204, is_live=False), "search": Journaled(writes=1, is_live=True)}
    known = membership()
    known.seen[1] = Seen(HIM, presence("two", journal=waits), 0.9)
    async with desk(tmp_path, membership=known) as (made, client):
        fill(tmp_path / "crossfade.db.journal" / "shop", entry(1), heading=Heading("shop", "shop"))
        await made.reconciling.look()
        replicas = {each["replica"]: each for each in (await client.get("/api/v1/fleet")).json["replicas"]}

    assert [(each["rollout"], each["writes"]) for each in replicas[ME]["journal"]] == [("shop", 1)]
    assert replicas[HER]["journal"] == []
    assert replicas[HIM]["journal"] == [
        {"rollout": "search", "writes": 1, "is_live": True},
        {"rollout": "shop", "writes": 1204, "is_live": False},
    ]
