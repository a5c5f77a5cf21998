"""What passes through a request that is to be copied is kept, within its bounds, and let go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.responses import parse_response
from gateway.core.shadowing import Reply
from gateway.proxy.order import Order, Tickets
from gateway.proxy.tee import NO_ROOM, TOO_LARGE, Allowance, CountedBody, Tee

HEAD = b"HTTP/1.1 201 Created\r\nX-A: b\r\n\r\n"
adds = st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), max_size=20)


def test_a_tee_has_what_passed() -> None:
    """The request's body, and the answer, once both are there."""
    tee = Tee(100, Allowance())
    tee.request.add(b"hello", b"")
    tee.begin_answer(parse_response(HEAD))
    tee.add(b"wor", is_done=False)
    assert not tee.is_answered
    tee.add(b"ld", is_done=True)

    assert (tee.is_answered, tee.lack, tee.status) == (True, None, 201)
    assert tee.request.content == b"hello"
    assert tee.reply == Reply(201, HEAD, b"world")


def test_each_body_has_the_bound_for_itself() -> None:
    """One that is longer is not kept, and says so."""
    tee = Tee(4, Allowance())
    tee.request.add(b"1234", b"")
    tee.add(b"1234", is_done=False)
    assert tee.lack is None
    tee.add(b"5", is_done=True)

    assert (tee.lack, tee.request.is_whole, tee.is_answered) == (TOO_LARGE, True, True)
    assert tee.reply.body == b""


def test_where_there_is_no_room_for_all_the_one_that_came_late_is_not_kept() -> None:
    """Those that were there before stay whole."""
    allowance = Allowance(10)
    early, late = Tee(100, allowance), Tee(100, allowance)
    early.request.add(b"1234567", b"")
    late.request.add(b"12", b"")
    late.request.add(b"34", b"")

    assert (early.lack, late.lack) == (None, NO_ROOM)
    assert (early.request.content, late.request.content) == (b"1234567", b"")
    assert allowance.left_bytes == 3


def test_what_is_kept_counts_until_the_last_holder_lets_go() -> None:
    """The request itself, its copy, and its twin."""
    allowance = Allowance(10)
    tee = Tee(100, allowance)
    tee.request.add(b"123", b"")
    tee.hold()
    tee.release()
    assert (allowance.left_bytes, tee.request.content) == (7, b"123")
    tee.release()
    assert (allowance.left_bytes, tee.request.content) == (10, b"")
    tee.request.add(b"late", b"")
    assert allowance.left_bytes == 10


@given(st.lists(st.tuples(st.integers(0, 30), adds), max_size=6), st.integers(0, 100))
def test_the_room_is_never_overdrawn_and_comes_back_whole(
    tees: list[tuple[int, list[tuple[bool, bytes]]]], room: int
) -> None:
    """Whatever passes, in whatever order, over whichever bound."""
    allowance = Allowance(room)
    made = []
    for bound_bytes, passing in tees:
        tee = Tee(bound_bytes, allowance)
        made.append(tee)
        for is_request, payload in passing:
            tee.request.add(payload, b"") if is_request else tee.add(payload, is_done=False)
            kept = sum(len(each.request.content) + len(each.reply.body) for each in made)
            assert allowance.left_bytes == room - kept >= 0
    for tee in made:
        tee.release()

    assert allowance.left_bytes == room


def test_a_body_says_which_bound_it_was_over() -> None:
    """Its own, or that of all: the first that it met."""
    own, crowded = CountedBody(4, Allowance()), CountedBody(100, Allowance(3))
    own.add(b"12345", b"")
    crowded.add(b"1234", b"")

    assert (own.lack, crowded.lack) == (TOO_LARGE, NO_ROOM)


def test_the_ticket_is_taken_when_the_answer_begins() -> None:
    """Before the client can know of it; a request without an answer has none."""
    tickets = Tickets(Order(1), 0)
    tee = Tee(100, Allowance(), lambda: tickets.take("shop", b"1"))
    assert tee.ticket is None
    assert not tickets.is_out("shop", b"1")
    tee.begin_answer(parse_response(HEAD))

    assert tee.ticket is not None
    assert tickets.is_out("shop", b"1")
