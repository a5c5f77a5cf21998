"""Every request is counted once, as what it was, and handed over once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.core.figures import UNROUTED, Answer, PathFigures, Subject
from gateway.core.histogram import quantile
from gateway.core.types import Hash, KeyKind, KeySource, Match, MissingKey, Mode, Override, Rollout, Route
from gateway.errors import BackendError, BackendTimeout, BadRequest, Overloaded
from gateway.proxy.counting import error_kind
from tests.proxy.wiring import GET, OK, SWITCHED, UPGRADE, Wires, backend, table

if TYPE_CHECKING:
    from gateway.errors import ProxyError

SHOP = Rollout(
    "shop",
    Mode.LIVE,
    ((KeySource(KeyKind.HEADER, "X-User-ID"),),),
    MissingKey.BASELINE,
    "shop",
    Hash.MURMUR3,
    (),
    100.0,
)
ORDERS = Route("orders", Match(("/orders/**",)), "legacy", "new", "shop", paths=("/orders/{number}",))


def taken(wires: Wires) -> dict[Subject, PathFigures]:
    """What was counted since the last call."""
    return {each.subject: each.figures for each in wires.plane.counters.take()}


async def test_a_request_is_counted_under_its_route_template_and_arm() -> None:
    """With the backend that answered, the method, the status and the reason; and it is handed over once."""
    wires = Wires(table(backend(), backend("new"), routes=(ORDERS,), rollouts=(SHOP,)))
    wires.plane.generation.pools = dict.fromkeys(wires.plane.generation.pools, wires.pool)
    connection, _ = wires.backend()
    client, _ = wires.client()

    for number in range(3):
        client.data_received(b"GET /orders/%d HTTP/1.1\r\nHost: a\r\nX-User-ID: u%d\r\n\r\n" % (number, number))
        connection.data_received(OK)

    figures = taken(wires)
    (subject,) = figures
    assert subject == Subject("orders", "/orders/{number}", "candidate", is_forced=False)
    assert figures[subject].answers == {Answer("new", "GET", 200, "split"): 3}
    assert sum(figures[subject].durations) == sum(figures[subject].latencies.values()) == 3
    assert not figures[subject].errors
    assert taken(wires) == {}


async def test_a_forced_arm_is_counted_apart() -> None:
    """Rules do not look at requests whose arm somebody chose."""
    wires = Wires(
        table(backend(), backend("new"), routes=(ORDERS,), rollouts=(SHOP,), override=Override(("127.0.0.0/8",), ""))
    )
    wires.plane.generation.pools = dict.fromkeys(wires.plane.generation.pools, wires.pool)
    connection, _ = wires.backend()
    client, _ = wires.client()

    client.data_received(b"GET /orders/1 HTTP/1.1\r\nHost: a\r\nX-Crossfade-Arm: candidate\r\n\r\n")
    connection.data_received(OK)

    assert [subject.is_forced for subject in taken(wires)] == [True]


@pytest.mark.parametrize(("status", "errors", "client_errors"), [(500, {"5xx": 1}, 0), (404, {}, 1), (302, {}, 0)])
async def test_a_backends_answer_counts_as_what_it_is(
    wires: Wires, status: int, errors: dict[str, int], client_errors: int
) -> None:
    """A 5xx is an error, a 4xx a client error, anything else neither; each has a latency."""
    connection, _ = wires.backend()
    client, _ = wires.client()

    client.data_received(GET)
    connection.data_received(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

    (figures,) = taken(wires).values()
    assert (figures.errors, figures.client_errors) == (errors, client_errors)
    assert sum(figures.latencies.values()) == 1


async def test_a_time_out_counts_with_the_time_that_it_took(wires: Wires) -> None:
    """Whoever hangs is not quick: its latency is at least what was waited for it."""
    wires.backend()
    client, _ = wires.client()

    client.data_received(GET)
    exchange = client.exchange
    assert exchange is not None
    exchange.sent_at -= 30
    exchange.started_at -= 30
    wires.pass_time(31)

    (figures,) = taken(wires).values()
    assert figures.errors == {"timeout": 1}
    assert [answer.code for answer in figures.answers] == [504]
    assert (quantile(figures.latencies, 0.5) or 0) > 29


async def test_a_client_that_left_is_an_answer_of_its_own(wires: Wires) -> None:
    """It is nobody's error, and its latency is not known."""
    wires.backend()
    client, _ = wires.client()

    client.data_received(GET)
    client.connection_lost(None)

    (figures,) = taken(wires).values()
    assert [answer.code for answer in figures.answers] == [499]
    assert (figures.errors, figures.latencies) == ({}, {})


async def test_a_tunnel_is_counted_when_it_is_over_and_has_no_latency(wires: Wires) -> None:
    """Its header's time says nothing about the service's speed."""
    connection, _ = wires.backend()
    client, _ = wires.client()
    client.data_received(UPGRADE)
    connection.data_received(SWITCHED)
    assert taken(wires) == {}

    client.abort()

    (figures,) = taken(wires).values()
    assert [answer.code for answer in figures.answers] == [101]
    assert figures.latencies == {}


async def test_what_no_route_served_is_counted_too() -> None:
    """Requests that match nothing, and bytes that never became a request."""
    wires = Wires(table(routes=(ORDERS,), rollouts=(SHOP,)))
    client, _ = wires.client()
    other, _ = wires.client()

    client.data_received(GET)
    other.data_received(b"GET / HTTP/1.1\r\n\r\n")

    assert taken(wires)[UNROUTED].answers == {Answer("", "GET", 404, ""): 1, Answer("", "", 400, ""): 1}


async def test_a_reload_loses_no_count_and_keeps_the_templates(wires: Wires) -> None:
    """Also of a request that began before it and ended after it."""
    connection, _ = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)
    templates = wires.plane.generation.templates_of("all")

    wires.plane.adopt(wires.plane.prepare(table(revision="2")))
    connection.data_received(OK)

    (figures,) = taken(wires).values()
    assert figures.requests == 1
    assert wires.plane.generation.templates_of("all") is templates


async def test_one_report_has_a_bound_and_the_next_brings_the_rest(wires: Wires) -> None:
    """However many paths were asked for between two reports."""
    counters = wires.plane.counters
    connection, _ = wires.backend()
    client, _ = wires.client()
    client.data_received(GET)
    exchange = client.exchange
    assert exchange is not None
    connection.data_received(OK)

    for number in range(6000):
        counters.count(exchange, f"/{number}")

    reports = [len(counters.take()) for _ in range(3)]
    assert reports == [5000, 1001, 0]


@pytest.mark.parametrize(
    ("error", "answered", "kind"),
    [
        (None, 200, None),
        (None, 503, "5xx"),
        (BadRequest("x"), 0, None),
        (Overloaded("x"), 0, "connect"),
        (BackendError("x", "reset"), 200, "reset"),
        (BackendTimeout("x"), 0, "timeout"),
    ],
)
def test_an_error_has_the_kind_of_what_the_backend_did_wrong(
    error: ProxyError | None, answered: int, kind: str | None
) -> None:
    """What the client did wrong is none; no connection in time counts as none at all."""
    assert error_kind(error, answered) == kind
