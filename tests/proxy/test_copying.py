"""Copies are sent behind the user's back, within their bounds, and each has an outcome that is counted once."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from gateway.core.shadowing import is_sampled
from gateway.core.types import Breaker, MissingKey, Override
from gateway.proxy.copying import may_copy
from tests.proxy.mirror import BODY_BYTES, IDS, NEVER, Mirror, Shelf, long_answer, shadow, with_id
from tests.proxy.pair import ALWAYS, ERROR, FAILOVER, pair_table
from tests.proxy.wiring import OK, SWITCHED, UPGRADE, Wires

if TYPE_CHECKING:
    from collections.abc import Callable

NEW = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\n\r\nnew"
FORCED = b"X-Crossfade-Arm: candidate\r\n"
LONG = long_answer(BODY_BYTES + 1)


# When, and what becomes of it.


async def test_a_copy_is_sent_when_the_user_has_the_answer() -> None:
    """Not a byte before the last byte of it is written."""
    mirror = Mirror()
    client = mirror.ask()
    assert not mirror.sent
    mirror.baseline.data_received(OK[:-1])
    assert not mirror.sent
    mirror.baseline.data_received(OK[-1:])

    assert client.written.endswith(b"\r\n\r\nok")
    (copy,) = mirror.sent
    assert copy.written.startswith(b"GET /a HTTP/1.1\r\n")


async def test_both_answers_go_to_whoever_compares() -> None:
    """As they came: status, fields, body; with what names the request, and when it was."""
    mirror = Mirror()
    before = time()
    mirror.exchange(fields=with_id(b"id-1"), path=b"/orders/7?a=1")
    mirror.sent[0].answer(NEW)

    (pair,) = mirror.shelf.pairs
    assert (pair.route, pair.path, pair.method, pair.request_id) == ("all", "/orders/{id}", "GET", "id-1")
    assert before <= pair.time <= time()
    assert not pair.is_twin
    assert (pair.baseline.status, pair.baseline.body) == (200, b"ok")
    assert b"Content-Length: 2\r\n" in pair.baseline.head
    assert (pair.other.status, pair.other.body) == (201, b"new")
    assert b"Set-Cookie: a=b\r\n" in pair.other.head
    assert mirror.outcomes == {}
    assert mirror.under_way == 0


async def test_the_users_answer_is_the_same_to_the_byte() -> None:
    """With copying or without, and nothing follows it."""
    mirror, plain = Mirror(), Wires(pair_table(rollout=NEVER))
    backend, _ = plain.backend()
    client, written = plain.client()
    client.data_received(b"GET /a HTTP/1.1\r\nHost: example.com\r\n" + with_id(b"id-1") + b"\r\n")
    backend.data_received(OK)
    mirrored = mirror.exchange(fields=with_id(b"id-1"))
    mirror.sent[0].answer(NEW)

    assert mirrored.written == written.written
    assert not mirrored.is_closed


async def test_a_copy_counts_for_nothing_but_itself() -> None:
    """No request, error, latency or failover of the candidate's, whatever comes of it: guards don't see it."""
    mirror = Mirror(failover=FAILOVER, breaker=Breaker(2, 10.0))
    for answer in (ERROR, b"garbage\r\n\r\n", ERROR):
        mirror.open_lanes()
        mirror.exchange()
        mirror.sent[-1].answer(answer)

    figures = mirror.take()
    assert {subject.arm for subject, each in figures.items() if each.answers} == {"baseline"}
    copies = [each for subject, each in figures.items() if subject.arm == "candidate"]
    assert [(each.requests, each.errors, each.latencies, each.failovers) for each in copies] == [(0, {}, {}, {})]
    assert [each.copies for each in copies] == [{("error", "protocol"): 1}]
    assert not mirror.plane.generation.troubled
    assert not mirror.to_candidate.written


async def test_no_cookie_comes_of_a_copy() -> None:
    """The user gets the gateway's own once, and none that the candidate set."""
    keyless = replace(NEVER, key=(), on_missing_key=MissingKey.COOKIE)
    mirror = Mirror(rollout=keyless)
    client = mirror.exchange()
    mirror.sent[0].answer(NEW)

    assert client.written.count(b"Set-Cookie: ") == 1
    assert b"a=b" not in client.written


# Which.


@pytest.mark.parametrize("method", [b"POST", b"DELETE", b"OPTIONS"])
async def test_methods_that_are_not_listed_are_not_copied(method: bytes) -> None:
    """Nor counted as skipped: nobody wanted them copied."""
    mirror = Mirror()
    mirror.exchange(method=method)

    assert (mirror.sent, mirror.outcomes) == ([], {})


async def test_the_sample_is_drawn_by_request_id() -> None:
    """By the ID alone, so the same on every worker; what is not in it is not counted."""
    mirror, other = Mirror(shadow=shadow(percent=30.0)), Mirror(shadow=shadow(percent=30.0))
    for request_id in IDS:
        for each in (mirror, other):
            before = len(each.sent)
            each.exchange(fields=with_id(request_id))
            if len(each.sent) > before:
                each.sent[-1].answer()

    expected = [each.decode() for each in IDS if is_sampled(each, 30.0)]
    assert [pair.request_id for pair in mirror.shelf.pairs] == expected
    assert [pair.request_id for pair in other.shelf.pairs] == expected
    assert 30 < len(expected) < 90
    assert mirror.outcomes == {}


async def test_what_the_candidate_answers_is_copied_where_both_directions_are() -> None:
    """To the baseline; and the pair is the right way round."""
    one_way, mirror = Mirror(rollout=ALWAYS), Mirror(rollout=ALWAYS, shadow=shadow(both=True))
    for each in (one_way, mirror):
        each.ask()
        each.candidate.data_received(NEW)
    assert not one_way.sent_back
    (copy,) = mirror.sent_back
    copy.answer(OK)

    (pair,) = mirror.shelf.pairs
    assert (pair.baseline.body, pair.other.body) == (b"ok", b"new")
    assert not mirror.sent
    assert b"X-Crossfade-Arm: baseline\r\n" in copy.written


async def test_a_request_that_failed_over_is_not_copied() -> None:
    """Both arms have had it."""
    mirror = Mirror(rollout=ALWAYS, failover=FAILOVER, shadow=shadow(both=True, methods={"GET", "POST"}))
    for request in (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n"):
        client = mirror.send(request)
        mirror.candidate.connection_lost(None)
        mirror.new_candidate()
        if not client.written:
            mirror.baseline.data_received(OK)

    assert (mirror.sent, mirror.sent_back) == ([], [])
    assert mirror.outcomes == {("error", "reset"): 1}  # of the POST, which nobody asked anew


async def test_who_forces_an_arm_is_copied_like_others() -> None:
    """From the baseline to the candidate, not the other way; and whoever compares can tell."""
    mirror = Mirror(override=Override(("127.0.0.0/8",), ""))
    mirror.ask(FORCED)
    mirror.candidate.data_received(OK)
    assert not mirror.sent_back
    for fields in (b"X-Crossfade-Arm: baseline\r\n", b""):
        mirror.exchange(fields=fields)
        mirror.sent[-1].answer()

    assert len(mirror.sent) == 2
    assert [pair.is_forced for pair in mirror.shelf.pairs] == [True, False]


def test_a_table_copies_where_a_route_says_so_and_its_rollout_may() -> None:
    """A rollback ends it, unless it is one to shadow."""
    assert may_copy(pair_table(shadow=shadow()))
    assert not may_copy(pair_table())
    assert not may_copy(pair_table(shadow=shadow(), rollout=replace(NEVER, copies=False)))


# Why not.


def leave(mirror: Mirror) -> None:
    mirror.ask()
    mirror.clients[-1].connection_lost(None)


def leave_midway(mirror: Mirror) -> None:
    mirror.ask()
    mirror.baseline.data_received(OK[:-1])
    mirror.clients[-1].connection_lost(None)


def send_much(mirror: Mirror) -> None:
    mirror.exchange(b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001)


def get_much(mirror: Mirror) -> None:
    mirror.exchange(answer=LONG)


def be_answered_early(mirror: Mirror) -> None:
    mirror.send(b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
    mirror.baseline.data_received(OK)


def upgrade(mirror: Mirror) -> None:
    mirror.send(UPGRADE)
    mirror.baseline.data_received(SWITCHED)
    mirror.clients[-1].connection_lost(None)


def ask_for_upgrade(mirror: Mirror) -> None:
    mirror.exchange(UPGRADE)


def fill_shelf(mirror: Mirror) -> None:
    mirror.shelf.room = 0
    mirror.exchange()


def crowd(mirror: Mirror) -> None:
    mirror.plane._allowance.left_bytes = 1
    mirror.exchange()
    mirror.plane._allowance.left_bytes = 2


def break_request_off(mirror: Mirror) -> None:
    mirror.send(b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (leave, "client_gone"),
        (leave_midway, "client_gone"),
        (break_request_off, "client_gone"),
        (send_much, "body_size"),
        (get_much, "body_size"),
        (be_answered_early, "body_size"),
        (upgrade, "upgrade"),
        (ask_for_upgrade, "upgrade"),
        (fill_shelf, "comparer_busy"),
        (crowd, "concurrency"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_can_not_be_compared_is_not_sent(act: Callable[[Mirror], None], reason: str) -> None:
    """And counted once, with the reason."""
    mirror = Mirror()
    room = mirror.left_bytes
    act(mirror)

    assert not mirror.sent
    assert mirror.outcomes == {("skipped", reason): 1}
    assert (mirror.under_way, mirror.left_bytes) == (0, room if act is not crowd else 2)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (lambda mirror: mirror.baseline.connection_lost(None), "reset"),
        (lambda mirror: mirror.baseline.data_received(b"garbage\r\n\r\n"), "protocol"),
        (lambda mirror: mirror.pass_time(31), "timeout"),
    ],
    ids=["reset", "protocol", "timeout"],
)
async def test_what_the_baseline_failed_is_not_sent(failure: Callable[[Mirror], None], kind: str) -> None:
    """There is nothing to compare with; the failure is counted as what came of the copy."""
    mirror = Mirror()
    mirror.ask()
    failure(mirror)

    assert not mirror.sent
    assert mirror.outcomes == {("error", kind): 1}


async def test_an_answer_that_broke_off_is_compared_with_nothing() -> None:
    """Half an answer is none."""
    mirror = Mirror()
    mirror.ask()
    mirror.baseline.data_received(OK[:-1])
    mirror.baseline.connection_lost(None)
    for copy in mirror.sent:
        copy.answer()

    assert mirror.shelf.pairs == []
    assert mirror.outcomes == {("error", "reset"): 1}


@pytest.mark.parametrize("bad", [ERROR, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"])
async def test_an_answer_is_compared_whatever_its_status(bad: bytes) -> None:
    """A side that fails in its own words has answered: what that means is for whoever compares."""
    mirror = Mirror()
    mirror.exchange(answer=bad)
    mirror.sent[0].answer(bad)

    assert [pair.baseline.status == pair.other.status for pair in mirror.shelf.pairs] == [True]


async def test_whoever_is_kept_away_from_a_resting_candidate_is_not_copied_either() -> None:
    """It rests for copies, too."""
    mirror = Mirror(rollout=ALWAYS, breaker=Breaker(2, 10.0))
    for _ in range(2):
        mirror.ask()
        mirror.candidate.data_received(ERROR)
    mirror.take()
    mirror.exchange()

    assert mirror.to_baseline.written
    assert not mirror.sent
    assert mirror.outcomes == {("skipped", "breaker"): 1}


async def test_a_pair_that_there_is_no_room_for_any_more_is_counted() -> None:
    """There was room when the copy was sent."""
    mirror = Mirror(Shelf(room=1))
    mirror.exchange()
    mirror.shelf.room = 0
    mirror.sent[0].answer()

    assert mirror.outcomes == {("skipped", "comparer_busy"): 1}
