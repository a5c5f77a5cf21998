"""The segments that one process appends to, within the bounds of each route. For one thread only.

A route's bounds are for all processes together, so what the others have written is looked up, at most once a second: a
journal may grow over ``size`` by what they write in that time. Segments whose newest record is older than ``keep`` go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from gateway.journal.records import Entry, Heading, Taken, encode
from gateway.journal.segments import SEGMENT_BYTES, Growing, list_segments, remove

if TYPE_CHECKING:
    from gateway.core.shadowing import Journal

LOOK_SECONDS: Final = 1.0
"""How often at most it is looked up how much a route's journal holds."""

ROOM_SHARE: Final = 0.95
"""A journal that was full takes writes again when it holds no more than this share of its size: else it would be full
and not full in turns."""

PROBE_BYTES: Final = 1024 * 1024
"""After a fault of the disk, so much must be free before writes are entrusted to it again."""

PIECES: Final = 4
"""A segment is ended at the latest after this part of ``keep``, so that nothing is kept much longer."""

log = structlog.get_logger()


class Place:
    """One route's part of the shelf."""

    def __init__(self, directory: Path, policy: Journal) -> None:
        self.directory = directory
        self.policy = policy
        self.used_bytes = 0
        """Of all processes, as far as is known."""
        self.looked_at = float("-inf")
        self.is_full = False
        self.is_faulty = False
        """The disk has refused the last write."""
        self.open: dict[str, tuple[Growing, float]] = {}
        """By rollout, with when it was begun."""

    def has_room(self, frames: bytes, records: int) -> bool:
        """Whether these records fit. Once a single one does not, the journal is full; of several a part may fit."""
        is_over = self.used_bytes + len(frames) > self.policy.size_bytes
        if is_over and records == 1:
            self.is_full = True
        return not (is_over or self.is_full)

    def measure(self, now: float) -> None:
        """Look up what there is, without what is too old. Raises OSError."""
        self.used_bytes = 0
        self.looked_at = now
        for segment in list_segments(self.directory):
            if segment.changed_at > now - self.policy.keep_seconds or not remove(segment.path):
                self.used_bytes += segment.size_bytes
        if self.used_bytes >= self.policy.size_bytes:
            self.is_full = True
        elif self.used_bytes <= ROOM_SHARE * self.policy.size_bytes:
            self.is_full = False


class Shelf:
    """See the module. ``root`` has a directory per route; ``on_dirty`` gets each segment that was written to, and
    ``on_end`` each that gets no more: who is called closes it.
    """

    def __init__(
        self, root: Path, slot: int, on_dirty: Callable[[Growing], None], on_end: Callable[[Growing], None]
    ) -> None:
        self._root = root
        self._slot = slot
        self._on_dirty = on_dirty
        self._on_end = on_end
        self._places: dict[str, Place] = {}

    @property
    def full(self) -> frozenset[str]:
        """The routes that take no more now."""
        return frozenset(route for route, place in self._places.items() if place.is_full or place.is_faulty)

    @property
    def used_bytes(self) -> dict[str, int]:
        """How much each route's journal holds, of all processes together, as far as is known."""
        return {route: place.used_bytes for route, place in self._places.items()}

    def adopt(self, policies: Mapping[str, Journal], now: float) -> None:
        """These routes' bounds hold from now on; of others nothing more comes."""
        for route in self._places.keys() - policies.keys():
            self._end(self._places.pop(route))
        for route, policy in policies.items():
            if self._know(route, policy).policy != policy:
                self._places[route].policy = policy
                self._places[route].looked_at = float("-inf")
        self.tidy(now)

    def _know(self, route: str, policy: Journal) -> Place:
        return self._places.setdefault(route, Place(self._root / route, policy))

    def tidy(self, now: float) -> None:
        """Once a second: look at what there is, remove what is too old, try a disk that failed."""
        for place in self._places.values():
            if now - place.looked_at >= LOOK_SECONDS:
                self._end_old(place, now)
                self._look(place, now)

    def _look(self, place: Place, now: float) -> None:
        try:
            place.measure(now)
            if place.is_faulty:
                self._probe(place, now)
        except OSError as error:
            self._fail(place, error)

    def _probe(self, place: Place, now: float) -> None:
        """Whether the disk takes something again. Raises OSError."""
        probe = Growing(place.directory, Heading("", ""), int(now * 1e9), self._slot)
        try:
            probe.reserve(PROBE_BYTES)
        finally:
            probe.path.unlink()
            self._on_end(probe)
        place.is_faulty = False
        log.info("journal_available", directory=place.directory.name)

    def store(self, route: str, policy: Journal, records: Sequence[Entry | Taken], rollout: str, now: float) -> bool:
        """Append records of one rollout; whether they are in. All of them are, or none."""
        place = self._know(route, policy)
        if place.looked_at == float("-inf"):
            self._look(place, now)
        frames = b"".join(map(encode, records))
        is_needed = not all(isinstance(each, Taken) for each in records)  # what ends an entry's wait is never too much
        if place.is_faulty or (is_needed and not place.has_room(frames, len(records))):
            return False
        try:
            growing = self._open(place, Heading(route, rollout), records[0].time_ns, now)
            growing.append(frames)
        except OSError as error:
            self._fail(place, error)
            return False
        place.used_bytes += len(frames)
        self._on_dirty(growing)
        return True

    def _open(self, place: Place, heading: Heading, time_ns: int, now: float) -> Growing:
        """The segment that takes more of a rollout. Raises OSError."""
        found = place.open.get(heading.rollout)
        if found is not None and found[0].size_bytes < SEGMENT_BYTES:
            return found[0]
        if found is not None:
            self._on_end(found[0])
            del place.open[heading.rollout]
        growing = Growing(place.directory, heading, time_ns, self._slot)
        place.open[heading.rollout] = growing, now
        return growing

    def _end_old(self, place: Place, now: float) -> None:
        for rollout, (growing, since) in list(place.open.items()):
            if now - since > place.policy.keep_seconds / PIECES:
                del place.open[rollout]
                self._on_end(growing)

    def _fail(self, place: Place, error: OSError) -> None:
        """The disk refuses: what is open ends here, for it may have a torn end."""
        if not place.is_faulty:
            log.error("journal_unavailable", route=place.directory.name, reason=error.strerror or str(error))
        place.is_faulty = True
        self._end(place)

    def _end(self, place: Place) -> None:
        for growing, _ in place.open.values():
            self._on_end(growing)
        place.open.clear()

    def close(self) -> None:
        """Nothing more comes."""
        with contextlib.suppress(OSError):
            for place in self._places.values():
                self._end(place)
