"""What a gateway remembers of its rollouts, should it or its controller start while the store is away.

In memory that outlives the controller, and, where the configuration of a fleet names one, in a small file that outlives
the gateway. Memory also has what is in force and still owed to the store, with events and incidents. The file is
written whole, beside the one before, and put in its place (rename(2)): a crash leaves one of both.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import structlog

from gateway.control.deposits import Deposit
from gateway.core.fleet import stand
from gateway.core.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_Standings = dict[str, tuple[object, ...]]

_NOTHING: Final = b"[]"

log = structlog.get_logger()


class Remembered(msgspec.Struct, frozen=True):
    """What the memory holds."""

    progresses: dict[str, Progress]
    owed: bytes = _NOTHING
    """As JSON, as the store will have it: a sample in an incident may hold numbers that are too long for all else."""


class Memory(Protocol):
    """Keeps one value as long as the gateway lives."""

    def put(self, kept: Remembered) -> None:
        """Keep this and nothing else."""

    def newest(self) -> Remembered | None:
        """What was put last; None before the first."""


class Cache:
    """See the module. ``path`` is None where there is no file."""

    def __init__(self, memory: Memory, path: Path | None) -> None:
        self._memory = memory
        self._path = path
        self._progresses: dict[str, Progress] = {}
        self._owed = _NOTHING
        self._kept: _Standings = {}
        """What is in memory."""
        self._written: _Standings = {}
        """What is in the file."""
        self._is_well = True
        self._one_at_a_time = asyncio.Lock()

    async def read(self) -> dict[str, Progress] | None:
        """What is remembered; None where there is nothing that can be read."""
        kept = self._memory.newest()
        if kept is not None:
            self._owed = kept.owed
        remembered = kept.progresses if kept is not None else await self._read_file()
        self._progresses = remembered or {}
        self._kept = _list_standings(self._progresses)
        return remembered

    @property
    def owed(self) -> list[Deposit]:
        """What was in force, and was not sure to be in the store, in order."""
        return msgspec.json.decode(self._owed, type=list[Deposit])

    def owe(self, deposits: Sequence[Deposit]) -> None:
        """Remember that these are in force and may not be in the store, as long as the gateway lives."""
        owed = msgspec.json.encode(deposits)
        if owed != self._owed:
            self._owed = owed
            self._put()

    async def _read_file(self) -> dict[str, Progress] | None:
        if self._path is None:
            return None
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
            remembered = msgspec.json.decode(content, type=dict[str, Progress])
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("store_cache_unreadable", file=str(self._path), reason=str(error))
            return None
        self._written = _list_standings(remembered)
        return remembered

    def has(self, name: str, progress: Progress) -> bool:
        """Whether it is remembered that a rollout stands so."""
        return self._kept.get(name) == _stand(progress)

    def note(self, progresses: Mapping[str, Progress]) -> None:
        """Remember how far rollouts are, where any has moved, as long as the gateway lives."""
        standings = _list_standings(progresses)
        if standings != self._kept:
            self._progresses, self._kept = dict(progresses), standings
            self._put()

    def _put(self) -> None:
        self._memory.put(Remembered(self._progresses, self._owed))

    async def keep(self, progresses: Mapping[str, Progress]) -> None:
        """The same, and in the file. What can't be written is tried again the next time."""
        self.note(progresses)
        standings = _list_standings(progresses)
        async with self._one_at_a_time:
            if self._path is not None and standings != self._written:
                await self._write(self._path, standings, msgspec.json.encode(progresses))

    async def _write(self, path: Path, standings: _Standings, content: bytes) -> None:
        writing = asyncio.ensure_future(asyncio.to_thread(_replace, path, content))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing})  # it writes to the end in any case, and nobody else beside it
            raise
        except OSError as error:
            if self._is_well:
                log.warning("store_cache_not_written", file=str(path), reason=str(error))
            self._is_well = False
        else:
            self._is_well, self._written = True, standings


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _list_standings(progresses: Mapping[str, Progress]) -> _Standings:
    """All but the time that passes. A version says not enough: a store's move takes the place of one's own of it."""
    return {name: _stand(progress) for name, progress in progresses.items()}


def _stand(progress: Progress) -> tuple[object, ...]:
    return progress.version, *stand(progress)
