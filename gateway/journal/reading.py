"""Reading a journal: every whole record of every segment, in the order of their times, in bounded memory.

A segment ends where its first torn or corrupt record begins: what follows is not looked at, since nobody knows where
the next record would begin. That is reported, and the other segments are read all the same. The end of a segment that
somebody still appends to is no damage.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gateway.journal.records import FRAME, MAGIC, CorruptRecord, Heading, Record, checksum, decode
from gateway.journal.segments import Segment, is_growing

if TYPE_CHECKING:
    from gateway.journal.records import Begun, Entry, Settled, Taken, Withdrawn

    Timed = Entry | Taken | Begun | Withdrawn | Settled


class Damage(NamedTuple):
    """Where a segment can't be read any further."""

    path: Path
    offset_bytes: int
    lost_bytes: int


def read_heading(segment: Segment) -> Heading | None:
    """What a segment is about; None when nobody can tell. Raises OSError."""
    with segment.path.open("rb") as file:
        return _begin(file, segment.size_bytes)


def read_segment(segment: Segment, damages: list[Damage]) -> Iterator[Timed]:
    """The records of a segment, as far as it went when it was found; what can't be read is added to ``damages``.

    A segment that was removed meanwhile is empty. Raises OSError.
    """
    try:
        file = segment.path.open("rb")
    except FileNotFoundError:
        return
    with file:
        offset = 0
        if _begin(file, segment.size_bytes) is not None:
            offset = file.tell()
            while (record := _read(file, segment.size_bytes - offset)) is not None:
                offset = file.tell()
                if not isinstance(record, Heading):
                    yield record
    if offset < segment.size_bytes and not is_growing(segment.path):
        damages.append(Damage(segment.path, offset, segment.size_bytes - offset))


def read_on(segment: Segment, offset_bytes: int = 0) -> Iterator[tuple[Record, int]]:
    """The whole records from where one ended on, each with where it ends itself; from 0 on, the heading is the first.

    A segment that was removed meanwhile is empty. Raises OSError.
    """
    try:
        file = segment.path.open("rb")
    except FileNotFoundError:
        return
    with file:
        if offset_bytes or file.read(len(MAGIC)) == MAGIC:
            at = file.seek(offset_bytes or len(MAGIC))
            while (record := _read(file, segment.size_bytes - at)) is not None:
                at = file.tell()
                yield record, at


def merge(segments: Iterable[Segment], damages: list[Damage]) -> Iterator[Timed]:
    """The records of many segments in the order of their times. Raises OSError.

    A segment is opened when its time has come: as many are open at once as processes wrote at the same time.
    """
    pending = deque(sorted(segments))
    heap: list[tuple[int, int, Timed, Iterator[Timed]]] = []
    serial = 0
    while heap or pending:
        while pending and (not heap or pending[0].first_ns <= heap[0][0]):
            records = read_segment(pending.popleft(), damages)
            for first in records:
                heapq.heappush(heap, (first.time_ns, serial, first, records))
                serial += 1
                break
        if heap:
            _, number, record, records = heap[0]
            yield record
            following = next(records, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (following.time_ns, number, following, records))


def _begin(file: BinaryIO, size_bytes: int) -> Heading | None:
    if file.read(len(MAGIC)) != MAGIC:
        return None
    heading = _read(file, size_bytes - len(MAGIC))
    return heading if isinstance(heading, Heading) else None


def _read(file: BinaryIO, left_bytes: int) -> Record | None:
    """The next record; None where there is no whole one within ``left_bytes``."""
    frame = file.read(FRAME.size)
    if len(frame) < FRAME.size:
        return None
    length, expected = FRAME.unpack(frame)
    if length > left_bytes - FRAME.size:
        return None
    payload = file.read(length)
    if len(payload) < length or checksum(length, payload) != expected:
        return None
    try:
        return decode(payload)
    except CorruptRecord:
        return None
