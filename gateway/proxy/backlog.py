"""What a peer has not taken yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Backlog:
    """Tells a slow reader from one that has stopped: between two looks, the former has taken something."""

    __slots__ = ("_unwritten",)

    def __init__(self) -> None:
        self._unwritten = 0

    def note(self, transport: asyncio.Transport) -> None:
        """Look for the first time."""
        self._unwritten = transport.get_write_buffer_size()

    def has_moved(self, transport: asyncio.Transport) -> bool:
        """Look again: whether there is less than before."""
        before, self._unwritten = self._unwritten, transport.get_write_buffer_size()
        return self._unwritten < before
