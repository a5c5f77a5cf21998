"""What a controller's death can't take: in memory that the master holds.

A controller that is killed and started again reads the configuration's file first. If that was broken meanwhile, the
gateway must not lose its configuration, so each accepted one is kept here too; as is how rollouts stand, as the store
may be away just then.

A kill can come in the middle of writing. There are therefore two anonymous files (memfd_create(2)) that take turns:
the newer record is never touched while the next is written into the other. A record carries its number and a checksum,
so a half-written one is seen for what it is, and the one before counts. Memory is bounded by two of them.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from typing import Generic, TypeVar

import msgspec

Thing = TypeVar("Thing")

_HEAD = struct.Struct("!QII")  # number, length of the payload, checksum of number and payload


class Kept(msgspec.Struct, frozen=True):
    """A configuration that was in force."""

    text: str
    file: str
    loaded_at: float
    """Seconds since the epoch."""
    drain_seconds: float
    """``server.timeouts.drain``: the master waits so long for its workers, without reading YAML."""
    admin_token: str = ""
    """What the admin API asked for; not always the text's own."""


class Keepsake(Generic[Thing]):
    """Two memory files, inherited by every child; only one process writes at a time (the controller).

    ``kind`` is what is kept there.
    """

    def __init__(self, kind: type[Thing]) -> None:
        self._kind = kind
        self._files = [os.memfd_create(f"crossfade-keepsake-{letter}") for letter in "ab"]

    def put(self, kept: Thing) -> None:
        """Make ``kept`` the newest record. A process that is killed in here leaves the former one in place."""
        numbers = [number for number, _ in map(_read, self._files)]
        number = max(numbers) + 1
        older = self._files[numbers.index(min(numbers))]
        payload = msgspec.msgpack.encode(kept)
        os.ftruncate(older, 0)
        _write(older, _HEAD.pack(number, len(payload), _checksum(number, payload)) + payload)

    def newest(self) -> Thing | None:
        """What was put last; None before the first."""
        number, payload = max(map(_read, self._files))
        return msgspec.msgpack.decode(payload, type=self._kind) if number else None

    def close(self) -> None:
        """Let go of the memory. It is freed when the last process has."""
        for fd in self._files:
            with contextlib.suppress(OSError):
                os.close(fd)


def _read(fd: int) -> tuple[int, bytes]:
    """(number, payload) of the record in ``fd``; number 0 when there is none that is whole."""
    record = os.pread(fd, os.fstat(fd).st_size, 0)
    if len(record) < _HEAD.size:
        return 0, b""
    number, length, checksum = _HEAD.unpack_from(record)
    payload = record[_HEAD.size :]
    is_whole = len(payload) == length and checksum == _checksum(number, payload)
    return (number, payload) if is_whole else (0, b"")


def _checksum(number: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(number.to_bytes(8)))


def _write(fd: int, record: bytes) -> None:
    offset = 0
    while offset < len(record):
        offset += os.pwrite(fd, record[offset:], offset)
