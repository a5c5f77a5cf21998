"""Notices that the configuration file has new content, however it got there.

Editors rename over the file, ``kubectl`` swaps a symlink of its directory, scripts truncate and write, and write in
pieces. Watching the file itself would follow the old inode and fall silent after the first rename; so the directories
are watched, that of the file and those that its symlinks lead through, and what counts is content, never times
(Kubernetes' say nothing). A slow poll beside it covers what gives no notice: network file systems, a directory that
was removed and made again, a kernel that is out of watches.

Content is taken when two looks `SETTLE_SECONDS` apart agree, so a file that is being written is left alone meanwhile.
A writer that rests for longer in the middle can't be told from one that is done: replace the file by a rename to be
safe from that.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog
import watchfiles

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

SETTLE_SECONDS = 0.08
"""Two looks that far apart must agree: longer than the pause between two writes of one program, and short enough that
a change is in force everywhere well within a second."""

POLL_SECONDS = 0.5
"""A look without a notice, so often: a change is in force within a second even so, and a read costs almost nothing."""

REWATCH_SECONDS = 30.0
"""How long to go on by polling alone when the kernel refuses a watch."""

LINKS_FOLLOWED = 40
"""As many as the kernel follows before it says ELOOP (path_resolution(7))."""

log = structlog.get_logger()


class Settling:
    """Decides when content is new and no longer being written. Fed with looks; ``None`` is a file that isn't there."""

    def __init__(self, known: bytes) -> None:
        self.is_restless = False
        """Whether the next look should come soon."""
        self._known = known
        self._candidate: bytes | None = None
        self._since = 0.0

    def look(self, content: bytes | None, now: float) -> bytes | None:
        """The new content once it has been the same for `SETTLE_SECONDS`; None until then, and when nothing is new."""
        if content is None or content == self._known:
            self._candidate, self.is_restless = None, False
            return None
        if content != self._candidate:
            self._candidate, self._since, self.is_restless = content, now, True
            return None
        if now - self._since < SETTLE_SECONDS:
            return None
        self._known, self._candidate, self.is_restless = content, None, False
        return content


class Watcher:
    """Watches one file. ``known`` is the content that is already in force."""

    def __init__(self, path: Path, known: bytes) -> None:
        self._path = path
        self._settling = Settling(known)
        self._notice = asyncio.Event()
        self._moved = asyncio.Event()

    async def changes(self) -> AsyncGenerator[bytes, None]:
        """Every new content of the file, when it has settled. Ends with the task that iterates."""
        watch = asyncio.create_task(self._watch(), name="configuration-notices")
        try:
            while True:
                content = await self._look()
                if content is not None:
                    yield content
                await self._rest()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _look(self) -> bytes | None:
        content = await asyncio.to_thread(_read, self._path)
        return self._settling.look(content, asyncio.get_running_loop().time())

    async def _rest(self) -> None:
        """Until there is a reason to look again."""
        if self._settling.is_restless:
            await asyncio.sleep(SETTLE_SECONDS)
            return
        await _wait_for(self._notice, POLL_SECONDS)
        self._notice.clear()

    async def _watch(self) -> None:
        """Turn the kernel's notices into looks, for ever."""
        while True:
            places = await asyncio.to_thread(directories, self._path)
            try:
                await self._watch_places(places)
            except (OSError, RuntimeError) as error:  # what watchfiles raises when it can't watch
                log.warning("watch_failed", reason=str(error), poll_seconds=POLL_SECONDS)
                await asyncio.sleep(REWATCH_SECONDS)

    async def _watch_places(self, places: dict[Path, int]) -> None:
        """Watch until the places themselves are others."""
        if not places:
            await asyncio.sleep(POLL_SECONDS)
            return
        stop = asyncio.Event()
        check = asyncio.create_task(self._outlive(places, stop), name="configuration-places")
        try:
            async for _ in watchfiles.awatch(
                *places, watch_filter=None, recursive=False, debounce=40, step=20, rust_timeout=500, stop_event=stop
            ):
                self._notice.set()
                self._moved.set()
        finally:
            check.cancel()
            await asyncio.gather(check, return_exceptions=True)

    async def _outlive(self, places: dict[Path, int], stop: asyncio.Event) -> None:
        """Set ``stop`` when the file's directories are no longer those that are watched."""
        self._notice.set()  # the watch stands by now; what changed while it was set up gave no notice
        while await asyncio.to_thread(directories, self._path) == places:
            self._moved.clear()
            await _wait_for(self._moved, POLL_SECONDS)
        stop.set()
        self._notice.set()


def directories(path: Path) -> dict[Path, int]:
    """Every directory in which something could change what ``path`` means, with its inode; absent ones left out."""
    places: dict[Path, int] = {}
    hop = path.absolute()
    for _ in range(LINKS_FOLLOWED):
        with contextlib.suppress(OSError):
            places[hop.parent] = hop.parent.stat().st_ino
        if not hop.is_symlink():
            break
        hop = hop.parent / hop.readlink()
    with contextlib.suppress(OSError, RuntimeError):
        parent = path.resolve(strict=True).parent
        places[parent] = parent.stat().st_ino
    return places


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    """Until ``event`` is set, for at most ``seconds``.

    Not with `asyncio.wait_for`: on Python 3.11 it swallows a cancellation that comes as the event is set, and whoever
    waits for the end of the task that was cancelled waits for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
