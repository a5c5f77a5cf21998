"""Rollouts at a glance."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin import overview
from gateway.admin.overview import Log, Overviews, shorten
from gateway.control.rules import RuleState
from gateway.core.lifecycle import Progress
from gateway.core.verdicts import Judgement, Verdict
from gateway.store.records import Actor, NewEvent
from tests.admin.desk import Desk, counted, desk

PLAN = """\
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts:
  shop:
    key: client_ip
    start: auto
    stages:
      - {percent: 5, hold: 10m, gates: [requests >= 100]}
      - {percent: 100}
routes:
  - {name: cart, match: /cart/**, baseline: legacy, candidate: new, rollout: shop}
  - {name: shop, match: /**, baseline: legacy, candidate: new, rollout: shop}
"""


def event(reason: str, rollout: str | None = "shop") -> NewEvent:
    """Something for the audit log."""
    return NewEvent(
        time="2026-01-01T00:00:00.000Z",
        rollout=rollout,
        kind="notify",
        actor=Actor("rule", "p99"),
        before=None,
        after=None,
        reason=reason,
        inputs={},
        revision="r1",
    )


async def test_a_row_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """What a rollout is, what it waits for, and what both arms did in the last minute on all its routes."""
    async with desk(tmp_path, PLAN) as (made, client):
        gate = Judgement(rule="requests >= 100", verdict=Verdict.UNKNOWN, reason="few_requests")
        made.said = [RuleState("requests >= 100", "gate", "requests >= 100", None, gate)]
        made.count(
            counted("/", "candidate", [7] * 9, errors=1),
            counted("/", "baseline", [5] * 60),
            counted("/cart", "baseline", [5] * 40, route="cart"),
        )
        shown = (await client.get("/api/v1/overview")).json
        (listed,) = (await client.get("/api/v1/rollouts")).json["items"]

    (row,) = shown["rows"]
    assert shown["gone"] == []
    assert row["stage"] == listed["stage"]
    assert row["stage"]["waits_for"] == ["hold", "requests >= 100"]
    assert {name: row[name] for name in ("name", "mode", "state", "percent", "source", "stages", "routes")} == {
        "name": "shop",
        "mode": "live",
        "state": "running",
        "percent": 5,
        "source": "plan",
        "stages": [5, 100],
        "routes": ["cart", "shop"],
    }
    assert (row["candidate"]["requests"], row["candidate"]["error_rate"]) == (9, 0.111)
    assert row["baseline"] == {"requests": 100, "per_second": 1.43, "error_rate": 0, "p99": 5.01}
    assert (row["compared"], row["mismatch_rate"], row["to_shadow"], row["cooldown_until"]) == (0, None, False, None)


async def test_a_glance_has_the_last_event_of_each_rollout(tmp_path: Path) -> None:
    """Also one of before the controller started. A long reason is cut, and what concerns no rollout is left out."""
    async with desk(tmp_path, None) as (made, _):
        await made.store.record(event("old"))
        await made.store.record(event("of another", "other"))
        log = Log(made.control)
        await log.read()
        assert {name: last.reason for name, last in log.last.items()} == {"shop": "old", "other": "of another"}
        await made.store.record(event("word " * 100))
        last = await made.store.record(event("the file", None))
        await log.read()

    assert log.last["shop"].id == 3
    assert log.last["shop"].reason.endswith("word …")
    assert len(log.last["shop"].reason) <= 160
    assert log.newest_id == last.id


async def test_a_log_that_can_not_be_read_is_read_later(tmp_path: Path) -> None:
    """The other figures do not wait for it."""
    (tmp_path / "crossfade.db").mkdir()
    async with desk(tmp_path) as (made, client):
        (row,) = (await client.get("/api/v1/overview")).json["rows"]
        log = Log(made.control)
        await log.read()
        assert (row["last_event"], log.newest_id) == (None, None)
        (tmp_path / "crossfade.db").rmdir()
        await made.store.record(event("back"))
        await log.read()

    assert log.last["shop"].reason == "back"


async def test_all_who_look_share_a_look(tmp_path: Path) -> None:
    """Twenty viewers cost what one costs; what an operator does is seen at once all the same."""
    async with desk(tmp_path) as (made, client):
        overviews = Overviews(made.control)
        first, *others = await asyncio.gather(*(overviews.look() for _ in range(20)))
        assert all(other is first for other in others)
        await client.put("/api/v1/rollouts/shop/percent", json={"percent": 9})
        assert (await overviews.look()).lines["shop"].row.percent == 9


async def test_figures_are_counted_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the dear part; how rollouts stand is looked up with every look."""
    async with desk(tmp_path) as (made, _):
        overviews = Overviews(made.control)
        assert await requests_of(overviews) == 0
        made.count(counted("/", latencies_ms=[5]))
        monkeypatch.setattr(overview, "LOOK_SECONDS", 0)
        assert await requests_of(overviews) == 0
        monkeypatch.setattr(overview, "COUNT_SECONDS", 0)
        assert await requests_of(overviews) == 1


async def requests_of(overviews: Overviews) -> int:
    """What a row says of the baseline."""
    return (await overviews.look()).lines["shop"].row.baseline.requests


async def test_a_line_is_news_when_it_says_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a hold goes on is none: whoever shows it counts along. The row is of this moment all the same."""
    monkeypatch.setattr(overview, "LOOK_SECONDS", 0)
    async with desk(tmp_path, PLAN) as (made, _):
        overviews = Overviews(made.control)
        before = (await overviews.look()).lines["shop"]
        made.rollouts.pass_time({"shop": hold_on(made, 60)})
        held = (await overviews.look()).lines["shop"]
        await made.store.record(event("news"))
        told = (await overviews.look()).lines["shop"]

    assert before.row.stage is not None
    assert held.row.stage is not None
    assert (before.row.stage.hold_left_s, held.row.stage.hold_left_s) == (600, 540)
    assert held.serial == before.serial
    assert told.serial != before.serial


def hold_on(made: Desk, seconds: float) -> Progress:
    """How far the rollout is when its stage has been held for so long."""
    return msgspec.structs.replace(made.rollouts.progress("shop"), held_seconds=seconds)


@given(st.floats(1e-9, 1e9))
def test_three_digits_count(number: float) -> None:
    """Nothing is off by more than half a percent, and writing it again changes nothing."""
    assert abs(shorten(number) - number) <= 0.005 * number
    assert shorten(shorten(number)) == shorten(number)
