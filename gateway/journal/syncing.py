"""Bringing what was written to the disk, behind the back of who writes it.

What write(2) has taken survives the end of its process, however that ends; against a loss of power it is synchronized,
at most `SYNC_SECONDS` later, by a thread of its own: a disk that takes its time holds up nobody.
"""

from __future__ import annotations

import contextlib
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

from gateway.journal.segments import sync_directory

if TYPE_CHECKING:
    from gateway.journal.segments import Growing

SYNC_SECONDS: Final = 0.1
"""What a loss of power may cost."""


class Syncing:
    """A thread that begins with its first work."""

    def __init__(self) -> None:
        self._news = Condition()
        self._dirty: set[Growing] = set()
        self._ended: set[Growing] = set()
        self._is_closing = False
        self._thread: Thread | None = None

    def note(self, segment: Growing) -> None:
        """It was written to."""
        self._add(self._dirty, segment)

    def end(self, segment: Growing) -> None:
        """Nothing more is written to it: synchronize and close it."""
        self._add(self._ended, segment)

    def close(self) -> None:
        """Synchronize what is left, and end."""
        with self._news:
            self._is_closing = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join()

    def _add(self, group: set[Growing], segment: Growing) -> None:
        with self._news:
            is_first = not (self._dirty or self._ended)
            group.add(segment)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="journal-sync", daemon=True)
                self._thread.start()
            elif is_first:
                self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._dirty or self._ended or self._is_closing)
                if not self._is_closing:
                    self._news.wait_for(lambda: self._is_closing, SYNC_SECONDS)  # more may come for the same price
                dirty, ended = self._dirty | self._ended, self._ended
                self._dirty, self._ended = set(), set()
                is_over = self._is_closing
            self._sync(dirty, ended)
            if is_over:
                return

    def _sync(self, dirty: set[Growing], ended: set[Growing]) -> None:
        for segment in dirty:
            with contextlib.suppress(OSError):  # whoever writes to it next finds out
                segment.sync()
                self._sync_name(segment)
        for segment in ended:
            segment.close()

    def _sync_name(self, segment: Growing) -> None:
        """A file that is on the disk without its name would be lost."""
        if not segment.is_named:
            sync_directory(segment.path.parent)
            segment.is_named = True
