"""The figures, kept where a controller's death can't take them: in memory that the master holds.

Two anonymous files (memfd_create(2)) take turns. The one in use begins with a checkpoint, everything as of some moment,
and goes on with each batch since. When the batches have grown larger than what a checkpoint costs, a new checkpoint is
written into the other file, which is in use from then on. A successor reads the checkpoint and records the batches
again.

A kill can come in the middle of writing. Each file's head says how far it counts, and is written last, in one call:
what is behind that was never acknowledged, so the worker sends it once more.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.control.figures import Batch, Figures

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD: Final = struct.Struct("!QQ")  # number of the checkpoint, end of what counts; 0 for a file never used
_LENGTH: Final = struct.Struct("!I")

SMALLEST_TURN_BYTES: Final = 16 * 1024 * 1024
"""So much is written before a new checkpoint is worth it, and at least as much as the last one took."""


class Ledger:
    """Two memory files, inherited by every child; only one process writes at a time (the controller)."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._files = [os.memfd_create(f"crossfade-ledger-{letter}") for letter in "ab"]
        self._number = 0
        self._end = 0
        self._turn_at = 0

    def restore(self) -> Figures:
        """The figures as they were last recorded; none yet for the first controller. Must be called before `append`."""
        number, end, file = max((*_head(file), file) for file in self._files)
        if not number:
            figures = Figures(self._started_at)
        else:
            records = _records(os.pread(file, end, 0))
            figures = Figures.thaw(next(records))
            for record in records:
                figures.record(msgspec.msgpack.decode(record, type=Batch))
        self._number = number
        self._checkpoint(figures)
        return figures

    def append(self, batch: Batch, figures: Figures) -> None:
        """Keep ``batch``, which ``figures`` have taken in."""
        if self._end >= self._turn_at:
            self._checkpoint(figures)
            return
        file = self._files[self._number % 2]
        payload = msgspec.msgpack.encode(batch)
        _write(file, _LENGTH.pack(len(payload)) + payload, self._end)
        self._end += _LENGTH.size + len(payload)
        _write(file, _HEAD.pack(self._number, self._end), 0)

    def _checkpoint(self, figures: Figures) -> None:
        """Begin the other file with everything."""
        self._number += 1
        file = self._files[self._number % 2]
        payload = figures.freeze()
        os.ftruncate(file, 0)
        _write(file, _LENGTH.pack(len(payload)) + payload, _HEAD.size)
        self._end = _HEAD.size + _LENGTH.size + len(payload)
        self._turn_at = self._end + max(SMALLEST_TURN_BYTES, len(payload))
        _write(file, _HEAD.pack(self._number, self._end), 0)
        os.ftruncate(self._files[(self._number + 1) % 2], 0)

    def close(self) -> None:
        """Let go of the memory. It is freed when the last process has."""
        for file in self._files:
            with contextlib.suppress(OSError):
                os.close(file)


def _head(file: int) -> tuple[int, int]:
    head = os.pread(file, _HEAD.size, 0)
    if len(head) < _HEAD.size:
        return 0, 0
    number, end = _HEAD.unpack(head)
    return number, end


def _records(content: bytes) -> Iterator[bytes]:
    at = _HEAD.size
    while at < len(content):
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        yield content[at : at + length]
        at += length


def _write(file: int, record: bytes, offset: int) -> None:
    written = 0
    while written < len(record):
        written += os.pwrite(file, record[written:], offset + written)
