"""Segments: the files of a journal, under one directory each for a route or for a rollout's marks.

A process appends to files of its own and begins a new one at each start, after `SEGMENT_BYTES`, and after a write that
failed: so nobody ever appends behind a torn record. A file is named by the time of its first record and by who writes
it, and is locked (flock(2)) for as long as it may grow; whoever wants to remove it takes the lock first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.store_urls import file_of
from gateway.journal.records import MAGIC, Heading, encode

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""What is too old goes in pieces of this size; larger ones would keep it longer, smaller ones be many files."""

MARKS: Final = ".done"
"""Where a journal keeps what reconciling has done. No route has such a name."""

_NAME: Final = re.compile(r"(\d{19,20})-(\d{1,5})\.journal")


class Segment(NamedTuple):
    """A file as it was found. They sort by the time of their first records."""

    first_ns: int
    slot: int
    path: Path
    size_bytes: int
    """So far."""
    changed_at: float
    """When it was written to last, in seconds since the epoch."""


def journal_of(store: str, cache: str | None = None) -> Path:
    """Where the journal is, by the configuration's ``store`` and ``store_cache``: beside the file that either names.

    Of a store on other machines, without a cache, it is where that of a file would be by default: in the working
    directory.
    """
    return Path((file_of(store) or cache or "./crossfade.db") + ".journal")


def marks_of(journal: Path, rollout: str) -> Path:
    """Where a journal keeps what reconciling has done for a rollout."""
    return journal / MARKS / rollout


def list_routes(journal: Path) -> list[Path]:
    """The directories of all routes that ever had something in the journal."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in journal.iterdir() if path.is_dir() and path.name != MARKS)
    return []


def list_marks(journal: Path) -> list[Path]:
    """The directories of all rollouts of which something was marked as done."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in (journal / MARKS).iterdir() if path.is_dir())
    return []


def list_segments(directory: Path) -> list[Segment]:
    """A directory's files, the oldest first; what is none of ours is left out. Raises OSError."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as files:
        for file in files:
            name = _NAME.fullmatch(file.name)
            if name is not None:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    about = file.stat()
                    found.append(Segment(int(name[1]), int(name[2]), Path(file.path), about.st_size, about.st_mtime))
    return sorted(found)


class Growing:
    """A segment that is being written. Not for two threads at once, but for `sync`."""

    def __init__(self, directory: Path, heading: Heading, first_ns: int, slot: int) -> None:
        """Begin it. Raises OSError."""
        self.size_bytes = 0
        self.is_named = False
        """Whether its name is on the disk."""
        self.path, self._file = _create(directory, first_ns, slot)
        try:
            self.append(MAGIC + encode(heading))
        except OSError:
            self.close()
            raise

    def append(self, frames: bytes) -> None:
        """Write whole frames: they are in the page cache then. Raises OSError; then nothing more must be appended."""
        view = memoryview(frames)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size_bytes)  # what there was room for is no record
            raise
        self.size_bytes += len(frames)

    def reserve(self, count: int) -> None:
        """Raise OSError unless there is room for so many bytes more."""
        os.posix_fallocate(self._file, self.size_bytes, count)
        os.ftruncate(self._file, self.size_bytes)

    def sync(self) -> None:
        """Wait until what was appended is on the disk. Raises OSError."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on the disk. Raises OSError."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def is_growing(path: Path) -> bool:
    """Whether somebody may still append to a segment."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def remove(path: Path) -> bool:
    """Remove a segment unless somebody may still append to it; whether it is gone. Raises OSError."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


def _create(directory: Path, first_ns: int, slot: int) -> tuple[Path, int]:
    """A new file, locked. Raises OSError."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    while True:
        path = directory / f"{first_ns:020}-{slot}.journal"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            first_ns -= 1  # a name may be earlier than its first record, never later
            continue
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return path, file
        os.close(file)  # taken for an old one, and removed, before it was locked
