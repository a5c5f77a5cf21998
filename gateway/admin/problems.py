"""Errors as the API tells them: problem documents (RFC 9457), whatever went wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from gateway.errors import BadValue, Fenced, GatewayError, StoreConflict, StoreUnavailable, UnknownRollout, WrongAction

PROBLEM_TYPE: Final = "application/problem+json"

_STATUSES: Final[tuple[tuple[type[GatewayError], int], ...]] = (
    (UnknownRollout, 404),
    (WrongAction, 409),
    (StoreConflict, 409),
    (BadValue, 422),
    (StoreUnavailable, 503),
    (Fenced, 503),
)
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}  # RFC 9110; Python 3.11 has the older names


class ProblemDocument(msgspec.Struct, frozen=True):
    """What went wrong with a call (RFC 9457)."""

    title: str
    status: int
    detail: str
    """What it was about this call, in a sentence."""
    type: str = "about:blank"
    field: str | msgspec.UnsetType = msgspec.UNSET
    """Of what was asked, the part at fault."""


class Declined(GatewayError):
    """A call that is not answered as asked, with the HTTP status that says so."""

    def __init__(self, status: int, detail: str, field: str = "") -> None:
        self.status = status
        self.field = field
        super().__init__(detail)


def make_problem(status: int, detail: str, field: str = "") -> web.Response:
    """The response for a call that went wrong."""
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    document = ProblemDocument(title, int(status), detail, field=field or msgspec.UNSET)
    response = web.Response(body=msgspec.json.encode(document), status=status, content_type=PROBLEM_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def tell_problem(error: Exception) -> web.Response | None:
    """The response for an error that a caller can understand; None for one that is a fault of ours."""
    if isinstance(error, Declined):
        return make_problem(error.status, str(error), error.field)
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return make_problem(status, str(error), error.field if isinstance(error, BadValue) else "")
    return None


def tell_http_error(error: web.HTTPException) -> web.Response:
    """The response for what aiohttp refuses: a path or method that isn't there, a body that is too large."""
    response = make_problem(error.status, error.reason)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
