"""The admin API over HTTP, with the real parts behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from gateway.admin import api
from gateway.control.configuration import Configuration
from gateway.control.roster import Roster
from gateway.core.types import Table
from gateway.runtime.sockets import open_single, show_address
from tests.control.texts import BROKEN, GOOD, OTHER, source


class Desk:
    """An API that answers, with a worker whose diligence is ours to decide."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.file = GOOD
        self.roster = Roster(1)
        self.applies = True
        self._seat = self.roster.joined(0, pid=1, revision="")
        self.configuration = Configuration(source(folder, **env), self._publish, lambda _accepted: None)
        self.listening = open_single("127.0.0.1", 0)
        self.url = f"http://{show_address(self.listening)}"

    async def reload(self) -> bool:
        """Read "the file"."""
        return await self.configuration.take(self.file.encode(), datetime(2026, 1, 1, tzinfo=UTC))

    def _publish(self, table: Table) -> None:
        self.roster.published(self.roster.newest + 1, table.revision)
        if self.applies:
            self.roster.applied(self._seat, self.roster.newest)


@asynccontextmanager
async def desk(folder: Path, **env: str) -> AsyncIterator[tuple[Desk, aiohttp.ClientSession]]:
    """A desk, and someone who asks."""
    made = Desk(folder, **env)
    runner = await api.serve(api.Control(made.configuration, made.roster, made.reload), made.listening)
    async with aiohttp.ClientSession(made.url) as client:
        yield made, client
    await runner.cleanup()


async def test_before_the_first_configuration_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    """An orchestrator waits, and does not kill."""
    async with desk(tmp_path) as (_, client):
        assert (await client.get("/healthz")).status == 200
        ready = await client.get("/readyz")
        assert (ready.status, (await ready.json())["reasons"]) == (503, ["no configuration has been compiled yet"])
        assert (await client.get("/api/v1/config")).status == 503


async def test_reload_answers_with_what_is_in_force(tmp_path: Path) -> None:
    """200 and the view; then it is ready."""
    async with desk(tmp_path) as (made, client):
        answer = await client.post("/api/v1/config/reload")

        assert (answer.status, (await answer.json())["yaml"]) == (200, GOOD)
        assert (await client.get("/readyz")).status == 200
        made.file = OTHER
        assert (await (await client.post("/api/v1/config/reload")).json())["yaml"] == OTHER


async def test_reload_of_a_broken_file_is_422_with_the_problems(tmp_path: Path) -> None:
    """And what is in force stays."""
    async with desk(tmp_path) as (made, client):
        await made.reload()
        made.file = BROKEN
        answer = await client.post("/api/v1/config/reload")
        view = await answer.json()

        assert (answer.status, view["yaml"], view["last_reload_ok"]) == (422, GOOD, False)
        assert view["problems"][0]["path"] == "rollouts.shop.percent"


async def test_reload_says_when_a_worker_lags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted is not applied: 503, with the worker's number."""
    monkeypatch.setattr(api, "APPLY_SECONDS", 0)
    async with desk(tmp_path) as (made, client):
        made.applies = False
        answer = await client.post("/api/v1/config/reload")

        assert answer.status == 503
        assert (await answer.json())["detail"] == "worker 0 does not serve the newest table yet"


async def test_validate_says_what_is_wrong_and_touches_nothing(tmp_path: Path) -> None:
    """The same judgement as a reload's, without its effects."""
    async with desk(tmp_path) as (made, client):
        good = await client.post("/api/v1/config/validate", data=GOOD.encode())
        bad = await client.post("/api/v1/config/validate", data=BROKEN.encode())
        binary = await client.post("/api/v1/config/validate", data=b"\xff\xfe")

        assert (await good.json())["ok"] is True
        assert [problem["path"] for problem in (await bad.json())["problems"]] == ["rollouts.shop.percent"]
        assert "UTF-8" in (await binary.json())["problems"][0]["message"]
        assert made.configuration.accepted is None


async def test_a_token_is_asked_for(tmp_path: Path) -> None:
    """401 as a problem document, with how to do better; probes stay free."""
    async with desk(tmp_path, TOKEN="secret") as (_, client):
        refused = await client.get("/api/v1/config")

        assert refused.status == 401
        assert refused.content_type == "application/problem+json"
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert (await refused.json())["title"] == "Unauthorized"
        assert (await client.get("/healthz")).status == 200
        shown = await client.post("/api/v1/config/reload", headers={"Authorization": "Bearer secret"})
        assert shown.status == 200


async def test_a_rebound_name_is_refused(tmp_path: Path) -> None:
    """A web page can't read the configuration through its visitor's browser."""
    async with desk(tmp_path) as (_, client):
        assert (await client.get("/api/v1/config", headers={"Host": "evil.example"})).status == 403


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/api/v1/config", 405)])
async def test_what_is_not_there_is_a_problem_document(tmp_path: Path, method: str, path: str, status: int) -> None:
    """Every error has the same shape."""
    async with desk(tmp_path) as (_, client):
        answer = await client.request(method, path)

        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert (await answer.json())["status"] == status
        assert ("Allow" in answer.headers) == (status == 405)


async def test_a_fault_of_ours_is_a_500_that_tells_nothing(tmp_path: Path) -> None:
    """The log has the traceback; the caller has not."""
    async with desk(tmp_path) as (made, client):
        made.file = None  # type: ignore[assignment]
        answer = await client.post("/api/v1/config/reload")

        assert answer.status == 500
        assert "AttributeError" not in await answer.text()


async def test_an_oversized_body_is_413(tmp_path: Path) -> None:
    """Nobody fills the controller's memory."""
    async with desk(tmp_path) as (_, client):
        answer = await client.post("/api/v1/config/validate", data=BytesIO(bytes(api.BODY_LIMIT_BYTES + 1)))

        assert (answer.status, answer.content_type) == (413, "application/problem+json")
