"""Where traced requests go: to the collector that the configuration names, or nowhere.

OpenTelemetry's SDK is loaded when a configuration asks for tracing, in a thread; what comes meanwhile waits for it.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway.core.trace_context import TracedRequest
    from gateway.core.types import Tracing
    from gateway.telemetry.spans import Spans

CLOSE_SECONDS = 2.0
"""How long a controller that stops waits for the collector to take the last spans."""

WAITING_REQUESTS = 1000
"""So many may wait while the SDK is loaded; what comes on top is lost, and counted."""

log = structlog.get_logger()


class Exports:
    """The spans under way. It follows the configuration: `adopt` each one that is put in force."""

    def __init__(self) -> None:
        self._is_wanted = False
        self._endpoint: str | None = None
        """Where they go, or will as soon as the SDK is loaded; None also after it could not be."""
        self._spans: Spans | None = None
        self._waiting: tuple[TracedRequest, ...] = ()
        self._leaving: list[Spans] = []
        self._dropped = 0
        """Without those that are known to ``_spans`` and ``_leaving``."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def dropped(self) -> int:
        """Spans that were lost, since the controller began."""
        current = [self._spans] if self._spans is not None else []
        return self._dropped + sum(spans.dropped for spans in (*self._leaving, *current))

    @property
    def is_ready(self) -> bool:
        """Whether what is recorded goes where the configuration in force says."""
        return self._spans is not None

    def adopt(self, tracing: Tracing | None) -> None:
        """Export as ``tracing`` says from now on; None for not at all. What could not be loaded is tried again."""
        endpoint = tracing.endpoint if tracing is not None else None
        self._is_wanted = endpoint is not None
        if endpoint == self._endpoint:
            return
        self._endpoint = endpoint
        if self._spans is not None:
            self._leaving.append(self._spans)
            self._run(self._leave(self._spans))
            self._spans = None
        if endpoint is None:
            self._give_up()
        else:
            self._run(self._load(endpoint))

    def record(self, requests: tuple[TracedRequest, ...]) -> None:
        """Export the spans of requests that are over."""
        if self._spans is not None:
            for request in requests:
                self._spans.record(request)
        elif self._endpoint is not None:
            together = self._waiting + requests
            self._waiting = together[:WAITING_REQUESTS]
            self._lose(together[WAITING_REQUESTS:])
        elif self._is_wanted:
            self._lose(requests)

    def _give_up(self) -> None:
        """Nobody comes for those that wait."""
        self._lose(self._waiting)
        self._waiting = ()

    def _lose(self, requests: tuple[TracedRequest, ...]) -> None:
        self._dropped += sum(2 if request.sent_at else 1 for request in requests)

    async def close(self) -> None:
        """Export what waits, for at most `CLOSE_SECONDS`."""
        self.adopt(None)
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=CLOSE_SECONDS)

    def _run(self, body: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(body)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self, endpoint: str) -> None:
        try:
            spans = await asyncio.to_thread(_make_spans, endpoint)
        except Exception:
            log.exception("tracing_unavailable")
            if self._endpoint == endpoint:
                self._endpoint = None
                self._give_up()
            return
        if self._endpoint == endpoint and self._spans is None:
            self._spans = spans
            waiting, self._waiting = self._waiting, ()
            self.record(waiting)
        else:  # the next configuration was quicker
            await asyncio.to_thread(spans.close)

    async def _leave(self, spans: Spans) -> None:
        """Export what waits there, and be done with it."""
        await asyncio.to_thread(spans.close)
        self._leaving.remove(spans)
        self._dropped += spans.dropped


def _make_spans(endpoint: str) -> Spans:
    spans: Spans = importlib.import_module("gateway.telemetry.spans").Spans(endpoint)
    return spans
