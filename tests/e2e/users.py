"""People who ask one thing after the other on connections that they keep, and look at every answer."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.gateway import Gateway

PATIENCE_SECONDS = 30


def ask_all(
    gateway: Gateway, paths: Iterable[str], headers: Mapping[str, str] | None = None, status: int = 200
) -> list[bytes]:
    """The bodies of so many GETs; every one must have that ``status``."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_SECONDS)
    bodies = []
    for path in paths:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        bodies.append(response.read())
        assert response.status == status, (path, response.status, bodies[-1])
    connection.close()
    return bodies


def totals_of(gateway: Gateway, route: str) -> dict[str, Any]:
    """What came of the copies of a route."""
    totals = gateway.ask(f"/api/v1/mismatches?route={route}")[1]["totals"]
    assert isinstance(totals, dict)
    return totals


def settled_of(totals: Mapping[str, Any]) -> int:
    """How many copies something has come of."""
    return int(sum(totals["skipped"].values()) + sum(totals[each] for each in ("match", "mismatch", "noise", "error")))


def await_copies(gateway: Gateway, route: str, count: int) -> dict[str, Any]:
    """What came of the copies of a route, when something has come of so many."""
    gateway.wait_until(lambda: settled_of(totals_of(gateway, route)) >= count)
    return totals_of(gateway, route)


def await_comparing(gateway: Gateway, path: str, route: str, count: int = 1) -> None:
    """Ask until so many more answers were compared: users are served at once, and the comparer may come later.

    Of what was asked last something may come at any time after that.
    """
    before = compared_of(totals_of(gateway, route))

    def is_compared() -> bool:
        ask_all(gateway, [path])
        return compared_of(totals_of(gateway, route)) >= before + count

    gateway.wait_until(is_compared)


def compared_of(totals: Mapping[str, Any]) -> int:
    """How many copies were held against the user's answer."""
    return int(sum(totals[each] for each in ("match", "mismatch", "noise")))
