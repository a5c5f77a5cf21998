"""Who waits long for its backend's header counts with its age so far."""

from __future__ import annotations

import pytest

from gateway.core.figures import Subject
from gateway.core.histogram import bucket_of
from gateway.proxy.waiting import measure_waiting
from tests.proxy.pair import ERROR, FAILOVER, Pair
from tests.proxy.wiring import UPGRADE


def waiting(pair: Pair, seconds: float) -> dict[Subject, dict[int, int]]:
    """The ages, so many seconds after the last request was sent."""
    exchanges = [client.exchange for client in pair.clients if client.exchange is not None]
    sent_at = max(exchange.sent_at for exchange in exchanges)
    return measure_waiting(exchanges, sent_at + seconds)


async def test_a_request_over_a_second_old_counts_with_its_age() -> None:
    """Under what it will be counted as when it is over."""
    pair = Pair()
    pair.ask()

    assert waiting(pair, 0.9) == {}
    subject = Subject("all", "/a", "candidate", is_forced=False)
    assert waiting(pair, 5) == {subject: {bucket_of(5.0): 1}}
    pair.candidate.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    assert waiting(pair, 5) == {}


@pytest.mark.parametrize("request_bytes", [UPGRADE, b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_upgrades_and_requests_that_are_still_being_sent_do_not_wait(request_bytes: bytes) -> None:
    """The former have no latency, the latter wait for their client."""
    pair = Pair()
    pair.send(request_bytes)

    assert waiting(pair, 5) == {}


async def test_a_request_that_has_failed_over_does_not_wait_for_the_candidate() -> None:
    """It is the baseline that is slow."""
    pair = Pair(failover=FAILOVER)
    pair.ask()
    pair.candidate.data_received(ERROR)

    assert waiting(pair, 5) == {}


async def test_the_plane_asks_its_own_clients() -> None:
    """By the clock that requests are timed with."""
    pair = Pair()
    pair.ask()
    exchange = pair.clients[-1].exchange
    assert exchange is not None
    exchange.sent_at -= 3

    ((subject, ages),) = pair.plane.waiting().items()
    assert subject.path == exchange.template
    assert sum(ages.values()) == 1
