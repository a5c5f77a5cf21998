"""Rollouts over the API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import control
from gateway.control.rules import RuleState
from gateway.core.verdicts import Judgement, Verdict
from tests.admin.desk import desk
from tests.control.texts import GOOD

PERCENT = "/api/v1/rollouts/shop/percent"


async def test_a_rollout_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """What a fixed percentage does not have is null or empty."""
    async with desk(tmp_path) as (made, client):
        listed = (await client.get("/api/v1/rollouts")).json
        shown = (await client.get("/api/v1/rollouts/shop")).json

        assert listed == {"items": [shown], "next": None}
        assert {rule["kind"] for rule in shown.pop("rules_at_rest")} == {"guard"}  # every rollout has some
        assert shown == {
            "name": "shop",
            "mode": "live",
            "state": "running",
            "percent": 5,
            "source": "file",
            "stage": None,
            "stages": [],
            "cooldown_until": None,
            "retries_left": None,
            "routes": ["shop"],
            "rules": [],
            "revision": made.roster.revision,
            "to_shadow": False,
            "version": 0,
            "has_shadow": False,
            "has_journal": False,
            "stored": True,
            "read": True,
        }


async def test_an_operators_percentage_is_in_force_when_the_call_returns(tmp_path: Path) -> None:
    """In the table that the workers have; and given back, the file's is."""
    async with desk(tmp_path) as (made, client):
        answer = await client.put(PERCENT, json={"percent": 12.5, "reason": "a try"})

        assert (answer.status, answer.json["percent"], answer.json["source"]) == (200, 12.5, "operator")
        assert made.rollouts.table is not None
        assert made.rollouts.table.rollouts[0].percent == 12.5
        answer = await client.delete(PERCENT, json={"reason": "it went well"})
        assert (answer.status, answer.json["percent"], answer.json["source"]) == (200, 5, "file")
        events = (await client.get("/api/v1/events?rollout=shop")).json["items"]
        assert [event["reason"] for event in events] == ["a try", "it went well"]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "127.0.0.1"),
        ({"X-Crossfade-Operator": "ann@example.com"}, "ann@example.com"),
        ({"X-Crossfade-Operator": "x" * 101}, "127.0.0.1"),
        ({"X-Crossfade-Operator": "änn"}, "127.0.0.1"),
        ({"X-Crossfade-Operator": " "}, "127.0.0.1"),
    ],
)
async def test_the_audit_log_knows_who_it_was(tmp_path: Path, headers: dict[str, str], name: str) -> None:
    """By the name that the caller gives, if it is a sane one; else by address."""
    async with desk(tmp_path) as (_, client):
        await client.put(PERCENT, json={"percent": 1}, headers=headers)
        (event,) = (await client.get("/api/v1/events?rollout=shop")).json["items"]

        assert event["actor"] == {"type": "operator", "name": name}


async def test_giving_back_needs_no_body(tmp_path: Path) -> None:
    """And what was not taken can't be given back: 409."""
    async with desk(tmp_path) as (_, client):
        await client.put(PERCENT, json={"percent": 1})

        assert (await client.delete(PERCENT)).status == 200
        assert (await client.delete(PERCENT)).status == 409


async def test_an_unknown_rollout_is_404(tmp_path: Path) -> None:
    """With the name that was perhaps meant."""
    async with desk(tmp_path) as (_, client):
        shown = await client.get("/api/v1/rollouts/shopp")

        assert shown.status == 404
        assert "did you mean `shop`" in shown.json["detail"]
        assert (await client.put("/api/v1/rollouts/a%2Fb/percent", json={"percent": 1})).status == 404
        assert (await client.delete("/api/v1/rollouts/other/percent")).status == 404


@pytest.mark.parametrize(
    ("wish", "field", "detail"),
    [
        ({}, "percent", "is required"),
        ({"percent": 101}, "percent", "100"),
        ({"percent": -0.1}, "percent", "0"),
        ({"percent": "5"}, "percent", "must be a number"),
        ({"percent": None}, "percent", "null"),
        ({"percent": 1, "reason": "x" * 1001}, "reason", "1000"),
        ({"percent": 1, "reson": "x"}, "reson", "did you mean `reason`"),
        ([], "body", "object"),
    ],
)
async def test_what_is_wrong_with_a_wish_is_said(tmp_path: Path, wish: Any, field: str, detail: str) -> None:
    """422 that names the field; nothing changes."""
    async with desk(tmp_path) as (made, client):
        refused = await client.put(PERCENT, json=wish)

        assert (refused.status, refused.json["field"]) == (422, field)
        assert detail in refused.json["detail"]
        assert made.rollouts.state("shop").source == "file"


async def test_a_percentage_that_the_hash_can_not_take_is_422(tmp_path: Path) -> None:
    """Some schemes have whole percentages only."""
    async with desk(tmp_path, GOOD.replace("percent: 5", "percent: 5, hash: md5_mod100")) as (_, client):
        refused = await client.put(PERCENT, json={"percent": 1.5})

        assert (refused.status, refused.json["field"]) == (422, "percent")


async def test_set_but_not_yet_in_force_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked knows that a worker lags; asking again is harmless."""
    monkeypatch.setattr(control, "APPLY_SECONDS", 0)
    async with desk(tmp_path) as (made, client):
        made.applies = False

        assert (await client.put(PERCENT, json={"percent": 1})).status == 503
        assert made.rollouts.state("shop").percent == 1


async def test_without_a_store_nothing_is_set(tmp_path: Path) -> None:
    """What would not outlive a restart is refused: 503."""
    (tmp_path / "crossfade.db").mkdir()
    async with desk(tmp_path) as (made, client):
        assert (await client.put(PERCENT, json={"percent": 1})).status == 503
        assert made.rollouts.state("shop").percent == 5


# Plans.

PLAN = """
    start: manual
    cooldown: 1h
    retry: 2
    stages:
      - {percent: 5, hold: 10m, gates: ["error_rate < 1% for 1m"]}
      - {percent: 25, hold: 10m, approval: manual}
      - {percent: 100, hold: 10m}
"""
PLANNED = GOOD.replace("{shop: {key: client_ip, percent: 5}}", f"\n  shop:\n    key: client_ip{PLAN}")


def at(action: str) -> str:
    """Where the API has an action."""
    return f"/api/v1/rollouts/shop/{action}"


async def test_a_plan_that_nobody_has_started_shows_what_it_would_do(tmp_path: Path) -> None:
    """Its stages, but none that it is in."""
    async with desk(tmp_path, PLANNED) as (_, client):
        shown = (await client.get("/api/v1/rollouts/shop")).json

        assert (shown["state"], shown["percent"], shown["source"], shown["stage"]) == ("pending", 0, "plan", None)
        assert (shown["retries_left"], shown["cooldown_until"]) == (2, None)
        assert shown["stages"][1] == {"percent": 25, "cohorts": [], "hold_s": 600, "approval": True, "gates": []}
        assert shown["stages"][0]["gates"] == ["error_rate < 1% for 1m"]
        assert shown["rules"] == []
        assert {"kind": "gate", "when": "error_rate < 1% for 1m", "do": None} in shown["rules_at_rest"]


async def test_a_rule_is_at_rest_only_as_long_as_it_is_not_judged(tmp_path: Path) -> None:
    """Who sees no rule would think that nothing takes the rollout back."""
    async with desk(tmp_path) as (made, client):
        first, *others = (await client.get("/api/v1/rollouts/shop")).json["rules_at_rest"]
        assert others
        judgement = Judgement(rule=first["when"], verdict=Verdict.OK, reason="quiet")
        made.said = [RuleState("1", "guard", first["when"], first["do"], judgement)]
        assert (await client.get("/api/v1/rollouts/shop")).json["rules_at_rest"] == others


async def test_an_action_is_answered_with_what_came_of_it(tmp_path: Path) -> None:
    """In force in every worker, and in the audit log with its reason."""
    async with desk(tmp_path, PLANNED) as (made, client):
        answer = await client.post(at("start"), json={"reason": "monday"})

        assert (answer.status, answer.json["state"], answer.json["percent"]) == (200, "running", 5)
        assert answer.json["stage"] == {
            "index": 1,
            "of": 3,
            "percent": 5,
            "cohorts": [],
            "since": "2026-01-01T00:10:00.000Z",
            "hold_left_s": 600,
            "waits_for": ["hold"],
        }
        assert made.rollouts.table is not None
        assert made.rollouts.table.rollouts[0].percent == 5
        (event,) = (await client.get("/api/v1/events?rollout=shop")).json["items"]
        assert (event["kind"], event["reason"], event["to"]) == ("start", "monday", {"state": "running", "percent": 5})


async def test_a_plan_is_driven_to_its_end_and_back(tmp_path: Path) -> None:
    """Every action, without a body or with force."""
    async with desk(tmp_path, PLANNED.replace("rollout: shop}", "rollout: shop, shadow: {}}")) as (_, client):
        steps: list[tuple[str, Any]] = [
            ("start", None),
            ("pause", None),
            ("resume", None),
            ("promote", {"force": True}),
            ("step-back", None),
            ("rollback", {"to": "shadow"}),
            ("resume", {"force": True}),
        ]
        seen = []
        for action, wish in steps:
            answer = await client.post(at(action), **({} if wish is None else {"json": wish}))
            seen.append((answer.status, answer.json["state"], answer.json["percent"]))

        assert seen == [
            (200, "running", 5),
            (200, "paused", 5),
            (200, "running", 5),
            (200, "running", 25),
            (200, "running", 5),
            (200, "rolled_back", 0),
            (200, "running", 5),
        ]


async def test_a_rollback_says_until_when_it_cools_down(tmp_path: Path) -> None:
    """Before that only force resumes it: 409 with how long."""
    async with desk(tmp_path, PLANNED) as (_, client):
        back = (await client.post(at("rollback"))).json

        assert (back["state"], back["stage"], back["cooldown_until"]) == (
            "rolled_back",
            None,
            "2026-01-01T01:10:00.000Z",
        )
        refused = await client.post(at("resume"))
        assert refused.status == 409
        assert "1:00:00" in refused.json["detail"]


@pytest.mark.parametrize("action", ["pause", "resume", "promote", "step-back"])
async def test_an_action_that_does_not_fit_is_409(tmp_path: Path, action: str) -> None:
    """With the states that it takes."""
    async with desk(tmp_path, PLANNED) as (made, client):
        refused = await client.post(at(action), json={"force": True})

        assert refused.status == 409
        assert f"`shop` is pending: {action} is possible only when it is" in refused.json["detail"]
        assert made.rollouts.state("shop").state == "pending"


@pytest.mark.parametrize(
    ("wish", "field"), [({"to": "candidate"}, "to"), ({"force": "yes"}, "force"), ({"percent": 5}, "percent")]
)
async def test_an_action_takes_reason_force_and_to(tmp_path: Path, wish: Any, field: str) -> None:
    """Anything else is 422, and an unknown rollout 404."""
    async with desk(tmp_path, PLANNED) as (_, client):
        refused = await client.post(at("rollback"), json=wish)

        assert (refused.status, refused.json["field"]) == (422, field)
        assert (await client.post("/api/v1/rollouts/nowhere/rollback")).status == 404


async def test_a_stage_names_what_it_waits_for(tmp_path: Path) -> None:
    """Hold, gates that are not ok by their ids, and a person; rules come with their numbers."""
    async with desk(tmp_path, PLANNED) as (made, client):
        await client.post(at("start"))
        await client.post(at("promote"), json={"force": True})
        made.said = [
            RuleState(
                id="p95 < 300ms for 1m",
                kind="gate",
                when="p95 < 300ms for 1m",
                do=None,
                judgement=Judgement(
                    rule="p95 < 300ms for 1m",
                    verdict=Verdict.UNKNOWN,
                    reason="few_requests",
                    value=0.25,
                    bound=0.3,
                    candidate_requests=4,
                    baseline_requests=90,
                    needs=16,
                ),
            )
        ]

        shown = (await client.get("/api/v1/rollouts/shop")).json

        assert shown["stage"]["waits_for"] == ["hold", "p95 < 300ms for 1m", "approval"]
        assert shown["rules"] == [
            {
                "id": "p95 < 300ms for 1m",
                "kind": "gate",
                "when": "p95 < 300ms for 1m",
                "do": None,
                "route": None,
                "path": None,
                "verdict": "unknown",
                "reason": "few_requests",
                "value": 250,
                "bound": 300,
                "baseline": None,
                "requests": {"candidate": 4, "baseline": 90},
                "needs": 16,
            }
        ]


async def test_a_plan_that_stands_still_says_why(tmp_path: Path) -> None:
    """It is not its hold that an operator should wait for."""
    async with desk(tmp_path, PLANNED) as (_, client):
        await client.post(at("start"))

        paused = (await client.post(at("pause"))).json["stage"]["waits_for"]
        both = (await client.put(at("percent"), json={"percent": 3})).json["stage"]["waits_for"]
        await client.post(at("resume"))
        overridden = (await client.get("/api/v1/rollouts/shop")).json["stage"]["waits_for"]

        assert (paused, both, overridden) == (["resume"], ["unset", "resume"], ["unset"])


async def test_the_end_of_a_cooldown_stays_where_it_is(tmp_path: Path) -> None:
    """It is a time, not a distance."""
    async with desk(tmp_path, PLANNED) as (_, client):
        await client.post(at("start"))
        first = (await client.post(at("rollback"))).json["cooldown_until"]
        assert first is not None
        assert (await client.get("/api/v1/rollouts/shop")).json["cooldown_until"] == first


# Versions.


async def test_two_who_promote_at_once_move_one_stage(tmp_path: Path) -> None:
    """Each promotes what the page showed; the second is told where it is: 409."""
    async with desk(tmp_path, PLANNED) as (made, client):
        seen = (await client.post(at("start"))).json["version"]
        wish = {"force": True, "version": seen}
        answers = await asyncio.gather(*(client.post(at("promote"), json=wish) for _ in range(2)))

        done, refused = sorted(answers, key=lambda answer: answer.status)
        assert (done.status, done.json["version"], done.json["stage"]["index"]) == (200, seen + 1, 2)
        assert (refused.status, refused.json["detail"]) == (
            409,
            f"`shop` has moved on meanwhile: it is at version {seen + 1}, not {seen}; look again",
        )
        assert made.rollouts.state("shop").percent == 25
        assert (await client.get("/api/v1/status")).json["rollouts"][0]["version"] == seen + 1


async def test_a_percentage_is_set_and_unset_only_at_the_version_that_was_seen(tmp_path: Path) -> None:
    """A version that is none is 422."""
    async with desk(tmp_path) as (made, client):
        assert (await client.put(PERCENT, json={"percent": 20, "version": 1})).status == 409
        assert (await client.put(PERCENT, json={"percent": 20, "version": 0})).json["version"] == 1
        assert (await client.put(PERCENT, json={"percent": 50, "version": 0})).status == 409
        assert made.rollouts.state("shop").percent == 20
        assert (await client.delete(PERCENT, json={"version": 0})).status == 409
        assert (await client.delete(PERCENT, json={"version": -1})).json["field"] == "version"
        assert (await client.delete(PERCENT, json={"version": 1})).json["version"] == 2


async def test_a_rollback_is_not_refused_for_its_version(tmp_path: Path) -> None:
    """In an emergency nobody looks again."""
    async with desk(tmp_path, PLANNED) as (_, client):
        await client.post(at("start"))

        back = await client.post(at("rollback"), json={"version": 0})
        assert (back.status, back.json["state"]) == (200, "rolled_back")
