"""The admin API over HTTP: what the guard lets in goes to its operation, and every error becomes a problem document."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from gateway.admin.control import ADMIN_HEADER, API_VERSION, Call, Control
from gateway.admin.guard import refusal
from gateway.admin.openapi import EVERYTHING
from gateway.admin.overview import OVERVIEWS_KEY, Overviews
from gateway.admin.pages import add_pages
from gateway.admin.problems import make_problem, tell_http_error, tell_problem
from gateway.admin.questions import TEXT_LIMIT_BYTES
from gateway.admin.stream import VIEWERS_KEY, Viewers

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from gateway.admin.operations import Operation

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

__all__ = ["Control", "build", "serve"]

CONTROL = web.AppKey("control", Control)

log = structlog.get_logger()


async def serve(control: Control, listening: socket.socket) -> web.AppRunner:
    """Answer on ``listening`` until the runner that is returned is cleaned up."""
    # What it would log, with a traceback, is that somebody does not speak HTTP; faults of ours are logged by `_guard`.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(build(control), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner


ACTIONS = "/api/v1/rollouts/{name}/"
"""Below it is what may be done with a rollout."""


def build(control: Control) -> web.Application:
    """The application: all that the API can do, and the dashboard."""
    app = web.Application(middlewares=[_guard], client_max_size=TEXT_LIMIT_BYTES)
    viewers = Viewers()
    app[CONTROL], app[VIEWERS_KEY], app[OVERVIEWS_KEY] = control, viewers, Overviews(control)
    app.on_response_prepare.append(_sign)
    app.on_shutdown.append(viewers.close)
    for operation in EVERYTHING:
        _add(app.router, operation)
    add_pages(app.router)
    return app


def _add(router: web.UrlDispatcher, operation: Operation) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await operation.perform(Call(request.app[CONTROL], request))

    if operation.method == "GET":
        router.add_get(operation.path, answer)  # HEAD, too
    else:
        router.add_route(operation.method, operation.path, answer)


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse who may not come in, and give every error the same shape."""
    try:
        return _refuse(request) or await handler(request)
    except web.HTTPException as error:
        return tell_http_error(_explain(request, error))
    except Exception as error:
        problem = tell_problem(error)
        if problem is None:
            log.exception("admin_call_failed", method=request.method, path=request.path)
            return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the gateway's; its log says more")
        return problem


def _explain(request: web.Request, error: web.HTTPException) -> web.HTTPException:
    """``error``, saying what there is instead of a path, an action or a method that there isn't."""
    place = request.rel_url.raw_path
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        reason = f"{place} does not take {request.method}; it takes {', '.join(allowed)}"
        return web.HTTPMethodNotAllowed(request.method, allowed, reason=reason)
    if not isinstance(error, web.HTTPNotFound):
        return error
    if not _is_action(request.path):
        return web.HTTPNotFound(reason=f"there is nothing at {place}; /openapi.json lists what there is")
    actions = [each.path.removeprefix(ACTIONS) for each in EVERYTHING if each.path.startswith(ACTIONS)]
    return web.HTTPNotFound(reason=f"there is no such action; there are {', '.join(dict.fromkeys(actions))}")


def _is_action(path: str) -> bool:
    """Whether a path has the form of a rollout's name and what is to be done with it."""
    prefix, _, _ = ACTIONS.partition("{")
    return path.startswith(prefix) and path.count("/") == ACTIONS.count("/")


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Say that it is this API that answers, and not with whose library; and that types are as they are said to be."""
    response.headers[ADMIN_HEADER] = API_VERSION
    response.headers["X-Content-Type-Options"] = "nosniff"  # what was sampled may look like a page
    response.headers.pop("Server", None)


def _refuse(request: web.Request) -> web.Response | None:
    """The answer to who may not come in; None for who may."""
    control = request.app[CONTROL]
    token = control.configuration.admin_token
    refused = refusal(request.method, request.path, request.headers, token, control.open_paths)
    return None if refused is None else make_problem(refused.status, refused.detail)
