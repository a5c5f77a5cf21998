"""Samples of the requests that the candidate failed, as the data plane notes them."""

from __future__ import annotations

from gateway.core.types import Route
from tests.proxy.pair import ERROR, FAILOVER, Pair
from tests.proxy.test_counting import ORDERS, SHOP
from tests.proxy.wiring import OK, Wires, backend, table

FAILED = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"


def wires(route: Route = ORDERS) -> Wires:
    """A candidate that takes everything."""
    made = Wires(table(backend(), backend("new"), routes=(route,), rollouts=(SHOP,)))
    made.plane.generation.pools = dict.fromkeys(made.plane.generation.pools, made.pool)
    return made


def ask(made: Wires, answer: bytes, *paths: str, key: bytes = b"X-User-ID: u1\r\n") -> None:
    connection, _ = made.backend()
    client, _ = made.client()
    for path in paths:
        client.data_received(
            b"GET %b HTTP/1.1\r\nHost: a\r\nX-Request-ID: id%b\r\n%b\r\n"
            % (path.encode(), path.replace("/", "-").encode(), key)
        )
        connection.data_received(answer)


async def test_a_request_that_the_candidate_failed_is_sampled_with_what_logs_know_it_by() -> None:
    """Its ID, when, under which template and how: never its key or its raw path."""
    made = wires()
    ask(made, FAILED, "/orders/1")

    (failed,) = made.plane.counters.failures.take()
    assert (failed.request_id, failed.route, failed.path) == ("id-orders-1", "orders", "/orders/{number}")
    assert (failed.method, failed.status, failed.kind) == ("GET", 503, "5xx")
    assert failed.time > 0
    assert made.plane.counters.failures.take() == ()


async def test_what_went_well_is_no_sample() -> None:
    """Nor is a baseline's failure: the samples show what the candidate does wrong."""
    made = wires()
    ask(made, OK, "/orders/1")
    ask(made, FAILED, "/orders/2", key=b"")

    assert made.plane.counters.failures.take() == ()


async def test_a_sample_says_that_somebody_else_answered() -> None:
    """Its status is the answer's, its kind the candidate's failure."""
    pair = Pair(failover=FAILOVER)
    pair.ask()
    pair.candidate.data_received(ERROR)
    pair.baseline.data_received(OK)

    (failed,) = pair.plane.counters.failures.take()
    assert (failed.is_failed_over, failed.status, failed.kind) == (True, 200, "5xx")


async def test_a_few_of_a_kind_are_enough_until_the_next_report() -> None:
    """When everything fails, a sample costs next to nothing, and every path has its turn."""
    made = wires()
    ask(made, FAILED, *(f"/orders/{number}" for number in range(5)), "/orders/1/items")

    paths = [failed.path for failed in made.plane.counters.failures.take()]
    assert paths.count("/orders/{number}") == 2
    assert len(paths) == 3
    ask(made, FAILED, "/orders/9")
    assert len(made.plane.counters.failures.take()) == 1
