"""Keys that rotate, go away, and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.control import token_keys
from gateway.control.token_keys import RETRY_SECONDS, KnownKeys, TokenKeys, show_source
from gateway.core.jwks import ASYMMETRIC, Jwk, read_own
from gateway.core.tokens import TokenPolicy
from gateway.core.types import Table
from gateway.errors import LinkError
from tests.control.outside import outside
from tests.core.asking import route, table
from tests.core.signing import make_key, publish

FIRST, SECOND = publish(make_key()).decode(), publish(make_key(kid="second")).decode()


class Memory:
    """Outlives who writes into it."""

    def __init__(self) -> None:
        self.kept: KnownKeys | None = None

    def put(self, kept: KnownKeys) -> None:
        self.kept = kept

    def newest(self) -> KnownKeys | None:
        return self.kept


class Gateway:
    """A table in force, and the keys that belong to it."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self.keys = TokenKeys(self.memory, self.renew)
        self.published: list[Table] = []

    def renew(self, change: Callable[[Table], Table]) -> None:
        self.published.append(change(self.published[-1]))

    async def take(self, source: str, keys: tuple[Jwk, ...] = (), refresh_seconds: float = 600.0) -> None:
        """As a configuration that says so is put in force."""
        policy = TokenPolicy(source, ASYMMETRIC, keys, refresh_seconds=refresh_seconds)
        compiled = msgspec.structs.replace(table(route()), tokens=policy)
        await self.keys.prepare(compiled)
        self.published.append(self.keys.lay_over(compiled))
        self.keys.follow(self.published[-1].tokens)

    async def refresh(self) -> list[str]:
        """Ask once; what the log says."""
        assert self.keys.tokens is not None
        with capture_logs() as logs:
            await self.keys.refresh(self.keys.tokens)
        return [log["event"] for log in logs]

    @property
    def names(self) -> list[str | None]:
        """Of the keys in force."""
        tokens = self.published[-1].tokens
        assert tokens is not None
        assert self.keys.tokens == tokens
        return [key.kid for key in tokens.keys]


async def test_keys_are_had_before_they_are_wanted() -> None:
    """The first table that wants tokens verified has what that takes."""
    gateway = Gateway()
    async with outside(text=FIRST) as server:
        await gateway.take(server.url)

    assert gateway.names == ["first"]
    assert len(gateway.published) == 1


async def test_a_rotation_is_published_once() -> None:
    """The same table with other keys, and nothing when they are the same."""
    gateway = Gateway()
    async with outside(text=FIRST) as server:
        await gateway.take(server.url)
        assert await gateway.refresh() == []
        server.text = SECOND
        assert await gateway.refresh() == ["jwks_refreshed"]
        assert await gateway.refresh() == []

    before, after = gateway.published
    assert gateway.names == ["second"]
    assert msgspec.structs.replace(after, tokens=before.tokens) == before


@pytest.mark.parametrize("answer", [{"status": 500}, {"text": "rubbish"}, {"text": '{"keys": []}'}])
async def test_a_bad_answer_changes_nothing(answer: dict[str, object]) -> None:
    """It is said once, and once more when all is well."""
    gateway = Gateway()
    async with outside(text=FIRST) as server:
        await gateway.take(server.url)
        for name, value in answer.items():
            setattr(server, name, value)
        said = [await gateway.refresh(), await gateway.refresh()]
        server.status, server.text = 200, FIRST
        said.append(await gateway.refresh())

    assert said == [["jwks_unavailable"], [], ["jwks_refreshed"]]
    assert gateway.names == ["first"]
    assert len(gateway.published) == 1


async def test_a_url_that_is_away_from_the_start_gives_no_keys() -> None:
    """Until it is there; the reason can be read meanwhile."""
    gateway = Gateway()
    async with outside(status=503) as server:
        with capture_logs() as logs:
            await gateway.take(server.url)
        assert [(log["event"], log["effect"]) for log in logs] == [
            ("jwks_unavailable", "no token is believed until there are keys")
        ]
        assert gateway.names == []
        assert gateway.keys.fault == "it answered 503"

        server.status, server.text = 200, FIRST
        await gateway.refresh()

    assert gateway.names == ["first"]
    assert gateway.keys.fault == ""


async def test_the_next_controller_knows_what_this_one_knew() -> None:
    """Also while the URL is away: nobody waits, and no user changes arms."""
    memory = Memory()
    async with outside(text=FIRST) as server:
        await Gateway(memory).take(server.url)
    successor = Gateway(memory)
    await successor.take(server.url)

    assert successor.names == ["first"]
    assert await successor.refresh() == ["jwks_unavailable"]
    assert successor.names == ["first"]


async def test_the_keys_of_one_url_are_not_anothers() -> None:
    """Whoever changes the place wants other keys."""
    gateway = Gateway()
    async with outside(text=FIRST) as server:
        await gateway.take(server.url)
    async with outside(status=500) as other:
        await gateway.take(other.url)
        assert gateway.names == []
        other.status, other.text = 200, SECOND
        await gateway.refresh()

    assert gateway.names == ["second"]


async def test_a_file_is_followed(tmp_path: Path) -> None:
    """Its content counts; what can't be used changes nothing."""
    path = tmp_path / "keys.json"
    path.write_text(FIRST)
    gateway = Gateway()
    await gateway.take(str(path), read_own(path.read_bytes(), ASYMMETRIC))
    said = [await gateway.refresh()]
    for content in ("{", "{", SECOND):
        path.write_text(content)
        said.append(await gateway.refresh())

    assert said == [[], ["jwks_unavailable"], [], ["jwks_refreshed"]]
    assert gateway.names == ["second"]


async def test_a_file_that_broke_while_no_controller_looked_is_remembered(tmp_path: Path) -> None:
    """The configuration is recovered without its keys then; those that were known last count."""
    path, memory = tmp_path / "keys.json", Memory()
    path.write_text(FIRST)
    gateway = Gateway(memory)
    await gateway.take(str(path), read_own(path.read_bytes(), ASYMMETRIC))
    path.write_text(SECOND)
    await gateway.refresh()
    path.write_text("{")
    successor = Gateway(memory)
    await successor.take(str(path))

    assert successor.names == ["second"]
    assert await successor.refresh() == ["jwks_unavailable"]


async def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    """Another configuration is in force by then."""
    gateway = Gateway()
    async with outside(text=FIRST) as server, outside(text=SECOND) as other:
        await gateway.take(server.url)
        former = gateway.keys.tokens
        assert former is not None
        await gateway.take(other.url)
        server.text = FIRST.replace("first", "third")
        await gateway.keys.refresh(former)

    assert gateway.names == ["second"]


async def test_a_table_to_come_does_not_disturb_the_one_in_force() -> None:
    """While another URL is asked, and after it was refused, all is as it was."""
    gateway = Gateway()
    async with outside(text=FIRST) as server, outside(status=500) as other:
        await gateway.take(server.url)
        policy = TokenPolicy(other.url, ASYMMETRIC)
        await gateway.keys.prepare(msgspec.structs.replace(table(route()), tokens=policy))

        assert gateway.keys.fault == ""
        assert gateway.keys._pause_seconds() == 600.0
        assert await gateway.refresh() == []
        await gateway.take(server.url)

    assert gateway.names == ["first"]
    assert len(server.questions) == 2


async def test_keys_that_no_link_carries_are_said() -> None:
    """And what is in force stays."""
    gateway = Gateway()

    def refuse(_change: object) -> None:
        raise LinkError("too large")

    async with outside(text=FIRST) as server:
        await gateway.take(server.url)
        gateway.keys._renew = refuse
        server.text = SECOND
        assert await gateway.refresh() == ["jwks_refreshed", "jwks_refused"]

    assert gateway.names == ["first"]


async def test_who_is_away_is_asked_less_and_less_often() -> None:
    """Twice the pause each time, up to what is asked for anyway; from the beginning after the next outage."""
    gateway = Gateway()
    async with outside(status=500) as server:
        await gateway.take(server.url, refresh_seconds=35.0)
        pauses = [gateway.keys._pause_seconds()]
        for _ in range(3):
            await gateway.refresh()
            pauses.append(gateway.keys._pause_seconds())
        server.status, server.text = 200, FIRST
        await gateway.refresh()
        pauses.append(gateway.keys._pause_seconds())
        server.status = 500
        await gateway.refresh()
        pauses.append(gateway.keys._pause_seconds())

    assert pauses == [RETRY_SECONDS, 20.0, 35.0, 35.0, 35.0, RETRY_SECONDS]


async def test_it_asks_again_and_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is remembered, at once; then as often as the configuration wants; a file as often as we like."""
    monkeypatch.setattr(token_keys, "LOOK_SECONDS", 0.0)
    memory = Memory()
    async with outside(text=FIRST) as server:
        memory.put(KnownKeys(server.url, ()))
        gateway = Gateway(memory)
        running = asyncio.create_task(gateway.keys.run())
        assert gateway.keys._pause_seconds() is None
        await gateway.take(server.url, refresh_seconds=0.001)
        async with asyncio.timeout(30):
            while len(server.questions) < 3:
                await asyncio.sleep(0)
        assert gateway.names == ["first"]
        gateway.keys.follow(None)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def test_a_query_is_not_shown() -> None:
    """It could be a secret."""
    assert show_source("https://id.example/keys?code=secret") == "https://id.example/keys"
    assert show_source("/etc/what?.json") == "/etc/what?.json"
