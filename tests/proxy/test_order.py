"""The order of copies, over several workers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.order import Order, Ticket, Tickets

ROUTE, KEY = "orders", b"user-1"
PATIENCE = 10.0


class Clock:
    """Nanoseconds, as the test has it."""

    def __init__(self) -> None:
        self.ns = 1_000

    def __call__(self) -> int:
        return self.ns


def workers(count: int) -> tuple[Clock, list[Tickets]]:
    clock, order = Clock(), Order(count)
    return clock, [Tickets(order, worker, clock) for worker in range(count)]


def test_the_first_ticket_is_next_and_the_second_is_when_it_was_given_back():
    """Copies of one key go one after the other."""
    _, [tickets] = workers(1)
    first, second = tickets.take(ROUTE, KEY), tickets.take(ROUTE, KEY)
    assert tickets.is_next(first, PATIENCE)
    assert not tickets.is_next(second, PATIENCE)
    tickets.give_back(first)
    assert tickets.is_next(second, PATIENCE)


def test_a_ticket_waits_for_an_older_one_of_another_worker():
    """The order holds wherever the client's requests arrive."""
    clock, [here, there] = workers(2)
    first = here.take(ROUTE, KEY)
    clock.ns += 1
    second = there.take(ROUTE, KEY)
    assert not there.is_next(second, PATIENCE)
    assert here.is_next(first, PATIENCE)
    here.give_back(first)
    assert there.is_next(second, PATIENCE)


def test_a_ticket_that_was_taken_in_the_middle_does_not_hide_the_older_one():
    """What a worker shows is its oldest ticket, whichever is given back."""
    clock, [here, there] = workers(2)
    first, second = here.take(ROUTE, KEY), here.take(ROUTE, KEY)
    clock.ns += 10
    third = there.take(ROUTE, KEY)
    here.give_back(second)
    assert not there.is_next(third, PATIENCE)
    here.give_back(first)
    assert there.is_next(third, PATIENCE)


def test_other_keys_and_routes_do_not_wait():
    """Only what belongs together is in one order."""
    _, [tickets] = workers(1)
    tickets.take(ROUTE, KEY)
    assert tickets.is_next(tickets.take(ROUTE, b"user-2"), PATIENCE)
    assert tickets.is_next(tickets.take("others", KEY), PATIENCE)
    assert tickets.is_out(ROUTE, KEY)
    assert not tickets.is_out(ROUTE, b"user-3")


def test_what_takes_too_long_is_waited_for_no_more():
    """A worker that hangs does not hold up the copies of the others for ever."""
    clock, [here, there] = workers(2)
    here.take(ROUTE, KEY)
    clock.ns += 1
    second = there.take(ROUTE, KEY)
    clock.ns += int(PATIENCE * 1e9)
    assert not there.is_next(second, PATIENCE)
    clock.ns += 1
    assert there.is_next(second, PATIENCE)


def test_a_new_worker_has_none_of_its_predecessors_tickets_out():
    """A worker that died is not waited for."""
    clock, order = Clock(), Order(2)
    dead, other = Tickets(order, 0, clock), Tickets(order, 1, clock)
    dead.take(ROUTE, KEY)
    clock.ns += 1
    ticket = other.take(ROUTE, KEY)
    assert not other.is_next(ticket, PATIENCE)
    Tickets(order, 0, clock)
    assert other.is_next(ticket, PATIENCE)


def test_tickets_of_one_moment_are_told_apart():
    """The clock may stand still."""
    _, [tickets] = workers(1)
    assert tickets.take(ROUTE, KEY).at < tickets.take(ROUTE, KEY).at


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40))
def test_whoever_is_next_is_the_oldest_of_all(steps: list[tuple[int, bool]]):
    """However tickets are taken and given back, at most one is next, and it is the oldest."""
    clock, everyone = workers(3)
    out: list[tuple[Tickets, Ticket]] = []
    for worker, takes in steps:
        clock.ns += 1
        if takes or not out:
            out.append((everyone[worker], everyone[worker].take(ROUTE, KEY)))
        else:
            tickets, ticket = out.pop(worker % len(out))
            tickets.give_back(ticket)
        assert [ticket for tickets, ticket in out if tickets.is_next(ticket, PATIENCE)] == [
            ticket for _, ticket in out[:1]
        ]
    assert everyone[0].is_out(ROUTE, KEY) == bool(out)
