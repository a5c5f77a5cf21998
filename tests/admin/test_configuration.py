"""The configuration over the API."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from gateway.admin import control
from gateway.admin.configuration import ConfigView, ProblemView, view_problems
from gateway.admin.questions import TEXT_LIMIT_BYTES
from gateway.errors import Problem
from tests.admin.desk import desk
from tests.control.texts import BROKEN, GOOD, OTHER


def test_the_configurations_fields_are_those_of_the_contract() -> None:
    """Fields may be added, never renamed."""
    assert [field.name for field in msgspec.structs.fields(ConfigView)] == [
        "revision",
        "loaded_at",
        "file",
        "yaml",
        "last_reload_ok",
        "problems",
        "waits_for_restart",
        "refused_yaml",
    ]


def test_a_problem_has_its_place() -> None:
    """An editor can jump to it."""
    assert view_problems([Problem(3, 7, "routes.0", "bad")]) == [ProblemView(3, 7, "routes.0", "bad")]


async def test_before_the_first_configuration_there_is_none_to_show(tmp_path: Path) -> None:
    """503: it comes."""
    async with desk(tmp_path, None) as (_, client):
        assert (await client.get("/api/v1/config")).status == 503


async def test_what_is_in_force_is_shown(tmp_path: Path) -> None:
    """Times in RFC 3339, the text unexpanded: secrets stay in the environment."""
    async with desk(tmp_path, TOKEN="x") as (_, client):
        view = (await client.get("/api/v1/config", headers={"Authorization": "Bearer x"})).json

        assert (view["loaded_at"], view["yaml"], view["problems"]) == ("2026-01-01T00:10:00.000Z", GOOD, [])
        assert view["file"] == str(tmp_path / "gateway.yaml")


async def test_a_secret_that_the_file_holds_is_not_shown(tmp_path: Path) -> None:
    """Not when it is asked for, and not in the answer to a reload."""
    text = GOOD + "notify: [{url: json://hooks/hunter2}]\n"
    async with desk(tmp_path, text) as (_, client):
        for view in (await client.get("/api/v1/config"), await client.post("/api/v1/config/reload")):
            assert view.json["yaml"] == GOOD + 'notify: [{url: "***"}]\n'


async def test_reload_answers_with_what_is_in_force(tmp_path: Path) -> None:
    """200 and the view; then it is ready."""
    async with desk(tmp_path, None) as (made, client):
        answer = await client.post("/api/v1/config/reload")

        assert (answer.status, answer.json["yaml"]) == (200, GOOD)
        assert (await client.get("/readyz")).status == 200
        made.file = OTHER
        assert (await client.post("/api/v1/config/reload")).json["yaml"] == OTHER


async def test_reload_of_a_broken_file_is_422_with_the_problems(tmp_path: Path) -> None:
    """And what is in force stays."""
    async with desk(tmp_path) as (made, client):
        made.file = BROKEN
        answer = await client.post("/api/v1/config/reload")

        assert (answer.status, answer.json["yaml"], answer.json["last_reload_ok"]) == (422, GOOD, False)
        assert answer.json["problems"][0]["path"] == "rollouts.shop.percent"
        assert (await client.get("/api/v1/config")).json["last_reload_ok"] is False


async def test_a_refused_text_is_shown_until_a_good_one_comes(tmp_path: Path) -> None:
    """Problems are told by its lines, which are not those of what is in force."""
    async with desk(tmp_path) as (made, client):
        assert (await client.get("/api/v1/config")).json["refused_yaml"] is None
        made.file = BROKEN + "notfy: [{url: json://hooks/hunter2}]\n"
        answer = await client.post("/api/v1/config/reload")

        assert answer.json["refused_yaml"] == BROKEN + 'notfy: [{url: "***"}]\n'
        made.file = OTHER
        assert (await client.post("/api/v1/config/reload")).json["refused_yaml"] is None


async def test_reload_says_when_a_worker_lags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted is not applied: 503, with the worker's number."""
    monkeypatch.setattr(control, "APPLY_SECONDS", 0)
    async with desk(tmp_path) as (made, client):
        made.applies, made.file = False, OTHER
        answer = await client.post("/api/v1/config/reload")

        assert (answer.status, answer.json["detail"]) == (503, "worker 0 does not serve the newest table yet")


async def test_a_text_is_tried_without_touching_anything(tmp_path: Path) -> None:
    """Good, broken, or no text at all; whatever its content type says."""
    async with desk(tmp_path) as (made, client):
        good = await client.post("/api/v1/config/validate", data=OTHER)
        broken = await client.post("/api/v1/config/validate", data=BROKEN, headers={"Content-Type": "application/yaml"})
        binary = await client.post("/api/v1/config/validate", data=b"\xff")

        assert (good.status, good.json["ok"], good.json["problems"]) == (200, True, [])
        assert [problem["path"] for problem in broken.json["problems"]] == ["rollouts.shop.percent"]
        assert "UTF-8" in binary.json["problems"][0]["message"]
        assert made.rollouts.state("shop").percent == 5


async def test_an_oversized_text_is_413(tmp_path: Path) -> None:
    """Nobody fills the controller's memory."""
    async with desk(tmp_path) as (_, client):
        answer = await client.post("/api/v1/config/validate", data=BytesIO(bytes(TEXT_LIMIT_BYTES + 1)))

        assert answer.status == 413


async def test_a_draft_says_what_it_would_change(tmp_path: Path) -> None:
    """Routes and rollouts by name, and how many of the keys go where: as `crossfade diff` says it."""
    async with desk(tmp_path) as (_, client):
        draft = GOOD.replace("percent: 5", "percent: 20").replace("match: /**", "match: /shop/**")
        changes = (await client.post("/api/v1/config/validate", data=draft)).json["changes"]
        same = (await client.post("/api/v1/config/validate", data=GOOD)).json["changes"]
        broken = (await client.post("/api/v1/config/validate", data=BROKEN)).json["changes"]

    assert changes["routes"] == [{"name": "shop", "kind": "changed", "fields": ["match"]}]
    (shift,) = changes["rollouts"]
    assert (shift["percent_before"], shift["percent_after"], shift["to_baseline"]) == (5, 20, 0)
    assert 1300 < shift["to_candidate"] < 1700
    assert changes["keys"] == 10_000
    assert (same["routes"], same["rollouts"], broken) == ([], [], None)


async def test_a_draft_counts_from_where_the_users_are(tmp_path: Path) -> None:
    """An operator's percentage lies over the file's: nobody moves when only that changes."""
    async with desk(tmp_path) as (_, client):
        await client.put("/api/v1/rollouts/shop/percent", json={"percent": 50})
        changes = (await client.post("/api/v1/config/validate", data=OTHER)).json["changes"]

    (shift,) = changes["rollouts"]
    assert (shift["percent_before"], shift["percent_after"], shift["to_candidate"]) == (50, 50, 0)


async def test_before_the_first_configuration_a_draft_changes_nothing(tmp_path: Path) -> None:
    """There is nothing to hold it against."""
    async with desk(tmp_path, None) as (_, client):
        tried = (await client.post("/api/v1/config/validate", data=GOOD)).json

    assert (tried["ok"], tried["changes"]) == (True, None)
