"""Lets copies go when it is their turn: by the tickets of their keys, over all workers (`gateway.proxy.order`).

Who waits for a copy of this worker is let through the moment that is over. Who waits for another worker's looks again
every few milliseconds: nobody waits for a copy, and it happens only when one client's requests reach two workers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.proxy.order import Ticket, Tickets

LOOK_SECONDS: Final = 0.005
"""How often to look whether another worker's copy is over."""


class Turnstile:
    """See the module; made within a running loop, or before one runs. ``tickets`` are this worker's."""

    __slots__ = ("_is_looking", "_waiting", "tickets")

    def __init__(self, tickets: Tickets) -> None:
        self.tickets = tickets
        self._waiting: dict[Ticket, tuple[float, Callable[[], None]]] = {}
        self._is_looking = False

    def enter(self, ticket: Ticket, patience_seconds: float, go: Callable[[], None]) -> None:
        """Call ``go`` when it is this ticket's turn; those before it are waited for so long at the most."""
        if self.tickets.is_next(ticket, patience_seconds):
            go()
            return
        self._waiting[ticket] = patience_seconds, go
        self._look_later()

    def leave(self, ticket: Ticket) -> None:
        """What the ticket stood for is over, or will not be."""
        self.tickets.give_back(ticket)
        follower = self.tickets.find_first(ticket.place)
        if follower in self._waiting:
            self._try(follower)

    def _look_later(self) -> None:
        if self._waiting and not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._is_looking = False
        for ticket in [*self._waiting]:
            if ticket in self._waiting:
                self._try(ticket)
        self._look_later()

    def _try(self, ticket: Ticket) -> None:
        patience_seconds, go = self._waiting[ticket]
        if self.tickets.is_next(ticket, patience_seconds):
            del self._waiting[ticket]
            go()
