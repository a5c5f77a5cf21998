"""Whose turn it is to write: one process at a time, among those that share standard output.

A pipe keeps only writes of up to 4096 bytes in one piece, which are far too many system calls. So whoever writes takes
the turn first, by a lock that ends with its holder. A holder that is killed in the middle of a line leaves a mark, by
which the next one knows to begin a line of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MARK: Final = b"!"


class Turns:
    """To be made before the processes are: they share it by fork."""

    def __init__(self) -> None:
        self._file = os.memfd_create("crossfade-log-turns")

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Wait for the turn, and have it. Yields whether who had it before was cut off in the middle.

        Who leaves by an exception is taken for cut off, too.
        """
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            was_cut_off = os.pread(self._file, 1, 0) == _MARK
            os.pwrite(self._file, _MARK, 0)
            yield was_cut_off
            os.ftruncate(self._file, 0)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
