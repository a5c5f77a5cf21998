"""The servers behind a ``redis`` URL, as one place where scripts run.

One server, what Sentinels point to, or a cluster: redis-py follows a failover with the next connection. Nothing is
tried for long. A server that is silent costs a call a second, one whose name or Sentinels have to be found three at the
most; whoever called decides whether to call again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from gateway.core.store_urls import RedisUrl
from gateway.store.scripts import script

SILENCE_SECONDS: Final = 1.0
"""How long a connection, and an answer on it, may take."""
CALL_SECONDS: Final = 3.0
"""How long a call may take, with finding out where to."""
_CLUSTER_RETRIES: Final = 1
"""Where a slot has moved is found out by trying."""
_AT_ONCE: Final = {"retry": Retry(NoBackoff(), 0)}
"""What fails, fails at once."""
_PAGE: Final = 100

Argument = str | bytes | int | float

KEYS: Final = (
    "about",
    "progress",
    "versions",
    "events",
    "newest",
    "incidents",
    "incident-ids",
    "incident-rollouts",
    "mismatches",
    "mismatches-seen",
    "last",
    "replicas",
    "replicas-seen",
    "lease",
    "reports",
    "sums",
    "verdicts",
)
"""In the order in which `prelude.lua` names them. Beside them there is ``events:NAME`` for each rollout."""


class _Client(Protocol):
    async def execute_command(self, *args: Any, **options: Any) -> Any: ...

    async def aclose(self) -> None: ...


class Server:
    """See the module. Its methods raise what redis-py raises, and OSError."""

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        self._prefix = f"{{{url.prefix}}}"
        self._keys = tuple(self.key(name) for name in KEYS)
        self._client, self._sentinels = _connect(url)

    def key(self, name: str) -> str:
        """A key with its prefix."""
        return f"{self._prefix}:{name}"

    async def run(self, name: str, *args: Argument) -> Any:
        """What a script answers."""
        found = script(name)
        rest = (len(self._keys), *self._keys, self._prefix, *args)
        async with asyncio.timeout(CALL_SECONDS):
            try:
                answer = await self._client.execute_command("EVALSHA", found.sha, *rest)
            except NoScriptError:
                answer = await self._client.execute_command("EVAL", found.text, *rest)
        _heed_cancellation()
        return answer

    async def ask(self, *command: Argument) -> Any:
        """What a command answers."""
        async with asyncio.timeout(CALL_SECONDS):
            answer = await self._client.execute_command(*command)
        _heed_cancellation()
        return answer

    async def scan(self, name: str) -> AsyncIterator[dict[bytes, bytes]]:
        """A large hash, in pages. What does not change meanwhile comes at least once."""
        cursor = 0
        while True:
            cursor, page = await self.ask("HSCAN", self.key(name), cursor, "COUNT", _PAGE)
            yield page
            if not int(cursor):
                return

    @asynccontextmanager
    async def opened_listener(self) -> AsyncIterator[Redis]:
        """A client that can hear what is published: in a cluster each of its nodes does."""
        if isinstance(self._client, Redis):
            yield self._client
            return
        assert isinstance(self._client, RedisCluster)  # noqa: S101 - there is no third
        async with asyncio.timeout(CALL_SECONDS):
            await self._client.initialize()
        node = self._client.get_node_from_key(self.key("about")) or self._client.get_random_node()
        async with Redis(host=node.host, port=int(node.port), **_options_of(self._url) | _AT_ONCE) as client:
            yield client

    async def close(self) -> None:
        """Let go of all connections."""
        for client in (self._client, *self._sentinels):
            await client.aclose()


def _heed_cancellation() -> None:
    """End the task, if that was asked for meanwhile: below Python 3.11.3 redis-py may swallow it (async_timeout)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _connect(url: RedisUrl) -> tuple[_Client, list[_Client]]:
    """The client, and those of the Sentinels that it asks. Nothing is sent yet."""
    if url.is_cluster:
        nodes = [ClusterNode(host, port) for host, port in url.nodes]
        retry = Retry(NoBackoff(), _CLUSTER_RETRIES)
        return RedisCluster(startup_nodes=nodes, retry=retry, **_options_of(url)), []
    options = _options_of(url) | _AT_ONCE | {"db": url.database}
    if url.service:
        login = {"username": None, "password": None} | dict(url.sentinel)
        asked = options | {"db": 0} | login
        sentinel = Sentinel(url.nodes, sentinel_kwargs=asked, **options)  # type: ignore[no-untyped-call]
        return sentinel.master_for(url.service), list(sentinel.sentinels)
    ((host, port),) = url.nodes
    return Redis(host=host, port=port, **options), []


def _options_of(url: RedisUrl) -> dict[str, Any]:
    return {
        "username": url.username or None,
        "password": url.password or None,
        "ssl": url.is_tls,
        "socket_timeout": SILENCE_SECONDS,
        "socket_connect_timeout": SILENCE_SECONDS,
        "protocol": 2,  # nothing of the third is needed
        "client_name": "crossfade",
        **url.tls,
    }
