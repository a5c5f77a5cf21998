"""Where traced requests go: to the collector that the configuration names, or nowhere.

OpenTelemetry's SDK is loaded when a configuration asks for tracing, in a thread; what comes meanwhile is lost.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.core.trace_context import TracedRequest
    from gateway.core.types import Tracing
    from gateway.telemetry.spans import Spans

CLOSE_SECONDS = 2.0
"""How long a controller that stops waits for the collector to take the last spans."""


class Exports:
    """The spans under way. It follows the configuration: `adopt` each one that is put in force."""

    def __init__(self) -> None:
        self._endpoint: str | None = None
        self._spans: Spans | None = None
        self._dropped_before = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def dropped(self) -> int:
        """Spans that were lost, since the controller began."""
        return self._dropped_before + (self._spans.dropped if self._spans is not None else 0)

    @property
    def is_ready(self) -> bool:
        """Whether what is recorded goes where the configuration in force says."""
        return self._spans is not None

    def adopt(self, tracing: Tracing | None) -> None:
        """Export as ``tracing`` says from now on; None for not at all."""
        endpoint = tracing.endpoint if tracing is not None else None
        if endpoint == self._endpoint:
            return
        self._endpoint = endpoint
        former, self._spans = self._spans, None
        task = asyncio.get_running_loop().create_task(self._change(former, endpoint))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def record(self, requests: tuple[TracedRequest, ...]) -> None:
        """Export the spans of requests that are over."""
        if self._spans is not None:
            for request in requests:
                self._spans.record(request)

    async def close(self) -> None:
        """Export what waits, for at most `CLOSE_SECONDS`."""
        self.adopt(None)
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=CLOSE_SECONDS)

    async def _change(self, former: Spans | None, endpoint: str | None) -> None:
        if endpoint is not None:
            spans = await asyncio.to_thread(_load, endpoint)
            if self._endpoint == endpoint:
                self._spans = spans
            else:  # the next configuration was quicker
                former = spans
        if former is not None:
            await asyncio.to_thread(former.close)
            self._dropped_before += former.dropped


def _load(endpoint: str) -> Spans:
    spans: Spans = importlib.import_module("gateway.telemetry.spans").Spans(endpoint)
    return spans
