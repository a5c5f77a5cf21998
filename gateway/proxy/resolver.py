"""Names to addresses, looked up off the loop and looked up again while anybody uses them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

# Names are re-resolved at least every 30 s: this leaves room for a slow answer.
_REFRESH_SECONDS: Final = 20.0


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address already."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Resolver:
    """The addresses of one name. The last good answer stays in force while look-ups fail.

    ``on_change`` is called with the new addresses when they differ from those before.
    """

    def __init__(self, host: str, on_change: Callable[[frozenset[str]], None]) -> None:
        self._host = host
        self._on_change = on_change
        self._addresses: list[str] = [host] if is_address(host) else []
        self._turn = 0
        self._is_stopped = False
        self._refreshing: asyncio.Task[None] | None = None

    async def reach(self, connect: Callable[[str], Awaitable[T]]) -> T:
        """Call ``connect`` with one address after the other until one works; each call begins at the next in turn.

        Raises OSError when none works, or when the name has never been resolved and can't be now.
        """
        addresses = await self._rotate()
        for address in addresses[:-1]:
            try:
                return await connect(address)
            except OSError:
                continue  # localhost, for one, has two addresses, and a service often listens on one only
        return await connect(addresses[-1])

    async def _rotate(self) -> list[str]:
        if not self._addresses:
            await self._look_up()
        if self._refreshing is None and not self._is_stopped and not is_address(self._host):
            self._refreshing = asyncio.create_task(self._refresh_for_ever(), name=f"resolve {self._host}")
        self._turn = (self._turn + 1) % len(self._addresses)
        return self._addresses[self._turn :] + self._addresses[: self._turn]

    async def _look_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label that DNS can't carry
            raise OSError(f"{self._host} is not a name") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not addresses:
            raise OSError(f"{self._host} has no address")
        if self._addresses and set(addresses) != set(self._addresses):
            self._on_change(frozenset(addresses))
        self._addresses = addresses

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self._look_up()
            except OSError:
                continue  # a name server that is away must not take a working backend with it

    def stop(self) -> None:
        """Look up nothing any more, but what requests under way still need."""
        self._is_stopped = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None
