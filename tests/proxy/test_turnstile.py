"""Copies that go when it is their turn."""

from __future__ import annotations

import asyncio

from gateway.proxy.order import Order, Tickets
from gateway.proxy.turnstile import Turnstile

ROUTE, KEY = "orders", b"user-1"
PATIENCE = 60.0


async def test_copies_of_one_key_go_in_the_order_of_their_tickets():
    """Whoever comes first to the turnstile: the tickets decide."""
    turnstile, gone = Turnstile(Tickets(Order(1), 0)), list[int]()
    first, second, third = (turnstile.tickets.take(ROUTE, KEY) for _ in range(3))
    turnstile.enter(third, PATIENCE, lambda: gone.append(3))
    turnstile.enter(second, PATIENCE, lambda: gone.append(2))
    turnstile.enter(first, PATIENCE, lambda: gone.append(1))
    assert gone == [1]
    turnstile.leave(first)
    assert gone == [1, 2]
    turnstile.leave(second)
    assert gone == [1, 2, 3]
    turnstile.leave(third)
    assert not turnstile.tickets.is_out(ROUTE, KEY)


async def test_a_ticket_that_comes_to_nothing_lets_the_next_one_through():
    """A request that gets no copy after all holds up nobody."""
    turnstile, gone = Turnstile(Tickets(Order(1), 0)), list[int]()
    first, second = (turnstile.tickets.take(ROUTE, KEY) for _ in range(2))
    turnstile.enter(second, PATIENCE, lambda: gone.append(2))
    turnstile.leave(first)
    assert gone == [2]


async def test_a_copy_goes_soon_after_another_workers_is_over():
    """Nobody calls across processes, so who waits looks again."""
    order = Order(2)
    elsewhere, turnstile, gone = Tickets(order, 0), Turnstile(Tickets(order, 1)), asyncio.Event()
    before = elsewhere.take(ROUTE, KEY)
    turnstile.enter(turnstile.tickets.take(ROUTE, KEY), PATIENCE, gone.set)
    assert not gone.is_set()
    elsewhere.give_back(before)
    async with asyncio.timeout(10):
        await gone.wait()


async def test_a_copy_that_ends_at_once_may_let_others_through_from_within():
    """A copy can be over before `enter` returns."""
    turnstile, gone = Turnstile(Tickets(Order(1), 0)), list[int]()
    tickets = [turnstile.tickets.take(ROUTE, KEY) for _ in range(3)]

    def go(number: int) -> None:
        gone.append(number)
        turnstile.leave(tickets[number])

    for number in (2, 1, 0):
        turnstile.enter(tickets[number], PATIENCE, lambda number=number: go(number))
    assert gone == [0, 1, 2]
