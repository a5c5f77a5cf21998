"""Reconciling over the API: lines for as long as somebody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.admin import reconcile
from gateway.admin.reconcile import ReconcileWish, read_wish
from gateway.control.findings import show_epoch
from gateway.errors import BadValue
from tests.admin.desk import Client, Desk, Reply, desk
from tests.control.baseline import Baseline, answer, baseline
from tests.journal.entries import HEADING, entry, fill

URL = "/api/v1/rollouts/checkout/reconcile"

CONFIG = """
version: 1
backends: {{legacy: "http://127.0.0.1:{port}", new: "http://127.0.0.1:1"}}
rollouts: {{checkout: {{key: client_ip, percent: 5}}}}
routes:
  - {{name: orders, match: /**, baseline: legacy, candidate: new, rollout: checkout}}
"""


class Office:
    """A desk, a baseline, and a journal."""

    def __init__(self, made: Desk, client: Client, service: Baseline, folder: Path) -> None:
        self.desk = made
        self.client = client
        self.service = service
        self.journal = folder / "crossfade.db.journal"
        self.orders = self.journal / HEADING.route

    async def ask(self, **wish: Any) -> Reply:
        """One call, quickly."""
        return await self.client.post(URL, json={"rate": 10_000, **wish})


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with baseline() as service, desk(tmp_path, CONFIG.format(port=service.port)) as (made, client):
        yield Office(made, client, service, tmp_path)


def lines_of(reply: Reply) -> list[dict[str, Any]]:
    """What was told."""
    return [json.loads(line) for line in reply.text.splitlines()]


async def test_a_call_is_answered_line_by_line(office: Office) -> None:
    """What there is to do, what came of each write, and what of all."""
    fill(office.orders, entry(1, target=b"/pay?token=secret"), entry(2))
    office.service.says = lambda write: answer(201 if write.name == "request-1" else 409)
    reply = await office.ask()

    begin, *steps, end = lines_of(reply)
    assert (reply.status, reply.content_type) == (200, "application/x-ndjson")
    assert begin == {
        "kind": "begin",
        "rollout": "checkout",
        "total": 2,
        "skipped": 0,
        "unreadable": [],
        "is_live": True,
        "dry_run": False,
    }
    assert [
        (step["kind"], step["target"], step["result"]) for step in sorted(steps, key=lambda each: each["time_ns"])
    ] == [
        ("entry", "/pay", "applied"),
        ("entry", "/api/orders", "refused"),
    ]
    assert all(step["time"] == show_epoch(step["time_ns"] / 1e9) for step in steps)
    assert end == {"kind": "end", "applied": 1, "refused": 1, "failed": 0, "skipped": 0, "left": 0, "stopped": ""}
    assert "secret" not in reply.text


async def test_the_audit_log_names_who_reconciled(office: Office) -> None:
    """An event like any other."""
    fill(office.orders, entry(1))
    await office.client.post(URL, headers={"X-Crossfade-Operator": "ada"})

    events = (await office.client.get("/api/v1/events?rollout=checkout")).json["items"]
    assert [(each["kind"], each["actor"]["name"], each["inputs"]["applied"]) for each in events] == [
        ("reconcile", "ada", 1)
    ]


async def test_what_is_asked_for_is_done(office: Office) -> None:
    """Headers go with every write, older writes stay, and a dry run sends nothing."""
    fill(office.orders, entry(1), entry(2, time_ns=10**18))
    wish = {"since": "2001-01-01T00:00:00Z", "headers": {"Authorization": "Bearer t"}}
    dry = lines_of(await office.ask(**wish, dry_run=True))
    assert (dry[0]["total"], dry[1]["result"], office.service.writes) == (1, "planned", [])
    await office.ask(**wish)

    assert office.service.names == ["request-2"]
    assert office.service.writes[0].field("Authorization") == "Bearer t"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"rate": 0}, "rate"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"headers": {"Content-Length": "5"}}, "headers"),
        ({"headers": {"Authorization": "secret\r\nX: y"}}, "headers"),
        ({"dry-run": True}, "dry-run"),
    ],
)
async def test_a_wish_that_can_not_be_taken_names_the_field(office: Office, wish: dict[str, Any], field: str) -> None:
    """Before anything is sent, and without a word of what may be a secret."""
    reply = await office.ask(**wish)

    assert (reply.status, reply.json["field"]) == (422, field)
    assert "secret" not in reply.text


async def test_an_unknown_rollout_is_not_found(office: Office) -> None:
    """As with every action."""
    assert (await office.client.post("/api/v1/rollouts/chekout/reconcile")).status == 404


async def test_a_journal_that_can_not_be_read_is_said_to_be_so(office: Office) -> None:
    """Nothing has begun by then."""
    office.journal.write_text("in the way")
    reply = await office.ask()

    assert reply.status == 503
    assert "the journal can't be read" in reply.json["detail"]


async def test_a_second_call_meanwhile_is_refused(office: Office) -> None:
    """A caller that leaves ends its run, after what is under way; then there is room for another."""
    fill(office.orders, *(entry(number, key=number) for number in range(1, 101)))
    async with office.client.session.post(URL, json={"rate": 100}) as response:
        await response.content.readline()
        assert (await office.ask()).status == 409
        response.close()
    async with asyncio.timeout(30):
        while (reply := await office.ask()).status == 409:
            await asyncio.sleep(0.001)

    assert lines_of(reply)[-1]["left"] == 0
    assert sorted(office.service.names) == sorted(f"request-{number}" for number in range(1, 101))


async def test_a_caller_that_takes_nothing_is_let_go(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run would keep all others away."""
    fill(office.orders, *(entry(number, key=number) for number in range(1, 11)))
    with monkeypatch.context() as patch:

        async def stall(*_: object) -> None:
            await asyncio.Event().wait()

        patch.setattr(reconcile, "STALL_SECONDS", 0.01)
        patch.setattr(web.StreamResponse, "write", stall)
        async with office.client.session.post(URL) as response:
            await response.read()

    assert lines_of(await office.ask())[0]["total"] == 10


def test_a_time_is_read_with_its_offset() -> None:
    """Whatever that is."""
    assert read_wish(ReconcileWish(since="1970-01-01T01:00:01+01:00")).since_ns == 10**9
    assert read_wish(ReconcileWish()).since_ns == 0
    with pytest.raises(BadValue):
        read_wish(ReconcileWish(since="1970-01-01"))
