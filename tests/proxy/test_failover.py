"""The baseline answers what the candidate failed, where that can be done without harm; once, and within a budget."""

from __future__ import annotations

import asyncio
from contextlib import closing
from math import ceil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.figures import Answer
from gateway.core.types import Arm, Breaker, Failover, Override, Rewrite
from gateway.proxy.failover import Budget
from gateway.proxy.wheel import TimerWheel
from tests.proxy.pair import ERROR, FAILOVER, Pair
from tests.proxy.wiring import OK, until

if TYPE_CHECKING:
    from tests.proxy.wiring import MemoryTransport

POST = replace(FAILOVER, methods=frozenset({"POST"}))


def small_post(body: bytes = b"hello", size: int | None = None) -> bytes:
    """With a body, or the beginning of a larger one."""
    return b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size or len(body), body)


def chunked_post(*chunks: bytes) -> bytes:
    """Without an end."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def body_sent(transport: MemoryTransport) -> bytes:
    """Of the request that a backend got last."""
    return transport.written.partition(b"\r\n\r\n")[2]


def fail(pair: Pair, kind: str) -> None:
    """The candidate fails the request that it has."""
    if kind == "timeout":
        pair.pass_time(31)
    elif kind == "reset":
        pair.candidate.connection_lost(None)
    else:
        pair.candidate.data_received(b"garbage\r\n\r\n" if kind == "protocol" else ERROR)


@pytest.mark.parametrize("kind", ["timeout", "reset", "protocol", "503"])
async def test_the_baseline_answers_what_the_candidate_failed(kind: str) -> None:
    """One count per request: the arm stays the decision's, the answer is the baseline's, the error the candidate's."""
    pair = Pair(failover=FAILOVER)
    client = pair.ask()
    fail(pair, kind)
    assert not client.written
    pair.baseline.data_received(OK)

    assert client.written.startswith(b"HTTP/1.1 200 OK\r\n")
    ((subject, figures),) = pair.take().items()
    assert subject.arm == "candidate"
    assert figures.answers == {Answer("legacy", "GET", 200, "split"): 1}
    assert (figures.errors, figures.failovers) == ({"5xx" if kind == "503" else kind: 1}, {kind: 1})
    assert sum(figures.latencies.values()) == (kind in {"timeout", "503"})
    assert sum(figures.durations) == 1


async def test_the_baseline_is_asked_as_its_own_request_would_be() -> None:
    """With the path and the fields of its side; what the candidate's rewrite did is not seen."""
    pair = Pair(failover=FAILOVER)
    rules = pair.plane.generation.table
    (route,) = rules.routes
    rewrites = (Rewrite(Arm.CANDIDATE, path="/v2/**", set_headers=(("X-New", "1"),)),)
    pair.adopt(replace(rules, routes=(replace(route, rewrites=rewrites),)))
    pair.ask()
    asked_candidate = pair.to_candidate.take()
    fail(pair, "503")

    assert asked_candidate.startswith(b"GET /v2/a HTTP/1.1\r\n")
    assert b"X-New: 1\r\n" in asked_candidate
    assert b"X-Crossfade-Arm: candidate\r\n" in asked_candidate
    asked_baseline = pair.to_baseline.take()
    assert asked_baseline.startswith(b"GET /a HTTP/1.1\r\n")
    assert b"X-New" not in asked_baseline
    assert b"X-Crossfade-Arm: baseline\r\n" in asked_baseline


async def test_the_answer_says_which_arm_gave_it_and_why_the_other_was_chosen() -> None:
    """Where `server.expose` is on: the arm is the baseline, the reason stays the decision's."""
    pair = Pair(failover=FAILOVER, expose=True)
    client = pair.ask()
    fail(pair, "503")
    pair.baseline.data_received(OK)

    assert b"X-Crossfade-Arm: baseline\r\nX-Crossfade-Reason: split\r\n" in client.written


async def test_a_refused_connection_fails_over_whatever_the_method() -> None:
    """Nothing was sent: a body of any size is still with the client."""
    pair = Pair(failover=FAILOVER)
    pair.pool_of("new").endpoints[0].idle.clear()
    pair.plane.generation.pools["new"].endpoints[0].endpoint = replace(
        pair.pool_of("new").endpoints[0].endpoint, port=1
    )
    client = pair.send(small_post(b"x" * 150, 200))
    await until(lambda: pair.to_baseline.written, asyncio.get_running_loop())
    pair.clients[-1].data_received(b"y" * 50)
    pair.baseline.data_received(OK)

    assert body_sent(pair.to_baseline) == b"x" * 150 + b"y" * 50
    assert client.written.startswith(b"HTTP/1.1 200 OK\r\n")
    ((_, figures),) = pair.take().items()
    assert (figures.failovers, figures.errors) == ({"connect": 1}, {"connect": 1})


async def test_a_body_that_was_sent_is_sent_again() -> None:
    """Whole when it had come to its end."""
    pair = Pair(failover=POST)
    client = pair.send(small_post())
    fail(pair, "503")
    assert body_sent(pair.to_baseline) == b"hello"
    pair.baseline.data_received(OK)

    assert client.written.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_failover_in_mid_body_goes_on_with_what_the_client_sends_next() -> None:
    """What the candidate had got comes first; framed in chunks if it was."""
    pair = Pair(failover=POST)
    client = pair.send(chunked_post(b"hello", b" "))
    fail(pair, "reset")
    assert body_sent(pair.to_baseline) == b"6\r\nhello \r\n"
    pair.clients[-1].data_received(b"5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n")
    pair.baseline.data_received(OK)

    assert body_sent(pair.to_baseline) == b"6\r\nhello \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n"
    assert client.written.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_chunked_body_that_was_whole_is_sent_again_with_its_trailers() -> None:
    """Its end, too."""
    pair = Pair(failover=POST)
    pair.send(chunked_post(b"hello") + b"0\r\nX-Sum: 1\r\n\r\n")
    fail(pair, "503")

    assert body_sent(pair.to_baseline) == b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes", [small_post(b"x" * 101), chunked_post(b"x" * 60, b"y" * 41)], ids=["says so", "grows"]
)
async def test_a_body_over_the_buffer_is_not_sent_again(request_bytes: bytes) -> None:
    """Whether its length was known or not; the candidate's failure is the client's answer."""
    pair = Pair(failover=POST)
    client = pair.send(request_bytes)
    fail(pair, "503")

    assert client.written.startswith(b"HTTP/1.1 503 ")
    assert not pair.to_baseline.written


async def test_a_method_that_is_not_listed_is_not_sent_twice() -> None:
    """The candidate may have done what it was asked before it failed."""
    pair = Pair(failover=FAILOVER)
    client = pair.send(small_post())
    fail(pair, "reset")

    assert client.written.startswith(b"HTTP/1.1 502 ")
    assert not pair.to_baseline.written


@pytest.mark.parametrize(
    ("failover", "kind", "status"),
    [
        (replace(FAILOVER, kinds=frozenset({"connect"})), "reset", 502),
        (replace(FAILOVER, kinds=frozenset({"connect"})), "protocol", 502),
        (replace(FAILOVER, kinds=frozenset({"reset"})), "timeout", 504),
        (replace(FAILOVER, statuses=frozenset({500})), "503", 503),
        (None, "503", 503),
    ],
)
async def test_what_is_not_listed_is_the_clients(failover: Failover | None, kind: str, status: int) -> None:
    """As if there were no failover."""
    pair = Pair(failover=failover)
    client = pair.ask()
    fail(pair, kind)

    assert client.written.startswith(b"HTTP/1.1 %d " % status)
    ((_, figures),) = pair.take().items()
    assert figures.failovers == {}
    assert sum(figures.errors.values()) == 1


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    """A broken transfer must look like one: the client's connection ends."""
    pair = Pair(failover=FAILOVER)
    client = pair.ask()
    pair.candidate.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    pair.candidate.connection_lost(None)

    assert client.is_aborted
    assert not pair.to_baseline.written
    ((_, figures),) = pair.take().items()
    assert (figures.errors, figures.failovers) == ({"reset": 1}, {})


async def test_an_interim_response_is_no_beginning() -> None:
    """Any number of them may come before the final one."""
    pair = Pair(failover=FAILOVER)
    client = pair.ask()
    pair.candidate.data_received(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    fail(pair, "reset")
    pair.baseline.data_received(OK)

    assert client.written.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_an_upgrade_fails_over_until_it_has_happened() -> None:
    """The baseline may switch protocols as well as the candidate."""
    pair = Pair(failover=FAILOVER)
    client = pair.ask(b"Connection: upgrade\r\nUpgrade: x\r\n")
    fail(pair, "503")
    pair.baseline.data_received(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhi")

    assert client.written.startswith(b"HTTP/1.1 101 ")
    assert client.written.endswith(b"hi")


async def test_there_is_one_failover_at_the_most() -> None:
    """A failure of the baseline is the client's answer; the errors are the candidate's own."""
    pair = Pair(failover=FAILOVER)
    client = pair.ask()
    fail(pair, "503")
    pair.baseline.data_received(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")

    assert client.written.startswith(b"HTTP/1.1 500 ")
    ((_, figures),) = pair.take().items()
    assert (figures.errors, figures.failovers) == ({"5xx": 1}, {"503": 1})


async def test_a_stale_connection_to_the_baseline_is_no_failure() -> None:
    """That the request was sent to the candidate before does not take its second chance from it."""
    pair = Pair(failover=FAILOVER)
    pair.baseline.served = 1
    client = pair.ask()
    fail(pair, "503")
    pair.baseline.connection_lost(None)

    assert not client.written  # a fresh connection is being opened


async def test_a_connection_whose_error_was_whole_is_used_again() -> None:
    """One in the middle of its answer is closed."""
    pair = Pair(failover=FAILOVER)
    pair.ask()
    fail(pair, "503")
    assert pair.pool_of("new").endpoints[0].idle == [pair.candidate]

    pair.ask()
    pair.candidate.data_received(ERROR[:-2])
    assert pair.to_candidate.is_aborted
    assert pair.pool_of("new").endpoints[0].in_flight == 0


async def test_a_client_that_leaves_after_a_failover_leaves_nothing_behind() -> None:
    """The baseline's connection is closed, and the candidate's failure counts."""
    pair = Pair(failover=FAILOVER)
    pair.ask()
    fail(pair, "503")
    pair.clients[-1].connection_lost(None)

    assert pair.pool_of("legacy").endpoints[0].in_flight == pair.plane.generation.in_flight == 0
    ((_, figures),) = pair.take().items()
    assert (figures.errors, figures.failovers) == ({"5xx": 1}, {"503": 1})


async def test_who_forces_the_candidate_fails_over_like_others() -> None:
    """Counted apart, as all that was forced."""
    pair = Pair(failover=FAILOVER, override=Override(("127.0.0.0/8",), ""))
    client = pair.ask(b"X-Crossfade-Arm: candidate\r\n")
    fail(pair, "503")
    pair.baseline.data_received(OK)

    assert client.written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [subject.is_forced for subject in pair.take()] == [True]


def fail_often(pair: Pair, count: int) -> list[int]:
    """So many requests that the candidate answers with 503; the statuses that their clients get."""
    statuses = []
    for _ in range(count):
        client = pair.ask()
        fail(pair, "503")
        if not client.written:
            pair.baseline.data_received(OK)
        statuses.append(int(client.written[9:12]))
    return statuses


async def test_past_the_budget_the_candidates_failure_is_the_clients() -> None:
    """Ten are always allowed; ten seconds later, ten again."""
    pair = Pair(failover=FAILOVER)

    assert fail_often(pair, 12) == [200] * 10 + [503] * 2
    for _ in range(12):
        pair.pass_time(1.1)
    assert fail_often(pair, 12) == [200] * 10 + [503] * 2


async def test_the_budget_is_a_share_of_what_the_candidate_serves() -> None:
    """20 % of 100 requests are twenty."""
    pair = Pair(failover=FAILOVER)
    for _ in range(78):
        pair.ask()
        pair.candidate.data_received(OK)

    assert fail_often(pair, 22).count(200) == 20


async def test_an_open_breaker_lifts_the_budget() -> None:
    """What was under way when it opened still fails over; what comes after goes to the baseline anyway."""
    pair = Pair(failover=FAILOVER, breaker=Breaker(10, 10.0))
    late = [pair.connection("new") for _ in range(5)]
    clients = [pair.ask() for _ in range(5)]
    fail_often(pair, 12)
    for connection, _ in late:
        connection.data_received(ERROR)
        if not pair.baseline.exchange:
            continue
        pair.baseline.data_received(OK)

    assert [client.written[9:12] for client in clients] == [b"200"] * 5


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 100), st.integers(0, 30)), max_size=30))
def test_a_budget_allows_no_more_than_its_share_of_the_last_ten_seconds(steps: list[tuple[int, int, int]]) -> None:
    """Or ten, if that is more; what is older is forgotten."""
    with closing(asyncio.new_event_loop()) as loop:
        budget = Budget(TimerWheel(loop))
    past: list[tuple[int, int]] = []
    for idle_seconds, candidates, wanted in steps:
        budget.candidates["a"] = candidates
        granted = 0
        while granted < wanted and budget.allows("a", 20):
            budget.spend("a")
            granted += 1
        past.append((candidates, granted))
        window = past[-10:]
        bound = max(10, ceil((sum(each[0] for each in window) + 1) * 0.2))
        assert not granted or sum(each[1] for each in window) <= bound
        assert granted == wanted or sum(each[1] for each in window) >= bound
        for _ in range(idle_seconds + 1):
            budget.on_deadline()
        past += [(0, 0)] * idle_seconds
