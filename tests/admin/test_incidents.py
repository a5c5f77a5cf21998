"""Incidents over the API."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.control.postmortem import render_incident
from gateway.store import Store
from tests.admin.desk import desk
from tests.control.rollbacks import happened, incident, rollback
from tests.control.test_history import PROGRESS, new

NAMES = ["20261121-101500-checkout", "20261121-101500-checkout-2", "20261121-101600-search"]


async def record(store: Store, *names: str) -> None:
    """Rollbacks, one after the other."""
    for version, name in enumerate(names):
        rollout = name.split("-")[2]
        made = msgspec.structs.replace(incident(name), rollout=rollout)
        progress = msgspec.structs.replace(PROGRESS, version=version)
        await store.commit(rollout, progress, new(happened("rollback", rollout=rollout)), made)


async def test_incidents_are_listed_newest_first_without_their_details(tmp_path: Path) -> None:
    """Samples and events come with the one that is asked for."""
    async with desk(tmp_path) as (made, client):
        await record(made.store, *NAMES)
        answer = (await client.get("/api/v1/incidents")).json

    assert [item["id"] for item in answer["items"]] == NAMES[::-1]
    assert answer["next"] is None
    assert set(answer["items"][0]) == {
        "id", "rollout", "rule", "time", "stage", "percent_before", "values", "paths",
    }  # fmt: skip


async def test_a_long_list_comes_in_pages(tmp_path: Path) -> None:
    """`next` is what to give as `before`; one rollout's can be asked for alone."""
    async with desk(tmp_path) as (made, client):
        await record(made.store, *NAMES)
        first = (await client.get("/api/v1/incidents?limit=2")).json
        rest = (await client.get(f"/api/v1/incidents?limit=2&before={first['next']}")).json
        search = (await client.get("/api/v1/incidents?rollout=search")).json

    assert [item["id"] for item in first["items"] + rest["items"]] == NAMES[::-1]
    assert rest["next"] is None
    assert [item["id"] for item in search["items"]] == NAMES[2:]


async def test_one_incident_has_everything(tmp_path: Path) -> None:
    """As it was recorded."""
    async with desk(tmp_path) as (made, client):
        await record(made.store, NAMES[0])
        answer = (await client.get(f"/api/v1/incidents/{NAMES[0]}")).json

    recorded = incident(NAMES[0])
    assert answer == msgspec.to_builtins(recorded)
    assert answer["samples"][0]["request_id"] == "id-1"
    assert answer["events"][0]["to"] == {"state": "running", "percent": 50.0}


async def test_who_accepts_markdown_gets_the_page(tmp_path: Path) -> None:
    """What `crossfade incidents ID` prints."""
    async with desk(tmp_path) as (made, client):
        await record(made.store, NAMES[0])
        answer = await client.get(f"/api/v1/incidents/{NAMES[0]}", headers={"Accept": "text/markdown"})

    assert answer.content_type == "text/markdown"
    assert answer.text == render_incident(incident(NAMES[0]))


async def test_a_persons_rollback_fits_the_shape(tmp_path: Path) -> None:
    """Without rule, values and stage."""
    async with desk(tmp_path) as (made, client):
        bare = msgspec.structs.replace(incident(NAMES[0], rollback(None)), stage=None, paths=[])
        await made.store.commit("checkout", PROGRESS, new(happened("rollback")), bare)
        answer = (await client.get(f"/api/v1/incidents/{NAMES[0]}")).json

    assert (answer["rule"], answer["stage"], answer["values"]) == (
        None,
        None,
        {"by": "ada", "reason": "customers complain"},
    )


@pytest.mark.parametrize("name", ["nope", "%00", "a%2Fb"])
async def test_an_unknown_incident_is_404(tmp_path: Path, name: str) -> None:
    """Whatever it is called."""
    async with desk(tmp_path) as (_, client):
        assert (await client.get(f"/api/v1/incidents/{name}")).status == 404
