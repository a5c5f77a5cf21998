"""The admin API over HTTP (SPEC section 9): health, readiness and the configuration.

Each route is one short function over `Control`, the part of the running gateway that the API may see.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import web

from gateway.admin.guard import refusal
from gateway.admin.views import (
    ProblemDocument,
    ReadyView,
    ValidateView,
    view_config,
    view_problems,
)
from gateway.errors import ConfigError

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from gateway.control.configuration import Configuration
    from gateway.control.roster import Roster

APPLY_SECONDS = 10.0
"""How long a reload waits for the workers: building the indexes of 10,000 routes takes each about a second."""

BODY_LIMIT_BYTES = 16 * 1024 * 1024

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Control:
    """What the API shows and does."""

    configuration: Configuration
    roster: Roster
    reload: Callable[[], Awaitable[bool]]
    """Reads the file now; whether it was good."""


CONTROL = web.AppKey("control", Control)


async def serve(control: Control, listening: socket.socket) -> web.AppRunner:
    """Answer on ``listening`` until the runner that is returned is cleaned up."""
    runner = web.AppRunner(build(control), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner


def build(control: Control) -> web.Application:
    """The application with all its routes."""
    app = web.Application(middlewares=[_guarded], client_max_size=BODY_LIMIT_BYTES)
    app[CONTROL] = control
    app.router.add_get("/healthz", show_health)
    app.router.add_get("/readyz", show_readiness)
    app.router.add_get("/api/v1/config", show_config)
    app.router.add_post("/api/v1/config/reload", reload_config)
    app.router.add_post("/api/v1/config/validate", validate_config)
    return app


async def show_health(_request: web.Request) -> web.Response:
    """200 for as long as the controller lives."""
    return _json({"status": "ok"})


async def show_readiness(request: web.Request) -> web.Response:
    """200 when every worker serves the newest table; else 503 with the reasons."""
    reasons = request.app[CONTROL].roster.lagging()
    return _json(ReadyView(not reasons, reasons), HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)


async def show_config(request: web.Request) -> web.Response:
    """The configuration in force."""
    view = view_config(request.app[CONTROL].configuration)
    return _json(view) if view else _none_yet()


async def reload_config(request: web.Request) -> web.Response:
    """Read the file now. 200 when it is in force in every worker, 422 when it is refused, 503 when a worker lags."""
    control = request.app[CONTROL]
    is_good = await control.reload()
    caught_up = not is_good or await control.roster.caught_up(control.roster.newest, APPLY_SECONDS)
    view = view_config(control.configuration)
    if not caught_up:
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(control.roster.lagging()))
    if view is None:
        return _none_yet()
    return _json(view, HTTPStatus.OK if is_good else HTTPStatus.UNPROCESSABLE_ENTITY)


async def validate_config(request: web.Request) -> web.Response:
    """Say what is wrong with the YAML text in the body, without touching anything."""
    source = request.app[CONTROL].configuration.source
    content = await request.read()
    try:
        loaded, _ = await asyncio.to_thread(source.load, content)
    except ConfigError as error:
        return _json(ValidateView(ok=False, problems=view_problems(error.problems), warnings=[]))
    return _json(ValidateView(ok=True, problems=[], warnings=view_problems(loaded.warnings)))


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse who may not come in, and give every error the same shape."""
    token = request.app[CONTROL].configuration.admin_token
    if refused := refusal(request.method, request.path, request.headers, token):
        return _refuse(refused.status, refused.detail)
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _problem(error.status, error.reason, allow=error.headers.get("Allow"))
    except Exception:
        log.exception("admin_call_failed", method=request.method, path=request.path)
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the gateway's; its log says more")


def _refuse(status: int, detail: str) -> web.Response:
    response = _problem(status, detail)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _none_yet() -> web.Response:
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "no configuration has been compiled yet")


def _json(view: msgspec.Struct | dict[str, str], status: int = HTTPStatus.OK) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(view), status=status, content_type="application/json", headers=headers)


def _problem(status: int, detail: str, allow: str | None = None) -> web.Response:
    """An error as a problem document (RFC 9457)."""
    document = ProblemDocument(HTTPStatus(status).phrase, int(status), detail)
    response = web.Response(body=msgspec.json.encode(document), status=status, content_type="application/problem+json")
    if allow:
        response.headers["Allow"] = allow
    return response
