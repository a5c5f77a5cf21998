"""What machines ask: whether the gateway lives, is ready, and what it counted."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

import msgspec
from aiohttp import web

from gateway.admin.answers import answer_json
from gateway.admin.control import Call, compute
from gateway.telemetry.metrics import expose

METRICS_TYPES: Final = ("text/plain", "application/openmetrics-text")


class HealthView(msgspec.Struct, frozen=True):
    """The controller lives."""

    status: Literal["ok"]


class ReadyView(msgspec.Struct, frozen=True):
    """Whether every worker serves the newest configuration."""

    ready: bool
    reasons: list[str]
    """Why not: a sentence for each worker that lags."""


async def show_health(_call: Call) -> HealthView:
    """Whether the gateway's controller lives.

    200 for as long as it does.
    """
    return HealthView("ok")


async def show_readiness(call: Call) -> web.Response:
    """Whether the gateway is ready.

    200 when every worker serves the newest configuration; else 503 with the reasons.
    """
    reasons = call.control.roster.lagging()
    return answer_json(ReadyView(not reasons, reasons), HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)


async def show_metrics(call: Call) -> web.Response:
    """Everything that is counted, for Prometheus.

    In the text format 0.0.4, or as OpenMetrics 1.0 where the `Accept` header prefers it.
    """
    accept = call.request.headers.get("Accept", "")
    body, content_type = await compute(expose, call.control.snapshot(), accept)
    return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
