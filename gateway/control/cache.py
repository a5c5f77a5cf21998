"""What a gateway remembers of its rollouts should it start while the store is away: a small file of its own.

It is written whole, beside the one before, and put in its place (rename(2)): a crash leaves one of both.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from gateway.core.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger()


class Cache:
    """See the module."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._versions: dict[str, int] = {}
        """What is written there."""

    async def read(self) -> dict[str, Progress]:
        """What was remembered; nothing, where there is nothing that can be read."""
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
            remembered = msgspec.json.decode(content, type=dict[str, Progress])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("store_cache_unreadable", file=str(self._path), reason=str(error))
            return {}
        self._versions = _list_versions(remembered)
        return remembered

    async def keep(self, progresses: Mapping[str, Progress]) -> None:
        """Remember how far rollouts are, where any has moved. What can't be written is tried again with the next."""
        versions = _list_versions(progresses)
        if versions == self._versions:
            return
        try:
            await asyncio.to_thread(self._write, msgspec.json.encode(progresses))
        except OSError as error:
            log.warning("store_cache_not_written", file=str(self._path), reason=str(error))
        self._versions = versions

    def _write(self, content: bytes) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_bytes(content)
        beside.replace(self._path)


def _list_versions(progresses: Mapping[str, Progress]) -> dict[str, int]:
    return {name: progress.version for name, progress in progresses.items()}
