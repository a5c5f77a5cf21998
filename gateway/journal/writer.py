"""The journal as a worker writes it: the loop hands over, a thread writes, the loop hears of it.

A record is *in* when write(2) has returned: from then on it survives a ``kill -9`` of the worker, and 100 ms later a
loss of power, too (`gateway.journal.syncing`). What waits for the thread is bounded; a journal that is full, or whose
disk fails, says so before a write is sent anywhere (`JournalWriter.is_full`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count, groupby
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gateway.journal.records import Entry, EntryId, Taken, strip_secrets
from gateway.journal.shelf import LOOK_SECONDS, Shelf
from gateway.journal.syncing import Syncing

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from pathlib import Path

    from gateway.core.shadowing import Journal

QUEUE_BYTES: Final = 16 * 1024 * 1024
"""What may wait for the disk, per worker: 64 writes of the largest body, or some 10,000 ordinary ones."""

BATCH: Final = 256
"""Records that are written at once: each has waited for the first of them to be written."""

STALL_SECONDS = 1.0
"""A disk that has taken nothing for so long may never again: further writes are not entrusted to it meanwhile."""

CLOSE_SECONDS: Final = 1.0
"""How long the end waits for a disk."""

_OVERHEAD_BYTES: Final = 256
"""Of a record, beside head and body."""


class _Waiting(NamedTuple):
    route: str
    rollout: str
    policy: Journal
    record: Entry | Taken
    size_bytes: int
    on_written: Callable[[bool], None] | None


class JournalWriter:
    """See the module. ``root`` is the journal's directory, ``slot`` the worker's number. All methods are the loop's."""

    def __init__(self, root: Path, slot: int, loop: AbstractEventLoop) -> None:
        self.written = 0
        """Entries that are in."""
        self.written_bytes = 0
        """Of their heads and bodies."""
        self.dropped = 0
        """Entries that were refused, or that the disk did not take."""
        self._loop = loop
        self._run_id = int.from_bytes(os.urandom(8), "big") >> 1
        self._sequences = count(1)
        self._newest_ns = 0
        self._syncing = Syncing()
        self._shelf = Shelf(root, slot, self._syncing.note, self._syncing.end)
        self._full: frozenset[str] = frozenset()
        self.used_bytes: Mapping[str, int] = {}
        """How much each route's journal holds, of all processes together, as far as is known."""
        self._news = Condition()
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._unheard = 0
        """Records of which the loop does not know what came of them …"""
        self._heard_at = 0.0
        """… and when it heard of any last, or there were none; by the loop's clock."""
        self._policies: Mapping[str, Journal] | None = None
        """New ones, until the thread has seen them."""
        self._is_closing = False
        self._thread: Thread | None = None

    # What the loop calls.

    def adopt(self, policies: Mapping[str, Journal]) -> None:
        """The journals of a new table, by route."""
        if policies or self._thread is not None:
            with self._news:
                self._policies = policies
                self._wake()

    def is_full(self, route: str) -> bool:
        """Whether a route's journal takes nothing now: there is no room, or the disk fails or does not answer."""
        is_stalled = self._unheard > 0 and self._loop.time() - self._heard_at >= STALL_SECONDS
        return is_stalled or route in self._full

    def next_id(self) -> EntryId:
        """For a new entry."""
        return EntryId(self._run_id, next(self._sequences))

    def write(self, entry: Entry, policy: Journal, on_written: Callable[[bool], None]) -> bool:
        """Have an entry written; False when it is refused, and then ``on_written`` is not called.

        ``on_written`` is called on the loop, with whether the entry is in.
        """
        is_taken = entry.route not in self._full and self._add(_sanitize(entry), entry, policy, on_written)
        if not is_taken:
            self.dropped += 1
        return is_taken

    def note_taken(self, entry: Entry, policy: Journal, time_ns: int) -> bool:
        """Have it noted that the baseline has had ``entry``: it need not be replayed. Whether there was room."""
        return self._add(Taken(entry.id, time_ns), entry, policy, None)

    def close(self) -> None:
        """Write what waits, and end; waits `CLOSE_SECONDS` for the disk at the most."""
        with self._news:
            self._is_closing = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _add(
        self, record: Entry | Taken, entry: Entry, policy: Journal, on_written: Callable[[bool], None] | None
    ) -> bool:
        size = _size_of(record)
        with self._news:
            if self._is_closing or self._waiting_bytes + size > QUEUE_BYTES:
                return False
            self._newest_ns = max(self._newest_ns, record.time_ns)
            if record.time_ns < self._newest_ns:  # a file's records are in the order of their times
                record = msgspec.structs.replace(record, time_ns=self._newest_ns)
            self._waiting.append(_Waiting(entry.route, entry.rollout, policy, record, size, on_written))
            self._waiting_bytes += size
            self._wake()
        if not self._unheard:
            self._heard_at = self._loop.time()
        self._unheard += 1
        return True

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        self._news.notify()

    def _tell(self, outcomes: list[tuple[_Waiting, bool]]) -> None:
        self._unheard -= len(outcomes)
        self._heard_at = self._loop.time()
        for waiting, is_in in outcomes:
            if isinstance(waiting.record, Entry):
                self.written += is_in
                self.dropped += not is_in
                self.written_bytes += waiting.size_bytes - _OVERHEAD_BYTES if is_in else 0
            if waiting.on_written is not None:
                waiting.on_written(is_in)

    # What the thread does.

    def _run(self) -> None:
        is_over = False
        while not is_over:
            batch, policies, is_over = self._take()
            now = time.time()
            if policies is not None:
                self._shelf.adopt(policies, now)
            outcomes = list(self._store(batch, now))
            self._shelf.tidy(now)
            self._full, self.used_bytes = self._shelf.full, self._shelf.used_bytes
            if outcomes:
                with contextlib.suppress(RuntimeError):  # the loop has ended before us
                    self._loop.call_soon_threadsafe(self._tell, outcomes)
        self._shelf.close()
        self._syncing.close()

    def _take(self) -> tuple[list[_Waiting], Mapping[str, Journal] | None, bool]:
        """What there is to do; waits for it, but not longer than until the next look at the disk."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._policies is not None or self._is_closing, LOOK_SECONDS)
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            self._waiting_bytes -= sum(each.size_bytes for each in batch)
            policies, self._policies = self._policies, None
            return batch, policies, self._is_closing and not self._waiting

    def _store(self, batch: list[_Waiting], now: float) -> Iterator[tuple[_Waiting, bool]]:
        """Each with whether it is in: what belongs to one file is written at once."""
        for (route, rollout), group in groupby(sorted(batch, key=_place), key=_place):  # each file keeps its order
            together = list(group)
            records = [each.record for each in together]
            is_in = self._shelf.store(route, together[-1].policy, records, rollout, now)
            if is_in or len(together) == 1:
                yield from ((each, is_in) for each in together)
                continue
            for each in together:  # a part of them may fit
                yield each, self._shelf.store(route, each.policy, [each.record], rollout, now)


def _place(waiting: _Waiting) -> tuple[str, str]:
    return waiting.route, waiting.rollout


def _size_of(record: Entry | Taken) -> int:
    """About what it takes up while it waits."""
    return _OVERHEAD_BYTES + (len(record.head) + len(record.body) if isinstance(record, Entry) else 0)


def _sanitize(entry: Entry) -> Entry:
    """Without what proves who a client is, whoever composed it."""
    head = strip_secrets(entry.head)
    return entry if len(head) == len(entry.head) else msgspec.structs.replace(entry, head=head)
