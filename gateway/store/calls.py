"""Calls to a server, each of which is told how it went: what the store and the meeting place in Redis share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import RedisClusterException, RedisError

from gateway.errors import Fenced, StoreConflict, StoreUnavailable
from gateway.store.server import Argument, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.core.store_urls import RedisUrl

_FAULTS: Final = (
    RedisError,
    RedisClusterException,  # not one of the former
    OSError,
    UnicodeError,  # a host that can't be a name
    msgspec.DecodeError,
    StoreUnavailable,
)


class Calls:
    """See the module. Nothing is sent before the first one."""

    def __init__(self, url: RedisUrl) -> None:
        self.file = url.text
        self.server = Server(url)
        self.is_ok = False
        self.fault: str | None = None

    async def run(self, name: str, *args: Argument) -> Any:
        """What a script found. Raises `StoreConflict`, `Fenced` and `StoreUnavailable`."""
        with self.noted():
            kind, *found = await self.server.run(name, *args)
            if kind == b"format":
                raise StoreUnavailable(f"it was written by a newer Crossfade (version {found[0]}, this one knows 1)")
            if kind == b"incident":
                raise StoreUnavailable("it has another incident of the same id")
        if kind == b"conflict":
            raise StoreConflict(found[1].decode(), found[0])
        if kind == b"fenced":
            raise Fenced(f"lease {found[0]} was seen by the store; this one is older")
        return found[0] if found else None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note how a call, or the reading of its answer, went. Raises `StoreUnavailable` for whatever goes wrong."""
        try:
            yield
        except _FAULTS as error:
            self.is_ok, self.fault = False, _explain(error)
            raise StoreUnavailable(f"the store {self.file} can't be used: {self.fault}") from error
        self.is_ok, self.fault = True, None

    async def close(self) -> None:
        """Let go of all connections."""
        await self.server.close()


def pair(found: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """What comes one after the other, two by two."""
    return zip(found[::2], found[1::2], strict=True)


def _explain(error: Exception) -> str:
    if isinstance(error, MasterNotFoundError):  # tells of each Sentinel all that there is
        return "no Sentinel that answers knows a master of that name"
    return str(error) or "no answer in time"
