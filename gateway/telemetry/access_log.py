"""The access log's writer: lines go to a file descriptor without ever holding up the loop.

`AccessLog.write` appends to a bounded deque and returns. A daemon thread gathers lines for a moment and writes them in
large batches, in its turn among the processes that share the descriptor (`gateway.telemetry.turns`), so that lines of
several workers do not mix. When the reader is too slow, or gone, lines are dropped and counted; requests never notice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading
from collections import deque

from gateway.telemetry.turns import Turns

BATCH_LINES = 512
"""So many at once: some 200 KiB, three times what a pipe holds."""

PIPE_BYTES = 1 << 20
"""What a pipe is asked to hold, in place of 64 KiB: a batch then goes in at once, and not in turns with its reader."""

GATHER_SECONDS = 0.05
"""How long a first line waits for others: short for a person who watches, long enough to make batches under load."""

STALLED_SECONDS = 1.0
"""How long a non-blocking descriptor may stay full before a batch is given up."""


class AccessLog:
    """A bounded queue before ``fd``. ``capacity`` counts lines; ``dropped`` those that were not written.

    ``turns`` are taken with the other processes that write there; None when there are none.
    """

    def __init__(self, fd: int, turns: Turns | None = None, capacity: int = 8192) -> None:
        self.dropped = 0
        self._fd = fd
        self._turns = turns if turns is not None else Turns()
        self._capacity = capacity
        self._lines: deque[bytes] = deque()
        self._idle = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        with contextlib.suppress(OSError, ValueError):  # it is no pipe, or nobody's to change
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
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
        while count := min(len(self._lines), BATCH_LINES):
            batch = [self._lines.popleft() for _ in range(count)]
            try:
                with self._turns.take() as was_cut_off:
                    self._write_batch((b"\n" if was_cut_off else b"") + b"\n".join(batch) + b"\n")
            except (OSError, ValueError):  # closed, a broken pipe, a full disk: the log is lost, the service is not
                self.dropped += count

    def _write_batch(self, batch: bytes) -> None:
        rest = memoryview(batch)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                # Someone made the shared descriptor non-blocking; wait for room, but not for ever.
                if not select.select([], [self._fd], [], STALLED_SECONDS)[1]:
                    raise
