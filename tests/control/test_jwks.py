"""Asking for keys, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.control import jwks
from gateway.control.jwks import ask_keys
from gateway.core.jwks import ASYMMETRIC
from gateway.core.tokens import TokenPolicy
from gateway.errors import KeysUnavailable
from tests.control.outside import Outside, outside
from tests.core.signing import make_key, publish, secret_key

KEYS = publish(make_key(), make_key(kid="second")).decode()


async def ask(source: str) -> list[str | None]:
    """The names of the keys."""
    return [key.kid for key in await ask_keys(TokenPolicy(source, ASYMMETRIC))]


async def fault_of(server: Outside) -> str:
    """Why there are none."""
    with pytest.raises(KeysUnavailable) as caught:
        await ask(server.url)
    return str(caught.value)


async def test_a_url_has_keys() -> None:
    """Whatever it calls them; and it is told what we take."""
    async with outside(text=KEYS, content_type="text/html") as server:
        assert await ask(f"{server.url}/keys?tenant=a") == ["first", "second"]

    (question,) = server.questions
    assert (question.method, question.path) == ("GET", "/keys?tenant=a")
    assert question.headers["Accept"].startswith("application/jwk-set+json")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"status": 404}, "it answered 404"),
        ({"status": 204}, "it answered 204"),
        ({"text": "<html>"}, "is not a JWK Set"),
        ({"text": '{"keys": []}'}, "has no key that verifies"),
        ({"text": publish(secret_key()).decode()}, "has no key that verifies"),
        ({"text": " " * (256 * 1024) + KEYS}, "is larger than 256 KiB"),
        ({"status": 302, "headers": {"Location": "https://127.0.0.1:1/"}}, "it redirects from http to https"),
        ({"status": 302, "headers": {"Location": "file:///etc/passwd"}}, "it redirects from http to file"),
        ({"status": 302, "headers": {"Location": "/again"}}, "it redirects again and again"),
    ],
)
async def test_what_is_no_set_is_not_taken(answer: dict[str, object], fault: str) -> None:
    """And it is said why."""
    async with outside(**answer) as server:
        assert fault in await fault_of(server)


async def test_a_redirect_is_followed() -> None:
    """By the same scheme."""
    async with outside(text=KEYS) as target, outside(status=301, headers={"Location": f"{target.url}/k"}) as server:
        assert await ask(server.url) == ["first", "second"]


async def test_nobody_there() -> None:
    """A refused connection is said in words."""
    async with outside() as server:
        pass

    assert "Cannot connect" in await fault_of(server)


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for one who takes the question and says nothing."""
    monkeypatch.setattr(jwks, "ASK_SECONDS", 0.05)
    asked = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_get("/", hang)
    async with TestServer(app) as server:
        with pytest.raises(KeysUnavailable, match=r"no answer within 0\.05 s"):
            await ask(str(server.make_url("/")))


async def test_a_file_has_keys(tmp_path: Path) -> None:
    """As it is now; one that is gone is said to be."""
    path = tmp_path / "keys.json"
    path.write_text(KEYS)

    assert await ask(str(path)) == ["first", "second"]
    path.unlink()
    with pytest.raises(KeysUnavailable, match="there is no such file"):
        await ask(str(path))
