"""The admin API over HTTP: who is let in, and what comes back when a call can't be answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.admin import api
from tests.admin.desk import desk

OPEN = """\
version: 1
admin: {listen: 127.0.0.1:0, token: "${TOKEN:-}", metrics: open}
backends: {legacy: http://127.0.0.1:1}
routes: [{name: shop, match: /**, backend: legacy}]
"""


async def test_a_token_is_asked_for(tmp_path: Path) -> None:
    """401 as a problem document, with how to do better; probes stay free."""
    async with desk(tmp_path, TOKEN="secret") as (_, client):
        refused = await client.get("/api/v1/config")

        assert (refused.status, refused.content_type) == (401, "application/problem+json")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.json["title"] == "Unauthorized"
        assert (await client.get("/healthz")).status == 200
        shown = await client.post("/api/v1/config/reload", headers={"Authorization": "Bearer secret"})
        assert shown.status == 200


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/status", "/api/v1/stream", "/metrics", "/nowhere"])
async def test_each_answer_says_that_it_is_the_admin_apis(tmp_path: Path, path: str) -> None:
    """Refusals, too; and nothing says with which library it was made."""
    async with desk(tmp_path, TOKEN="secret") as (_, client):
        for headers in ({}, {"Authorization": "Bearer secret"}):
            answer = await client.ask("HEAD", path, headers=headers)

            assert answer.headers["X-Crossfade-Admin"] == "v1"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Server" not in answer.headers


async def test_a_token_that_is_not_text_is_a_wrong_one(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 get the answer that any other wrong token gets."""
    async with desk(tmp_path, TOKEN="secret") as (made, _):
        reader, writer = await asyncio.open_connection(*made.listening.getsockname())
        writer.write(b"GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"application/problem+json" in head


async def test_a_fault_of_the_guards_is_a_problem_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let in by it, and the answer has the shape of every other error."""
    monkeypatch.setattr(api, "refusal", lambda *_: 1 / 0)
    async with desk(tmp_path) as (_, client):
        answer = await client.session.get("/api/v1/config")

        assert (answer.status, answer.content_type) == (500, "application/problem+json")


@pytest.mark.parametrize("path", ["/openapi.json", "/metrics", "/api/v1/status", "/api/v1/stream", "/nowhere"])
async def test_nothing_but_probes_is_free(tmp_path: Path, path: str) -> None:
    """What exists is nobody's business without the token."""
    async with desk(tmp_path, TOKEN="secret") as (_, client):
        assert (await client.get(path)).status == 401


async def test_open_metrics_need_no_token(tmp_path: Path) -> None:
    """With `admin.metrics: open` a scraper asks by any name and without the token; nothing else is free with them."""
    async with desk(tmp_path, OPEN, TOKEN="secret") as (_, client):
        assert (await client.get("/metrics", headers={"Host": "10.0.0.7:9900"})).status == 200
        assert (await client.get("/api/v1/status")).status == 401


async def test_a_rebound_name_is_refused(tmp_path: Path) -> None:
    """A web page can't read the configuration through its visitor's browser."""
    async with desk(tmp_path) as (_, client):
        assert (await client.get("/api/v1/config", headers={"Host": "evil.example"})).status == 403


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/config/reload"), ("PUT", "/api/v1/rollouts/shop/percent")]
)
async def test_a_page_of_another_site_changes_nothing(tmp_path: Path, method: str, path: str) -> None:
    """What a browser marks as cross-site is refused, whatever it brings."""
    async with desk(tmp_path) as (made, client):
        headers = {"Sec-Fetch-Site": "cross-site"}
        refused = await client.ask(method, path, json={"percent": 90}, headers=headers)

        assert refused.status == 403
        assert made.rollouts.state("shop").percent == 5


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/no%0Awhere", 404, "there is nothing at /no%0Awhere; /openapi.json lists what there is"),
        ("PATCH", "/api/v1/config", 405, "/api/v1/config does not take PATCH; it takes GET, HEAD"),
        ("POST", "/api/v1/config/reload/now", 404, "there is nothing at /api/v1/config/reload/now; "),
    ],
)
async def test_what_is_not_there_is_a_problem_document(
    tmp_path: Path, method: str, path: str, status: int, detail: str
) -> None:
    """Every error has the same shape, and says what there is instead; a wrong method comes with the right ones."""
    async with desk(tmp_path) as (_, client):
        answer = await client.ask(method, path)

        assert (answer.status, answer.json["status"]) == (status, status)
        assert answer.json["detail"].startswith(detail)
        assert answer.headers.get("Allow") == ("GET,HEAD" if status == 405 else None)


async def test_what_can_be_got_can_be_asked_for_by_its_head(tmp_path: Path) -> None:
    """HEAD has the headers of GET, and no body."""
    async with desk(tmp_path) as (_, client):
        for path in ("/healthz", "/metrics", "/openapi.json", "/api/v1/status", "/api/v1/paths", "/api/v1/stream"):
            answer = await client.ask("HEAD", path)

            assert (answer.status, answer.text) == (200, ""), path


async def test_a_fault_of_ours_is_a_500_that_tells_nothing(tmp_path: Path) -> None:
    """The log has the traceback; the caller has not."""
    async with desk(tmp_path) as (made, client):
        made.file = None  # type: ignore[assignment]
        answer = await client.post("/api/v1/config/reload")

        assert answer.status == 500
        assert "AttributeError" not in answer.text


async def test_nobody_keeps_an_answer(tmp_path: Path) -> None:
    """What is shown is of this moment."""
    async with desk(tmp_path) as (_, client):
        answers = await asyncio.gather(*(client.get(path) for path in ("/api/v1/status", "/metrics", "/openapi.json")))

        assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
