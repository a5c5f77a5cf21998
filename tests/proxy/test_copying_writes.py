"""Where writes are copied, both arms take every one of them, in the order of their key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.types import KeyKind, KeySource
from tests.proxy.mirror import BODY_BYTES, NEVER, TIMEOUT_SECONDS, WRITES, Mirror, Shelf, long_answer, post, shadow
from tests.proxy.pair import pair_table
from tests.proxy.wiring import OK

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.shadowing import Shadow

BY_USER = replace(NEVER, key=((KeySource(KeyKind.HEADER, "X-User-ID"),),))


def double(**changes: object) -> Shadow:
    """Writes are copied, and nothing else."""
    return shadow(**{"percent": 0.0, "methods": WRITES} | changes)


def mirrored(shelf: Shelf | None = None, **changes: object) -> Mirror:
    """Writes are copied, and ordered by user."""
    return Mirror(shelf, rollout=BY_USER, shadow=double(**changes))


def paths(mirror: Mirror) -> list[bytes]:
    """Of the copies that were sent, in order."""
    return [copy.target for copy in mirror.sent]


async def test_writes_are_copied_whatever_the_percentage() -> None:
    """Reads are not: those are samples."""
    mirror = mirrored()
    mirror.exchange(post())
    mirror.exchange()

    (copy,) = mirror.sent
    assert copy.written.startswith(b"POST /a HTTP/1.1\r\n")
    assert copy.body == b"hello"


async def test_a_write_names_itself() -> None:
    """By the request's ID, so that whoever gets it twice can tell; or by the name that its client gave it."""
    mirror = mirrored()
    mirror.exchange(post(fields=b"X-Request-ID: id-1\r\n"))
    mirror.exchange(post(fields=b"Idempotency-Key: mine\r\n", user="2"))
    lines = [[line for line in copy.head.split(b"\r\n") if line.startswith(b"Idempotency")] for copy in mirror.sent]

    assert lines == [[b"Idempotency-Key: id-1"], [b"Idempotency-Key: mine"]]


async def test_a_read_names_nothing() -> None:
    """It may come any number of times."""
    mirror = Mirror()
    mirror.exchange()

    assert b"Idempotency-Key" not in mirror.sent[0].written


async def test_writes_of_one_key_go_one_after_the_other() -> None:
    """Each when the one before it is over, however it ended; other keys don't wait."""
    mirror = mirrored(concurrency=8)
    for path in (b"/1", b"/2", b"/3"):
        mirror.exchange(post(path=path))
    mirror.exchange(post(path=b"/other", user="2"))
    assert paths(mirror) == [b"/1", b"/other"]

    mirror.sent[0].answer()
    assert paths(mirror) == [b"/1", b"/other", b"/2"]
    mirror.sent[2].break_off()
    assert paths(mirror) == [b"/1", b"/other", b"/2", b"/3"]


async def test_a_write_that_hangs_lets_the_next_one_through_when_its_time_is_over() -> None:
    """The candidate's own fault: it is counted, and no other user notices."""
    mirror = mirrored()
    mirror.exchange(post(path=b"/1"))
    mirror.exchange(post(path=b"/2"))
    mirror.pass_time(TIMEOUT_SECONDS + 0.2)
    mirror.sent[1].answer()

    assert paths(mirror) == [b"/1", b"/2"]
    assert mirror.outcomes == {("error", "timeout"): 1}
    assert len(mirror.shelf.pairs) == 1


async def test_reads_of_a_key_wait_for_its_writes() -> None:
    """Else they would find what was before; reads of others go at once, and those before the write have gone."""
    mirror = mirrored(percent=100.0, concurrency=8)
    user = b"X-User-ID: 1\r\n"
    mirror.exchange(path=b"/before", fields=user)
    mirror.exchange(post(path=b"/write"))
    mirror.exchange(path=b"/after", fields=user)
    mirror.exchange(path=b"/other", fields=b"X-User-ID: 2\r\n")
    assert paths(mirror) == [b"/before", b"/write", b"/other"]

    mirror.sent[1].answer()
    assert paths(mirror)[3:] == [b"/after"]


async def test_who_has_no_key_is_ordered_by_where_it_comes_from() -> None:
    """Two addresses don't wait for each other."""
    mirror = mirrored()
    keyless = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    for number, peer in enumerate(("192.0.2.1", "192.0.2.1", "192.0.2.2")):
        client, _ = mirror.client(peer)
        client.data_received(keyless % b"%d" % number)
        mirror.baseline.data_received(OK)

    assert paths(mirror) == [b"/0", b"/2"]


async def test_the_order_is_that_of_the_baselines_answers() -> None:
    """Of two writes under way at once, the one whose answer begins first goes first, though it may end last."""
    mirror = mirrored()
    second, _ = mirror.connection("legacy")
    mirror.send(post(path=b"/late"))
    mirror.send(post(path=b"/early"))
    assert b"POST /early " in mirror.to_baseline.written
    mirror.baseline.data_received(OK[:-1])
    second.data_received(OK)
    assert paths(mirror) == []
    mirror.baseline.data_received(OK[-1:])
    mirror.sent[0].answer()

    assert paths(mirror) == [b"/early", b"/late"]


@given(
    st.lists(st.sampled_from(["read 1", "write 1", "read 2", "write 2", "answer", "break"]), max_size=40),
)
async def test_no_copy_of_a_key_overtakes_a_write_of_it(steps: list[str]) -> None:
    """Whatever comes, and however the candidate answers; in the end everything has been sent once."""
    mirror = mirrored(percent=100.0, concurrency=50)
    asked, waiting = list[tuple[str, str, bytes]](), 0
    for number, step in enumerate(steps):
        kind, _, user = step.partition(" ")
        if user:
            path = b"/%d" % number
            asked.append((kind, user, path))
            request = b"GET %b HTTP/1.1\r\nHost: a\r\nX-User-ID: %b\r\n\r\n" % (path, user.encode())
            mirror.exchange(request if kind == "read" else post(path=path, user=user))
        elif waiting < len(mirror.sent):
            mirror.sent[waiting].answer() if kind == "answer" else mirror.sent[waiting].break_off()
            waiting += 1
        _check_order(asked, mirror, waiting)
    while waiting < len(mirror.sent):
        mirror.sent[waiting].answer()
        waiting += 1

    assert sorted(paths(mirror)) == sorted(path for _, _, path in asked)


def _check_order(asked: list[tuple[str, str, bytes]], mirror: Mirror, ended: int) -> None:
    sent, over = paths(mirror), set(paths(mirror)[:ended])
    for user in ("1", "2"):
        of_user = [(kind, path) for kind, who, path in asked if who == user]
        writes_open = [path for kind, path in of_user if kind == "write" and path in sent and path not in over]
        assert len(writes_open) <= 1
        for at, (kind, path) in enumerate(of_user):
            if kind == "write" and path not in over:
                assert not any(later in sent for _, later in of_user[at + 1 :])


# What may be lacking.


async def test_a_write_is_sent_also_where_nobody_can_compare() -> None:
    """It is counted as skipped, since it is."""
    mirror = mirrored(Shelf(room=0))
    mirror.exchange(post())
    mirror.sent[0].answer()

    assert mirror.outcomes == {("skipped", "comparer_busy"): 1}


@pytest.mark.parametrize("room", [64 << 20, 6])
async def test_a_write_is_sent_also_where_its_answer_is_too_long(room: int) -> None:
    """Over the bound of one, or over what is left for all."""
    mirror = mirrored()
    mirror.plane._allowance.left_bytes = room
    mirror.exchange(post(), answer=long_answer(BODY_BYTES + 1 if room > BODY_BYTES else 5))
    mirror.sent[0].answer()

    assert mirror.sent[0].body == b"hello"
    assert mirror.outcomes == {("skipped", "body_size" if room > BODY_BYTES else "concurrency"): 1}
    assert mirror.left_bytes == room


async def test_a_write_is_sent_also_when_its_client_left_during_the_answer() -> None:
    """The baseline has taken it."""
    mirror = mirrored()
    mirror.send(post())
    mirror.baseline.data_received(OK[:-1])
    mirror.clients[-1].connection_lost(None)
    mirror.sent[0].answer()

    assert mirror.outcomes == {("skipped", "client_gone"): 1}


def leave_before_the_answer(mirror: Mirror) -> None:
    mirror.send(post())
    mirror.clients[-1].connection_lost(None)


def leave_in_the_body(mirror: Mirror) -> None:
    mirror.send(post()[:-1])
    mirror.clients[-1].connection_lost(None)


def be_refused_in_the_body(mirror: Mirror) -> None:
    mirror.send(post()[:-1])
    mirror.baseline.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")


def send_garbage_in_the_body(mirror: Mirror) -> None:
    mirror.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\ngarbage\r\n")


def lose_the_baseline(mirror: Mirror) -> None:
    mirror.send(post())
    mirror.baseline.connection_lost(None)


def send_too_much(mirror: Mirror) -> None:
    mirror.exchange(post(b"x" * (BODY_BYTES + 1)))


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (leave_before_the_answer, ("skipped", "client_gone")),
        (leave_in_the_body, ("skipped", "client_gone")),
        (be_refused_in_the_body, ("skipped", "body_size")),
        (send_garbage_in_the_body, ("skipped", "client_gone")),
        (lose_the_baseline, ("error", "reset")),
        (send_too_much, ("skipped", "body_size")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_write_that_the_baseline_may_not_have_taken_whole_is_not_sent(
    act: Callable[[Mirror], None], outcome: tuple[str, str]
) -> None:
    """The candidate must have none that the baseline has not; and nothing waits for it."""
    mirror = mirrored()
    act(mirror)
    assert (mirror.sent, mirror.outcomes, mirror.under_way) == ([], {outcome: 1}, 0)

    if not mirror.pool_of("legacy").endpoints[0].idle:
        mirror.baseline, mirror.to_baseline = mirror.connection("legacy")
    mirror.exchange(post(path=b"/next"))
    assert paths(mirror) == [b"/next"]


async def test_a_write_past_the_bound_is_counted_and_holds_nobody_up() -> None:
    """As many as may be under way or wait; the order of the others stays."""
    mirror = mirrored(concurrency=2)
    for path in (b"/1", b"/2", b"/3"):
        mirror.exchange(post(path=path))
    assert mirror.outcomes == {("skipped", "concurrency"): 1}
    mirror.sent[0].answer()
    mirror.exchange(post(path=b"/4"))
    mirror.sent[1].answer()

    assert paths(mirror) == [b"/1", b"/2", b"/4"]


async def test_a_worker_that_stops_ends_its_copies_first() -> None:
    """Some may be writes that only the baseline has had, those among them that still wait for their turn."""
    mirror = mirrored()
    mirror.exchange(post(path=b"/1"))
    mirror.exchange(post(path=b"/2"))
    loop = mirror.plane.loop
    loop.call_later(0.06, mirror.sent[0].answer)
    mirror.shelf.on_offer = lambda: loop.call_soon(mirror.sent[-1].answer) if not mirror.shelf.pairs else None
    for client in mirror.clients:
        client.connection_lost(None)
    await mirror.plane.drain(30)

    assert len(mirror.shelf.pairs) == 2


async def test_a_rollback_ends_what_waits_for_its_turn() -> None:
    """A candidate that hangs is rolled back: writes that queue for it, however many, never get there."""
    mirror = mirrored(concurrency=2000)
    room = mirror.left_bytes
    for number in range(1500):
        mirror.exchange(post(path=b"/%d" % number))
    lane = mirror.lane()
    rules = pair_table(rollout=replace(BY_USER, copies=False), shadow=double(concurrency=2000))
    mirror.adopt(replace(rules, revision="2"))
    mirror.sent[0].answer()
    while mirror.under_way:
        await asyncio.sleep(0)

    assert paths(mirror) == [b"/0"]
    assert (lane.under_way, mirror.left_bytes) == (0, room)
    assert mirror.outcomes == {}


async def test_a_write_that_only_one_arm_has_is_told() -> None:
    """By route and reason, so that people hear that both services are no longer alike; not one that was taken."""
    mirror = mirrored(concurrency=1)
    mirror.exchange(post(user="1"))
    mirror.exchange(post(user="2"))
    mirror.exchange()
    assert mirror.plane.counters.lacking_writes == {("all", "concurrency"): 1}

    mirror.sent[0].break_off()
    assert mirror.plane.counters.lacking_writes == {("all", "concurrency"): 1, ("all", "reset"): 1}
    mirror.open_lanes()
    mirror.exchange(post(user="3"))
    mirror.sent[1].answer(long_answer(BODY_BYTES + 1))
    assert sum(mirror.plane.counters.lacking_writes.values()) == 2
