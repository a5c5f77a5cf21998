"""The access log's writer: lines go to a file descriptor without ever holding up the loop.

`AccessLog.write` appends to a bounded deque and returns. A daemon thread gathers lines for a moment and writes them in
batches of whole lines of at most 4096 bytes: POSIX keeps pipe writes up to PIPE_BUF in one piece, so the lines of
several workers that share one standard output do not mix. (A single line that is longer goes out alone.) When the
reader is too slow, or gone, lines are dropped and counted; requests never notice.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque

BATCH_BYTES = 4096
"""PIPE_BUF on Linux (pipe(7)): the largest write to a pipe that is atomic."""

GATHER_SECONDS = 0.05
"""How long a first line waits for others: short for a person who watches, long enough to make batches under load."""

STALLED_SECONDS = 1.0
"""How long a non-blocking descriptor may stay full before a batch is given up."""


class AccessLog:
    """A bounded queue before ``fd``. ``capacity`` counts lines; ``dropped`` those that were not written."""

    def __init__(self, fd: int, capacity: int = 8192) -> None:
        self.dropped = 0
        self._fd = fd
        self._capacity = capacity
        self._lines: deque[bytes] = deque()
        self._idle = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue one line, given without its line feed; counted as dropped when the queue is full. Never blocks."""
        if len(self._lines) >= self._capacity:
            self.dropped += 1
            return
        self._lines.append(line)
        if self._idle:
            self._idle = False
            self._wake.set()

    def close(self, seconds: float = 1.0) -> None:
        """Write what is queued, for at most ``seconds``; what is left then is counted as dropped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(seconds)
        self.dropped += len(self._lines)
        self._lines.clear()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wait()
            self._closing.wait(GATHER_SECONDS)
            self._write_all()
        self._write_all()

    def _wait(self) -> None:
        """Sleep until there is a line. ``_idle`` is set before the last look, so that no line is slept over."""
        self._wake.clear()
        self._idle = True
        if not self._lines and not self._closing.is_set():
            self._wake.wait()
        self._idle = False

    def _write_all(self) -> None:
        while self._lines:
            batch, count = self._take()
            try:
                self._write_batch(batch)
            except (OSError, ValueError):  # closed, a broken pipe, a full disk: the log is lost, the service is not
                self.dropped += count

    def _take(self) -> tuple[bytes, int]:
        """As many whole lines as fit into one atomic write, and at least one."""
        batch: list[bytes] = []
        size = 0
        while self._lines and (not batch or size + len(self._lines[0]) + 1 <= BATCH_BYTES):
            line = self._lines.popleft()
            batch.append(line)
            size += len(line) + 1
        return b"\n".join(batch) + b"\n", len(batch)

    def _write_batch(self, batch: bytes) -> None:
        rest = memoryview(batch)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                # Someone made the shared descriptor non-blocking; wait for room, but not for ever.
                if not select.select([], [self._fd], [], STALLED_SECONDS)[1]:
                    raise
