"""Scripts run wherever the URL leads to, whether the server has them yet or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.core.store_urls import RedisUrl, parse_store
from gateway.store.scripts import script
from gateway.store.server import KEYS, Server
from tests.store.servers import RedisServer


def serve(url: str) -> Server:
    """The servers behind a URL."""
    found = parse_store(url)
    assert isinstance(found, RedisUrl)
    return Server(found)


@pytest.mark.parametrize("kind", ["redis", "rediss", "redis+sentinel", "redis+cluster"])
async def test_a_script_runs_on_every_kind(kind: str, url_of: Callable[[str], str]) -> None:
    """Again and again."""
    server = serve(url_of(kind))

    assert [await server.run("open") for _ in range(2)] == [[b"ok", 0]] * 2
    await server.close()


async def test_a_script_that_the_server_has_lost_is_sent_again(
    redis: RedisServer, url_of: Callable[[str], str]
) -> None:
    """As after its restart; then it is known by its name."""
    server = serve(url_of("redis"))
    await server.run("open")
    redis.ask("SCRIPT", "FLUSH")

    assert await server.run("open") == [b"ok", 0]
    assert redis.ask("SCRIPT", "EXISTS", script("open").sha) == [1]
    await server.close()


def test_all_keys_are_in_one_slot() -> None:
    """The prefix, in braces, is what a cluster places them by."""
    server = serve("redis://db?prefix=shop")

    assert {server.key(name).partition("}")[0] for name in KEYS} == {"{shop"}


def test_the_prelude_names_the_keys_in_their_order() -> None:
    """What Python passes by place, Lua takes by place."""
    head = script("open").text.partition("local prefix")[0]
    named = ",".join(line.partition("local ")[2].partition(" = ")[0] for line in head.splitlines() if "KEYS[" in line)

    assert tuple(name.strip().replace("_", "-") for name in named.split(",")) == KEYS
