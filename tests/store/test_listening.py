"""Who listens hears everything from the moment it is told that it does, or is told that it does not any more."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unconnected

from gateway.store import listening
from gateway.store.listening import listen
from tests.store.servers import RedisServer, running


class Listener:
    """Listens on one channel, and counts."""

    def __init__(self, server: RedisServer) -> None:
        self._client = Redis(port=server.port, retry=Retry(NoBackoff(), 0), protocol=2)
        self._heard: asyncio.Queue[None] = asyncio.Queue()
        self.listening = asyncio.ensure_future(listen(self._client, "moves", lambda: self._heard.put_nowait(None)))

    async def hear(self) -> None:
        """Wait for one."""
        await self._heard.get()

    async def close(self) -> None:
        """Listen no more."""
        self.listening.cancel()
        await asyncio.gather(self.listening, return_exceptions=True)
        await self._client.aclose()


@pytest.fixture
async def listener(redis: RedisServer) -> AsyncIterator[Listener]:
    """On a real server, listening."""
    made = Listener(redis)
    await made.hear()
    yield made
    await made.close()


async def test_what_is_published_is_heard(redis: RedisServer, listener: Listener) -> None:
    """Each of it, and nothing of other channels."""
    for channel in ("moves", "elsewhere", "moves"):
        redis.ask("PUBLISH", channel, "checkout 3")
    for _ in range(2):
        await listener.hear()

    assert listener._heard.empty()


async def test_who_hears_nothing_for_long_asks_and_goes_on(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has only nothing to say; and to be asked is nothing to be heard."""
    monkeypatch.setattr(listening, "QUIET_SECONDS", 0.005)
    redis.ask("CONFIG", "RESETSTAT")
    listener = Listener(redis)
    await listener.hear()
    while redis.ask("INFO", "commandstats").get("cmdstat_ping", {}).get("calls", 0) < 3:
        await asyncio.sleep(0.005)
    assert listener._heard.empty()

    redis.ask("PUBLISH", "moves", "checkout 3")
    await listener.hear()
    await listener.close()


async def test_a_connection_that_is_cut_ends_it(redis: RedisServer, listener: Listener) -> None:
    """As a master cuts them that has become a replica: whoever listened looks for the new one."""
    redis.ask("CLIENT", "KILL", "TYPE", "pubsub")

    with pytest.raises(Unconnected):
        await listener.listening


async def test_a_server_that_is_silent_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is still there, and looks like any other."""
    monkeypatch.setattr(listening, "QUIET_SECONDS", 0.25)
    monkeypatch.setattr(listening, "SILENCE_SECONDS", 0.25)  # while it lives it answers sooner, on whatever machine
    server = RedisServer(tmp_path)
    with running(server):
        listener = Listener(server)
        await listener.hear()
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError, match="nobody answers"):
            await listener.listening
        await listener.close()


def test_a_dead_server_is_noticed_within_five_seconds() -> None:
    """As the contract has it: until then moves come with the next beat."""
    assert listening.QUIET_SECONDS + listening.SILENCE_SECONDS < 5
