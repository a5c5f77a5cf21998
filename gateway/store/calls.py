"""Calls to a server, each of which is told how it went: what the store and the meeting place in Redis share."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import RedisClusterException, RedisError

from gateway.errors import Fenced, StoreConflict, StoreUnavailable
from gateway.store.server import Argument, Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.core.store_urls import RedisUrl

REASON_CHARS: Final = 160
"""A reason is a part of one line; what a server tells beyond is advice to who runs it."""

_WHERETO: Final = r"(?:Error (?:-?\d+ )?connecting to \S+\. )?"
_REASON: Final = re.compile(rf"{_WHERETO}.+?(?=\.? script: |\.\s|\.?\s*$)", re.DOTALL)
"""Whereto, as the client says it, and the first sentence of why. Which line of a script failed is no news."""

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
        self._tls_files = url.tls_files
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
            self.is_ok, self.fault = False, _explain(error, self._tls_files.values())
            raise StoreUnavailable(f"the store {self.file} can't be used: {self.fault}") from error
        self.is_ok, self.fault = True, None

    async def close(self) -> None:
        """Let go of all connections."""
        await self.server.close()


def pair(found: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """What comes one after the other, two by two."""
    return zip(found[::2], found[1::2], strict=True)


def _explain(error: Exception, files: Iterable[str]) -> str:
    """Why, in a sentence."""
    if isinstance(error, MasterNotFoundError):  # tells of each Sentinel all that there is
        return "no Sentinel that answers knows a master of that name"
    nodes = error.__cause__ if isinstance(error, RedisClusterException) else None
    said = str(nodes or error)  # that a cluster can't be connected says less than what one of its nodes said
    found = _REASON.match(said)
    return next(_find_unreadable(files, said), _shorten(found[0] if found else said) or "no answer in time")


def _find_unreadable(files: Iterable[str], said: str) -> Iterator[str]:
    """Those of ``files`` that can't be read for the reason ``said``: it comes without their name."""
    for file in files:
        try:
            Path(file).open("rb").close()
        except OSError as error:
            if error.strerror and error.strerror in said:
                yield f"{file} can't be read: {error.strerror}"


def _shorten(text: str) -> str:
    """``text`` in at most `REASON_CHARS` characters."""
    return text if len(text) <= REASON_CHARS else f"{text[: REASON_CHARS - 1].rstrip()}…"
