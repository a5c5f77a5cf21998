"""Active health checks: each endpoint is asked at its interval, by every worker for itself.

A worker that asked another process would depend on it; the price is one small request per worker and interval.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.types import Health
    from gateway.proxy.pool import EndpointState, Pool

_log = structlog.get_logger()

_HEAD_BOUND_BYTES = 8 * 1024
_GOOD_STATUSES = range(200, 400)


class HealthChecks:
    """The checks of a pool's endpoints, as long as the pool lives.

    ``on_change`` is called with the pool when an endpoint's health has changed.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._on_change: Callable[[Pool], None] = _tell_nobody
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, on_change: Callable[[Pool], None]) -> None:
        """Tell ``on_change`` from now on; check at once and then at each interval, if that has not begun."""
        self._on_change = on_change
        health = self._pool.backend.health
        if health is not None and not self._tasks:
            self._tasks = [
                asyncio.create_task(self._check_for_ever(endpoint, health), name=f"check {endpoint.endpoint.url}")
                for endpoint in self._pool.endpoints
            ]

    def stop(self) -> None:
        """Check no more."""
        for task in self._tasks:
            task.cancel()

    async def _check_for_ever(self, endpoint: EndpointState, health: Health) -> None:
        streak = 0
        while True:
            fault = await find_fault(self._pool, endpoint, health)
            is_good = fault is None
            streak = streak + 1 if is_good != endpoint.is_healthy else 0
            if streak >= (health.unhealthy_after if endpoint.is_healthy else health.healthy_after):
                endpoint.is_healthy = is_good
                streak = 0
                _log.info("endpoint_health_changed", endpoint=endpoint.endpoint.url, healthy=is_good, reason=fault)
                self._on_change(self._pool)
            await asyncio.sleep(health.interval)


def _tell_nobody(_pool: Pool) -> None:
    """What a change calls before anybody asked to be told."""


async def find_fault(pool: Pool, endpoint: EndpointState, health: Health) -> str | None:
    """What is wrong with the endpoint, for a log; None when it answers its check from 200 to 399 in time."""
    try:
        async with asyncio.timeout(health.timeout):
            status = await _ask(pool, endpoint, health.path)
    except TimeoutError:
        return "no answer in time"
    except OSError as error:  # ssl.SSLError is one
        return str(error)
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return "an answer that is not HTTP/1.1"
    return None if status in _GOOD_STATUSES else f"status {status}"


async def _ask(pool: Pool, endpoint: EndpointState, path: str) -> int:
    address = endpoint.endpoint
    context: ssl.SSLContext | None = pool.tls if address.tls else None
    name = address.host if context is not None else None
    reader, writer = await endpoint.resolver.reach(
        lambda ip: asyncio.open_connection(ip, address.port, ssl=context, server_hostname=name, limit=_HEAD_BOUND_BYTES)
    )
    try:
        lines = (
            f"GET {path} HTTP/1.1\r\nHost: {address.authority}\r\nUser-Agent: crossfade\r\nConnection: close\r\n\r\n"
        )
        writer.write(lines.encode())
        line = await reader.readuntil(b"\r\n")
        version, status = line.split(b" ", 2)[:2]
        if not version.startswith(b"HTTP/1."):
            raise ValueError("not HTTP")
        return int(status)
    finally:
        writer.close()
