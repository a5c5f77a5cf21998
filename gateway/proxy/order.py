"""In which order the copies of one key go, over all workers: as the baseline answered the originals.

A client that writes twice, one after the other, may reach two workers; should the first copy wait for a slow
candidate, the second must not overtake it. So whoever has a write to copy takes a *ticket* when the baseline's answer
begins, before the client can know of it: the time, by the monotonic clock that all processes of a machine share. A copy
goes when no older ticket of its key is out, with this worker or any other.

What a worker has out it shows in memory that all workers share: one cell for each of `PLACES` and each worker, with the
oldest ticket's time, 0 for none. Each cell is written by one worker only, so no lock could hold up a loop.
Keys share a place by their hash; those that meet there wait for one another, and are none the worse.

A worker that dies leaves its cells; its successor clears them. Whatever takes long, a worker that hangs or an answer
that has no end, is waited for no longer than a bound.
"""

from __future__ import annotations

import mmap
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from mmh3 import mmh3_32_uintdigest

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES: Final = 4096

_CELL_BYTES: Final = 8
_NANOSECONDS: Final = 1_000_000_000


class Ticket:
    """A place in the order, until it is given back."""

    __slots__ = ("at", "place")

    def __init__(self, place: int, at: int) -> None:
        self.place = place
        self.at = at
        """Nanoseconds of the monotonic clock; no two of one worker are alike."""


class Order:
    """The memory, to be made before the workers are: they share it by fork."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.cells = memoryview(mmap.mmap(-1, PLACES * workers * _CELL_BYTES)).cast("Q")


class Tickets:
    """One worker's part of the order. A new one begins with none out."""

    def __init__(self, order: Order, worker: int, clock_ns: Callable[[], int] = monotonic_ns) -> None:
        self._cells = order.cells
        self._workers = order.workers
        self._worker = worker
        self._clock_ns = clock_ns
        self._newest = 0
        self._out: dict[int, dict[Ticket, None]] = {}
        """By place, the oldest first."""
        for place in range(PLACES):
            self._cells[place * self._workers + worker] = 0

    def take(self, route: str, key: bytes) -> Ticket:
        """The next ticket of this key."""
        self._newest = at = max(self._clock_ns(), self._newest + 1)
        ticket = Ticket(_find_place(route, key), at)
        out = self._out.setdefault(ticket.place, {})
        if not out:
            self._cells[ticket.place * self._workers + self._worker] = at
        out[ticket] = None
        return ticket

    def is_out(self, route: str, key: bytes) -> bool:
        """Whether anybody has a ticket of this key."""
        first = _find_place(route, key) * self._workers
        return any(self._cells[first : first + self._workers])

    def is_next(self, ticket: Ticket, patience_seconds: float) -> bool:
        """Whether no older ticket is out, with this worker or another; or this one is older than the patience."""
        first = ticket.place * self._workers
        is_oldest = not any(0 < at < ticket.at for at in self._cells[first : first + self._workers])
        return is_oldest or self._clock_ns() - ticket.at > patience_seconds * _NANOSECONDS

    def find_first(self, place: int) -> Ticket | None:
        """This worker's oldest there."""
        return next(iter(self._out.get(place, ())), None)

    def give_back(self, ticket: Ticket) -> None:
        """What it stood for is over, or will not be."""
        out = self._out[ticket.place]
        del out[ticket]
        if not out:
            del self._out[ticket.place]
        self._cells[ticket.place * self._workers + self._worker] = next(iter(out)).at if out else 0


def _find_place(route: str, key: bytes) -> int:
    return int(mmh3_32_uintdigest(b"%b\0%b" % (route.encode(), key))) % PLACES
