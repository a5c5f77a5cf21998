"""What a rollout's journal holds that the baseline has not had: the entries that are neither taken nor settled.

A backlog is as it was when it was opened: what workers add later belongs to the next one. All methods take as long as
reading the journal does: they are for a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.journal.marks import Ids, Marks
from gateway.journal.reading import Damage, merge, read_heading, read_segment
from gateway.journal.records import Entry, Taken
from gateway.journal.segments import list_routes, list_segments, remove

if TYPE_CHECKING:
    from gateway.journal.records import EntryId
    from gateway.journal.segments import Segment


class Backlog:
    """Of ``rollout``, over all routes that share it or did, without what is older than ``since_ns``."""

    def __init__(self, journal: Path, rollout: str, since_ns: int = 0) -> None:
        self.open = 0
        """Entries that the baseline has not had."""
        self.done = 0
        """Entries that it has had: copied to it, or replayed before."""
        self.damages: list[Damage] = []
        self.marks = Marks(journal, rollout)
        self._journal = journal
        self._rollout = rollout
        self._since_ns = since_ns
        self._taken = Ids()
        self._segments: list[Segment] = []

    def survey(self) -> None:
        """Read all of it once: how much there is, and what the baseline has had. Raises OSError."""
        self._segments = self._find_segments()
        self.marks.read(self.damages)
        entries = Ids()
        for segment in self._segments:
            for record in read_segment(segment, self.damages):
                match record:
                    case Taken():
                        self._taken.add(record.id)
                    case Entry() if record.time_ns >= self._since_ns:
                        entries.add(record.id)
        self.done = sum(map(self.is_done, entries))
        self.open = len(entries) - self.done

    @property
    def is_empty(self) -> bool:
        """Whether the survey has found nothing at all, however old."""
        return not self._segments

    def entries(self) -> Iterator[Entry]:
        """Those that the baseline has not had, in the order of their times. Raises OSError."""
        for record in merge(self._segments, []):  # the survey has told of the damages
            if isinstance(record, Entry) and record.time_ns >= self._since_ns and not self.is_done(record.id):
                yield record

    def is_done(self, entry_id: EntryId) -> bool:
        """Whether the baseline has had it."""
        return entry_id in self._taken or entry_id in self.marks.settled

    def prune(self) -> None:
        """Remove what nobody needs any more, so that a journal that was full has room again. Raises OSError.

        Segments go from the oldest on, up to the first with an open entry: what says that an entry was taken may stand
        in a later one. Marks go with the last segment.
        """
        segments = self._find_segments()
        while segments and self._is_spent(segments[0]) and remove(segments[0].path):
            segments.pop(0)
        if not segments:
            self.marks.forget()

    def _is_spent(self, segment: Segment) -> bool:
        damages: list[Damage] = []
        records = read_segment(segment, damages)
        return all(self.is_done(each.id) for each in records if isinstance(each, Entry)) and not damages

    def _find_segments(self) -> list[Segment]:
        found = [segment for directory in list_routes(self._journal) for segment in list_segments(directory)]
        return sorted(segment for segment in found if self._is_mine(segment))

    def _is_mine(self, segment: Segment) -> bool:
        """A segment whose beginning can't be read is everybody's: it is reported, whoever asks."""
        try:
            heading = read_heading(segment)
        except FileNotFoundError:  # removed meanwhile
            return False
        return heading is None or heading.rollout == self._rollout
