"""Errors as the API tells them."""

from __future__ import annotations

import json

import pytest

from gateway.admin.problems import Declined, make_problem, tell_problem
from gateway.errors import (
    BadValue,
    CommandError,
    GatewayError,
    StoreConflict,
    StoreUnavailable,
    UnknownRollout,
    WrongAction,
)


@pytest.mark.parametrize(
    ("error", "status", "field"),
    [
        (UnknownRollout("no such"), 404, None),
        (WrongAction("not now"), 409, None),
        (StoreConflict("checkout", 7), 409, None),
        (BadValue("percent", "too much"), 422, "percent"),
        (StoreUnavailable("full"), 503, None),
        (Declined(415, "not JSON"), 415, None),
        (Declined(404, "no route", "route"), 404, "route"),
    ],
)
def test_what_a_caller_can_understand_is_told(error: GatewayError, status: int, field: str | None) -> None:
    """As a problem document (RFC 9457), with the field at fault if there is one."""
    response = tell_problem(error)

    assert response is not None
    assert isinstance(response.body, bytes)
    document = json.loads(response.body)
    assert (response.status, response.content_type) == (status, "application/problem+json")
    assert (document["status"], document["detail"], document.get("field")) == (status, str(error), field)


@pytest.mark.parametrize("error", [CommandError("x"), ValueError("x")])
def test_what_is_no_callers_business_is_not(error: Exception) -> None:
    """Faults of ours are for the log."""
    assert tell_problem(error) is None


@pytest.mark.parametrize(("status", "title"), [(413, "Content Too Large"), (422, "Unprocessable Content")])
def test_titles_are_those_of_rfc_9110(status: int, title: str) -> None:
    """On every version of Python."""
    body = make_problem(status, "").body

    assert isinstance(body, bytes)
    assert json.loads(body)["title"] == title


def test_what_another_gateway_moved_first_is_told_with_its_version() -> None:
    """In words of the same kind as when somebody else moved it here."""
    said = str(StoreConflict("checkout", 7))

    assert said == "`checkout` has moved on meanwhile: it is at version 7 by now; look again"
