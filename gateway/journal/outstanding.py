"""How many writes the baseline has not had, of each rollout: counted on, without reading anything twice.

What `Backlog.survey` finds by reading a whole journal, for whoever wants to know it once a second: each look reads what
was appended since the one before, and at most about `LOOK_BYTES`, so that a large journal is counted bit by bit. It is
for a thread all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.journal.marks import Ids
from gateway.journal.reading import read_on
from gateway.journal.records import Entry, Heading, Settled, Taken
from gateway.journal.segments import list_marks, list_routes, list_segments

if TYPE_CHECKING:
    from gateway.journal.records import Record
    from gateway.journal.segments import Segment

LOOK_BYTES: Final = 4 * 1024 * 1024
"""About as much is read at once; a disk's page cache has it within some milliseconds."""


class Part:
    """One segment, as far as it was read."""

    def __init__(self) -> None:
        self.rollout: str | None = None
        """Whose it is; None while its beginning can't be read."""
        self.entries = Ids()
        self.done = Ids()
        """Entries, of whatever segment, of which it says that the baseline has had them."""
        self._offset_bytes = 0
        self._tried_bytes = 0
        """Its size when it was read to its end, or to where it is torn: only more of it can change that."""

    def read(self, segment: Segment, limit_bytes: int) -> int:
        """Read on, up to the first record beyond the limit; how much that was. Raises OSError."""
        began_at = self._offset_bytes
        if segment.size_bytes == self._tried_bytes:
            return 0
        for record, end in read_on(segment, self._offset_bytes):
            if not self._take(record):
                break
            self._offset_bytes = end
            if end - began_at >= limit_bytes:
                return end - began_at
        self._tried_bytes = segment.size_bytes
        return self._offset_bytes - began_at

    def _take(self, record: Record) -> bool:
        """Whether it can be told whose record it is."""
        match record:
            case Heading() if self.rollout is None:
                self.rollout = record.rollout
            case Entry():
                self.entries.add(record.id)
            case Taken() | Settled():
                self.done.add(record.id)
        return self.rollout is not None


class Outstanding:
    """Of all rollouts that ever had something in ``journal``."""

    def __init__(self, journal: Path) -> None:
        self.writes: Mapping[str, int] = {}
        """By rollout, as of the last look; only those that have any. It is never changed, but replaced."""
        self._journal = journal
        self._parts: dict[Path, Part] = {}

    def look(self) -> bool:
        """Read what is new, and count; whether that was all there is. Raises OSError."""
        segments = self._find_segments()
        is_less = self._parts.keys() - {each.path for each in segments}
        self._parts = {each.path: self._parts.get(each.path) or Part() for each in segments}
        left_bytes = LOOK_BYTES
        for segment in segments:
            if left_bytes > 0:
                left_bytes -= self._parts[segment.path].read(segment, left_bytes)
        if is_less or left_bytes < LOOK_BYTES:
            self.writes = count(self._parts.values())
        return left_bytes > 0

    def _find_segments(self) -> list[Segment]:
        """What is marked as done comes first: so no write that was replayed is taken for one that waits."""
        directories = *list_marks(self._journal), *list_routes(self._journal)
        return [segment for directory in directories for segment in list_segments(directory)]


def count(parts: Iterable[Part]) -> dict[str, int]:
    """Entries that no part says are done, by rollout; only those that have any."""
    entries: defaultdict[str, Ids] = defaultdict(Ids)
    done: defaultdict[str, Ids] = defaultdict(Ids)
    for part in parts:
        if part.rollout is not None:
            entries[part.rollout].unite(part.entries)
            done[part.rollout].unite(part.done)
    counted = {rollout: found.count_without(done[rollout]) for rollout, found in entries.items()}
    return {rollout: writes for rollout, writes in counted.items() if writes}
