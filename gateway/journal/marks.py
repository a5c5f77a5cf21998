"""What reconciling has done: which entries the baseline has answered for good, so that none goes there twice.

An entry is marked as begun before it is sent, and as settled after the baseline's answer and before anybody hears of
it; that mark waits for the disk. What was begun and never settled may have been applied, unless it was withdrawn: it is
sent again, with the same ``Idempotency-Key``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from gateway.journal.reading import merge
from gateway.journal.records import Begun, EntryId, Heading, Settled, Withdrawn, encode
from gateway.journal.segments import Growing, list_segments, marks_of, remove, sync_directory

if TYPE_CHECKING:
    from gateway.journal.reading import Damage

_CHUNK_BITS: Final = 8192
"""Sequences follow each other without gaps, so nearly every bit of a chunk is used."""


class Ids:
    """A set of entries' ids: a bit for each, for there may be millions."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[int, int], bytearray] = {}

    def add(self, entry_id: EntryId) -> None:
        """Put one in."""
        number, bit = divmod(entry_id.sequence, _CHUNK_BITS)
        chunk = self._chunks.setdefault((entry_id.run, number), bytearray(_CHUNK_BITS // 8))
        chunk[bit // 8] |= 1 << bit % 8

    def discard(self, entry_id: EntryId) -> None:
        """Take one out, if it is there."""
        number, bit = divmod(entry_id.sequence, _CHUNK_BITS)
        chunk = self._chunks.get((entry_id.run, number))
        if chunk is not None:
            chunk[bit // 8] &= ~(1 << bit % 8)

    def unite(self, other: Ids) -> None:
        """Put in whatever is in ``other``."""
        for key, theirs in other._chunks.items():
            mine = int.from_bytes(self._chunks.get(key, b""), "little")
            self._chunks[key] = bytearray((mine | int.from_bytes(theirs, "little")).to_bytes(len(theirs), "little"))

    def count_without(self, other: Ids) -> int:
        """How many of them are not in ``other``."""
        return sum(
            (int.from_bytes(mine, "little") & ~int.from_bytes(other._chunks.get(key, b""), "little")).bit_count()
            for key, mine in self._chunks.items()
        )

    def __contains__(self, entry_id: EntryId) -> bool:
        number, bit = divmod(entry_id.sequence, _CHUNK_BITS)
        chunk = self._chunks.get((entry_id.run, number))
        return chunk is not None and bool(chunk[bit // 8] >> bit % 8 & 1)

    def __len__(self) -> int:
        return sum(int.from_bytes(chunk, "little").bit_count() for chunk in self._chunks.values())

    def __iter__(self) -> Iterator[EntryId]:
        for (run, number), chunk in self._chunks.items():
            for bit in range(_CHUNK_BITS):
                if chunk[bit // 8] >> bit % 8 & 1:
                    yield EntryId(run, number * _CHUNK_BITS + bit)


class Marks:
    """The marks of one rollout under ``journal``. Those that are made go to a new file; threads may share it."""

    def __init__(self, journal: Path, rollout: str) -> None:
        self.begun = Ids()
        self.settled = Ids()
        self._heading = Heading("", rollout)
        self._directory = marks_of(journal, rollout)
        self._growing: Growing | None = None
        self._lock = Lock()

    def read(self, damages: list[Damage]) -> None:
        """Learn what was done before. Raises OSError."""
        for record in merge(list_segments(self._directory), damages):
            match record:
                case Begun():
                    self.begun.add(record.id)
                case Withdrawn():
                    self.begun.discard(record.id)
                case Settled():
                    self.settled.add(record.id)

    def begin(self, entry_id: EntryId, time_ns: int) -> None:
        """The entry is about to be sent. Raises OSError: then it must not be."""
        self._append(encode(Begun(entry_id, time_ns)), time_ns)
        self.begun.add(entry_id)

    def withdraw(self, entry_id: EntryId, time_ns: int) -> None:
        """The baseline has certainly not applied it: the next time is the first. Raises OSError."""
        self._append(encode(Withdrawn(entry_id, time_ns)), time_ns)
        self.begun.discard(entry_id)

    def settle(self, entry_id: EntryId, time_ns: int, status: int) -> None:
        """The baseline has answered it for good; returns when that is on the disk. Raises OSError."""
        self._append(encode(Settled(entry_id, time_ns, status)), time_ns).sync()
        self.settled.add(entry_id)

    def forget(self) -> None:
        """Remove all that was marked: none of the entries is there any more. Raises OSError."""
        self.close()
        for segment in list_segments(self._directory):
            remove(segment.path)

    def close(self) -> None:
        """Nothing more is marked."""
        with self._lock:
            growing, self._growing = self._growing, None
        if growing is not None:
            with contextlib.suppress(OSError):
                growing.sync()
            growing.close()

    def _append(self, frame: bytes, time_ns: int) -> Growing:
        with self._lock:
            if self._growing is None:
                self._growing = Growing(self._directory, self._heading, time_ns, 0)
                sync_directory(self._directory)
            try:
                self._growing.append(frame)
            except OSError:
                self._growing.close()
                self._growing = None
                raise
            return self._growing
