"""Hearing what is published in Redis, for as long as there is somebody at the other end.

A connection that nobody writes to looks the same whether the server has nothing to say or is gone. So it is asked when
it has been quiet for long; redis-py would go on listening, and come back by itself without saying what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gateway.store.server import CALL_SECONDS, SILENCE_SECONDS

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

QUIET_SECONDS: Final = 3.0
"""After so long it is asked whether it is still there."""


async def listen(client: Redis, channel: str, heard: Callable[[], None]) -> None:
    """Call ``heard`` once it listens, and then whenever something is published, until the connection breaks.

    Raises what redis-py raises, and TimeoutError when nobody answers.
    """
    async with client.pubsub() as subscription:
        async with asyncio.timeout(CALL_SECONDS):
            await subscription.subscribe(channel)
        while True:
            message = await _next(subscription)
            if message["type"] in ("subscribe", "message"):
                heard()


async def _next(subscription: PubSub) -> dict[str, Any]:
    """Whatever comes next, an answer to the question included."""
    message: dict[str, Any] | None = await subscription.get_message(timeout=QUIET_SECONDS)
    if message is None:
        async with asyncio.timeout(SILENCE_SECONDS):
            await subscription.ping()
        message = await subscription.get_message(timeout=SILENCE_SECONDS)
    if message is None:
        raise TimeoutError("nobody answers where it listens")
    return message
