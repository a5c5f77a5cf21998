"""What comparing has found, over the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.core.figures import Counted, PathFigures, Subject
from tests.admin.desk import Desk, desk
from tests.control.found import AT, PRICE, field, path, sample

MISMATCHES = "/api/v1/mismatches"
EXPORT = {"Accept": "application/x-ndjson"}
COMPARED = """\
version: 1
backends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}
routes:
  - name: shop
    match: /shop/**
    baseline: legacy
    candidate: new
    rollout: {key: client_ip}
    shadow: {compare: {samples: 3}}
  - {name: rest, match: /**, backend: legacy}
"""


def find(made: Desk) -> None:
    """A price that is wrong, a time that moves, and a path with a rare surprise."""
    fields = {
        PRICE: field(5, 5, 0, sample(AT), sample(AT + 1, 1.5, {"deep": [None]})),
        ("$.at", "value"): field(80, 0, 8, sample(AT)),
    }
    rare = path({("status", "status"): field(1)}, compared=1000, route="shop", name="/rare")
    made.mismatches.take([rare, path(fields, twins=10, route="shop")], AT)


def copied(path: str, **copies: int) -> Counted:
    """What came of copies."""
    named = {tuple(name.split("_for_")): count for name, count in copies.items()}
    outcomes: Any = {(result, "".join(reason)): count for (result, *reason), count in named.items()}
    return Counted(Subject("shop", path, "candidate", is_forced=False), PathFigures(copies=outcomes))


async def test_mismatches_come_the_worst_first_with_their_samples(tmp_path: Path) -> None:
    """What counts by its rate, then what is noise; with what came of all copies beside them."""
    async with desk(tmp_path, COMPARED) as (made, client):
        find(made)
        made.count(copied("/a", match=90, mismatch=5, noise=3, error_for_timeout=2, skipped_for_breaker=4))
        answer = (await client.get(f"{MISMATCHES}?route=shop")).json

    assert [(item["path"], item["field"], item["noise"]) for item in answer["items"]] == [
        ("/orders/{id}", "$.items[*].price", False),
        ("/rare", "status", False),
        ("/orders/{id}", "$.at", True),
    ]
    worst = answer["items"][0]
    assert {key: worst[key] for key in ("route", "kind", "count", "compared", "rate", "noise_rate", "counted")} == {
        "route": "shop", "kind": "value", "count": 5, "compared": 100, "rate": 0.05, "noise_rate": 0.0, "counted": 5,
    }  # fmt: skip
    assert worst["samples"][0] == {
        "request_id": f"id-{AT + 1:.10g}", "time": "2026-11-21T10:15:01.000Z", "baseline": 1.5,
        "candidate": {"deep": [None]},
    }  # fmt: skip
    assert answer["next"] is None
    assert answer["totals"] == {"match": 90, "mismatch": 5, "noise": 3, "error": 2, "skipped": {"breaker": 4}}


async def test_a_long_list_comes_in_pages(tmp_path: Path) -> None:
    """`next` is what to give as `after`; without a route it is of all of them."""
    async with desk(tmp_path, COMPARED) as (made, client):
        find(made)
        first = (await client.get(f"{MISMATCHES}?limit=2")).json
        rest = (await client.get(f"{MISMATCHES}?limit=2&after={first['next']}")).json
        none = (await client.get(f"{MISMATCHES}?after=99")).json

    assert [item["field"] for item in first["items"] + rest["items"]] == ["$.items[*].price", "status", "$.at"]
    assert (rest["next"], none["items"], none["next"]) == (None, [], None)


async def test_a_route_without_mismatches_has_none(tmp_path: Path) -> None:
    """Also one that is not compared at all."""
    async with desk(tmp_path, COMPARED) as (_, client):
        for route in ("shop", "rest"):
            answer = (await client.get(f"{MISMATCHES}?route={route}")).json
            assert answer["items"] == []
            assert answer["totals"] == {"match": 0, "mismatch": 0, "noise": 0, "error": 0, "skipped": {}}


async def test_an_unknown_route_is_404(tmp_path: Path) -> None:
    """With the name that may have been meant; before there is a configuration it is 503."""
    async with desk(tmp_path, COMPARED) as (_, client):
        answer = await client.get(f"{MISMATCHES}?route=shpo")
        assert (answer.status, answer.json["field"]) == (404, "route")
        assert (await client.get(f"{MISMATCHES}?limit=0")).status == 422
    async with desk(tmp_path, None) as (_, client):
        assert (await client.get(MISMATCHES)).status == 503


async def test_an_export_has_a_line_for_each_sample(tmp_path: Path) -> None:
    """With its row; a row without samples has a line, too."""
    async with desk(tmp_path, COMPARED) as (made, client):
        find(made)
        answer = await client.get(f"{MISMATCHES}?route=shop&limit=1", headers=EXPORT)
        head = await client.ask("HEAD", f"{MISMATCHES}?route=shop", headers=EXPORT)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.content_type == head.content_type == "application/x-ndjson"
    assert [(line["field"], line.get("request_id")) for line in lines] == [
        ("$.items[*].price", f"id-{AT + 1:.10g}"),
        ("$.items[*].price", f"id-{AT:.10g}"),
        ("status", None),
        ("$.at", f"id-{AT:.10g}"),
    ]
    assert (lines[0]["baseline"], lines[0]["candidate"], lines[0]["count"]) == (1.5, {"deep": [None]}, 5)
    assert head.text == ""


async def test_a_record_can_be_begun_anew(tmp_path: Path) -> None:
    """By an operator whose name and reason are in the audit log; the comparer is told, what was counted stays."""
    told: list[str] = []
    async with desk(tmp_path, COMPARED) as (made, client):
        find(made)
        made.mismatches.on_clear = lambda: told.append("anew")
        made.count(copied("/a", match=1, mismatch=5))
        headers = {"X-Crossfade-Operator": "ada"}
        answer = await client.delete(f"{MISMATCHES}?route=shop&reason=mended", headers=headers)
        (event,) = [each for each in await made.store.events() if each.kind == "mismatches_cleared"]
        after = (await client.get(f"{MISMATCHES}?route=shop")).json

    assert answer.json == after
    assert (after["items"], after["totals"]["mismatch"]) == ([], 5)
    assert (event.rollout, event.actor.name, event.reason) == ("shop", "ada", "mended")
    assert event.inputs == {"route": "shop"}
    assert told == ["anew"]


async def test_only_a_named_route_is_begun_anew(tmp_path: Path) -> None:
    """And where the audit log can't be written, nothing happens."""
    async with desk(tmp_path, COMPARED) as (made, client):
        find(made)
        assert (await client.delete(f"{MISMATCHES}?route=shpo")).status == 404
        assert (await client.delete(MISMATCHES)).status == 422
        assert (await client.delete(f"{MISMATCHES}?route=")).status == 422
        assert made.mismatches.paths({"shop"})
