"""What becomes of a request, asked of the running gateway."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING

import msgspec

from gateway.admin.control import compute
from gateway.admin.problems import Declined
from gateway.admin.questions import Question
from gateway.core.enquiry import build_request, find_fault
from gateway.core.explanation import Explanation, explain_request
from gateway.core.tokens import Verifier
from gateway.errors import BadValue, NoRoute, ProxyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.admin.control import Call
    from gateway.control.roster import Seat


class ExplainQuestion(Question, frozen=True):
    """A request that nobody sent."""

    url: str
    """A path with its query, or a whole URL; its host then counts for routes that name hosts."""
    method: str = "GET"
    headers: dict[str, str] | list[tuple[str, str]] = msgspec.field(default_factory=dict)
    """By name; as a list of pairs when one is repeated."""
    client_ip: str = "127.0.0.1"
    """Whose connection it would be."""


async def explain(call: Call, asked: ExplainQuestion) -> Explanation:
    """Explain what would become of a request, without sending it.

    404 when no route serves it, 422 where the gateway would refuse it.
    """
    return await compute(_explain, call, asked)


def _explain(call: Call, asked: ExplainQuestion) -> Explanation:
    headers = asked.headers.items() if isinstance(asked.headers, dict) else asked.headers
    peer = _read_peer(asked.client_ip)
    down = find_down(list(call.control.roster.seats.values()))
    try:
        request = build_request(asked.method, asked.url, headers)
    except ProxyError as error:
        raise BadValue(find_fault(asked.method, asked.url), error.detail) from error
    table = call.control.table
    verifier = None if table.tokens is None else Verifier(table.tokens, time.time)
    try:
        return explain_request(table, request, peer, down=down, verifier=verifier)
    except NoRoute as error:
        raise Declined(404, error.detail) from error
    except ProxyError as error:
        raise BadValue("url", error.detail) from error


def find_down(seats: Iterable[Seat]) -> frozenset[str]:
    """The backends of which no worker that reports has a healthy endpoint."""
    down = [
        {backend for backend, endpoints in seat.endpoints.items() if endpoints and not any(endpoints.values())}
        for seat in seats
        if seat.endpoints
    ]
    return frozenset(set.intersection(*down)) if down else frozenset()


def _read_peer(client_ip: str) -> str:
    try:
        return str(ipaddress.ip_address(client_ip))
    except ValueError as error:
        raise BadValue("client_ip", "is not an IP address") from error
