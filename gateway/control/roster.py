"""Who serves what: one seat per worker slot, with the newest table that its worker has acknowledged.

The gateway is ready when every slot's worker is connected, not draining, and has applied the newest table. The roster
is told what happens (`published`, `joined`, `applied`, `drains`, `lost`, `left`), and answers who lags and when nobody
does. The comparer has a seat, too, but apart: users are served without it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.core.histogram import merge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.figures import Subject
    from gateway.core.histogram import Buckets


@dataclass(slots=True, eq=False)
class Seat:
    """One worker's connection. A successor in the same slot gets a seat of its own."""

    slot: int
    pid: int
    revision: str = ""
    run: int = 0
    """Names its process: unlike a pid, no other has ever had it."""
    serial: int = 0
    """Of the table that it serves; 0 before the first."""
    connections: int = 0
    in_flight: int = 0
    backend_connections: int = 0
    endpoints: dict[str, dict[str, bool]] = field(default_factory=dict)
    waiting: dict[Subject, Buckets] = field(default_factory=dict)
    """How long requests wait there for their backend's header."""
    is_draining: bool = False
    journal_bytes: Mapping[str, int] = field(default_factory=dict)
    """How much each route's journal holds, of all workers together, as this one knows."""


class Roster:
    """The seats of ``slots`` workers, and the serial that all of them should serve."""

    def __init__(self, slots: int) -> None:
        self.newest = 0
        """Serial of the newest table; 0 before the first."""
        self.revision = ""
        self.seats: dict[int, Seat] = {}
        self.comparer: Seat | None = None
        """None while it is not connected."""
        self._slots = slots
        self._dropped: dict[int, Mapping[str, int]] = {}
        """By run: a worker that comes back says the same again, and one that is gone still counts."""
        self._news = asyncio.Event()

    def published(self, serial: int, revision: str) -> None:
        """A newer table is there."""
        self.newest, self.revision = serial, revision
        self._tell()

    def joined(self, slot: int, pid: int, revision: str, run: int) -> Seat:
        """A worker connected, serving ``revision``; from now on it is the one that counts for its slot."""
        seat = Seat(slot, pid, revision, run)
        if 0 <= slot < self._slots:
            self.seats[slot] = seat
        self._tell()
        return seat

    def comparer_joined(self, pid: int, revision: str, run: int) -> Seat:
        """The comparer connected. Nobody waits for it."""
        self.comparer = Seat(-1, pid, revision, run)
        return self.comparer

    def applied(self, seat: Seat, serial: int) -> None:
        """A worker serves the table with this serial."""
        seat.serial = serial
        if serial == self.newest:
            seat.revision = self.revision
        self._tell()

    def drains(self, seat: Seat, *, is_draining: bool) -> None:
        """A worker has stopped accepting, or not."""
        if seat.is_draining != is_draining:
            seat.is_draining = is_draining
            self._tell()

    def lost(self, seat: Seat, dropped: Mapping[str, int]) -> None:
        """A worker says what it could not pass on in time since it began, by what it was."""
        if any(dropped.values()):
            self._dropped[seat.run] = dropped

    def left(self, seat: Seat) -> None:
        """A worker's connection ended. That of a predecessor may end after its successor joined."""
        if self.seats.get(seat.slot) is seat:
            del self.seats[seat.slot]
        if self.comparer is seat:
            self.comparer = None
        self._tell()

    def lagging(self) -> list[str]:
        """Why the gateway is not ready, one sentence per slot; empty when it is."""
        if not self.newest:
            return ["no configuration has been compiled yet"]
        return [reason for slot in range(self._slots) if (reason := self._lag(slot))]

    def states(self) -> dict[str, int]:
        """How many workers are ``ready``, ``lagging`` (behind the newest table), ``draining`` and ``missing``."""
        draining = sum(seat.is_draining for seat in self.seats.values())
        ready = sum(seat.serial == self.newest and not seat.is_draining for seat in self.seats.values())
        return {
            "ready": ready,
            "lagging": len(self.seats) - ready - draining,
            "draining": draining,
            "missing": self._slots - len(self.seats),
        }

    def health(self) -> dict[str, dict[str, bool]]:
        """Of each backend's endpoints, whether every worker that reports finds them healthy."""
        health: dict[str, dict[str, bool]] = {}
        for seat in self.seats.values():
            for backend, endpoints in seat.endpoints.items():
                merged = health.setdefault(backend, {})
                for url, is_healthy in endpoints.items():
                    merged[url] = merged.get(url, True) and is_healthy
        return health

    def waiting(self) -> dict[Subject, Buckets]:
        """How long requests wait for their backend's header, in all workers that live."""
        total: dict[Subject, Buckets] = {}
        for seat in self.seats.values():
            for subject, ages in seat.waiting.items():
                merge(total.setdefault(subject, {}), ages)
        return total

    def dropped(self) -> dict[str, int]:
        """What workers could not pass on in time, by what it was; those that are gone included."""
        total: dict[str, int] = {}
        for dropped in self._dropped.values():
            for kind, count in dropped.items():
                total[kind] = total.get(kind, 0) + count
        return total

    def journal_bytes(self) -> dict[str, int]:
        """How much each route's journal holds, by whoever knows of most."""
        most: dict[str, int] = {}
        for seat in self.seats.values():
            for route, count in seat.journal_bytes.items():
                most[route] = max(count, most.get(route, 0))
        return most

    async def caught_up(self, serial: int, seconds: float) -> bool:
        """Wait until every slot serves ``serial`` or a newer table; False when ``seconds`` have passed before that."""
        try:
            async with asyncio.timeout(seconds):
                while not self._serve(serial):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _serve(self, serial: int) -> bool:
        return len(self.seats) == self._slots and all(seat.serial >= serial for seat in self.seats.values())

    def _lag(self, slot: int) -> str:
        seat = self.seats.get(slot)
        if seat is None:
            return f"worker {slot} is not connected"
        if seat.is_draining:
            return f"worker {slot} is draining"
        return f"worker {slot} does not serve the newest table yet" if seat.serial < self.newest else ""

    def _tell(self) -> None:
        self._news.set()
