"""The keys that tokens are verified by: had before a configuration that wants them is in force, and kept fresh.

The table that is compiled from the file gets those of a URL laid over it. When they change, wherever they come from,
the table in force is published once more with them: nothing else of it is other, so no rollout begins anew.

An answer that is bad, or none, changes nothing: what was known counts on. What was known of a URL is in memory that
outlives the controller, so that the next one does not wait for it, and nobody changes arms when it is away just then;
nor when a file is broken just then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import structlog

from gateway.control.jwks import ask_keys
from gateway.core.jwks import Jwk
from gateway.errors import KeysUnavailable, LinkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.tokens import TokenPolicy
    from gateway.core.types import Table

RETRY_SECONDS: Final = 10.0
"""After the first bad answer; then twice as long each time, up to ``jwt.refresh``."""
LOOK_SECONDS: Final = 5.0
"""How often a file is read again."""

log = structlog.get_logger()


class KnownKeys(msgspec.Struct, frozen=True):
    """What a source said last."""

    source: str
    """A URL, or a file's path."""
    keys: tuple[Jwk, ...]


class Memory(Protocol):
    """Keeps one value as long as the gateway lives."""

    def put(self, kept: KnownKeys) -> None:
        """Keep this and nothing else."""

    def newest(self) -> KnownKeys | None:
        """What was put last; None before the first."""


@dataclass(slots=True)
class _Source:
    """A place where keys are, as it was when it was asked last."""

    keys: tuple[Jwk, ...] = ()
    """What it said last."""
    is_asked: bool = False
    fault: str = ""
    retry_seconds: float = RETRY_SECONDS


class TokenKeys:
    """See the module. ``renew`` puts the table in force once more, as the function that it is given changes it."""

    def __init__(self, memory: Memory, renew: Callable[[Callable[[Table], Table]], None]) -> None:
        self.tokens: TokenPolicy | None = None
        """What is in force, with its keys; None where no tokens are verified."""
        self._memory = memory
        self._renew = renew
        self._sources: dict[str, _Source] = {}
        """That in force, and those of tables that are to be."""
        self._news = asyncio.Event()
        if (kept := memory.newest()) is not None:
            self._sources[kept.source] = _Source(kept.keys)

    @property
    def fault(self) -> str:
        """Why the keys can't be had now; empty when all is well."""
        return "" if self.tokens is None else self._find(self.tokens).fault

    def _find(self, tokens: TokenPolicy) -> _Source:
        return self._sources.setdefault(tokens.source, _Source())

    async def prepare(self, table: Table) -> None:
        """Ask for the keys of a table that is to be in force, unless they are known; it takes a few seconds at most."""
        tokens = table.tokens
        if tokens is not None and tokens.is_published:
            source = self._find(tokens)
            if not (source.is_asked or source.keys):
                await self._ask(tokens)

    def lay_over(self, table: Table) -> Table:
        """``table`` with the keys that are known of its source, where it brings none."""
        tokens = table.tokens
        if tokens is None or tokens.keys:
            return table
        return _with_keys(table, tokens.source, self._find(tokens).keys)

    def follow(self, tokens: TokenPolicy | None) -> None:
        """These are in force from now on: keep their keys fresh, and forget all others."""
        former, self.tokens = self.tokens, tokens
        if tokens is None:
            self._sources = {}
            return
        source = self._find(tokens)
        source.keys = tokens.keys
        self._sources = {tokens.source: source}
        self._remember()
        if former is None or (former.source, former.refresh_seconds) != (tokens.source, tokens.refresh_seconds):
            self._news.set()

    def _remember(self) -> None:
        tokens, kept = self.tokens, self._memory.newest()
        if tokens is not None and tokens.keys:
            known = KnownKeys(tokens.source, tokens.keys)
            if known != kept:
                self._memory.put(known)

    async def run(self) -> None:
        """Ask again and again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds()):
                    await self._news.wait()
            if self._news.is_set():
                self._news.clear()
            elif self.tokens is not None:
                await self.refresh(self.tokens)

    def _pause_seconds(self) -> float | None:
        """Until somebody is to be asked; None for nobody."""
        if self.tokens is None:
            return None
        if not self.tokens.is_published:
            return LOOK_SECONDS
        source, seconds = self._find(self.tokens), self.tokens.refresh_seconds
        if not source.is_asked:
            return 0.0
        return min(source.retry_seconds, seconds) if source.fault else seconds

    async def refresh(self, tokens: TokenPolicy) -> None:
        """Ask once, and put in force what is new."""
        keys = await self._ask(tokens)
        if keys is None or self.tokens is None or self.tokens.source != tokens.source or self.tokens.keys == keys:
            return
        try:
            self._renew(lambda table: _with_keys(table, tokens.source, keys))
        except LinkError as error:
            log.error("jwks_refused", source=show_source(tokens.source), reason=str(error))  # noqa: TRY400 - it says all
            return
        self.tokens = msgspec.structs.replace(self.tokens, keys=keys)
        self._remember()

    async def _ask(self, tokens: TokenPolicy) -> tuple[Jwk, ...] | None:
        """The keys; None when they can't be had, which is said once."""
        source, name = self._find(tokens), show_source(tokens.source)
        source.is_asked = True
        try:
            keys = await ask_keys(tokens)
        except KeysUnavailable as error:
            _note_fault(source, name, str(error))
            return None
        if source.fault or source.keys != keys:
            log.info("jwks_refreshed", source=name, keys=len(keys))
        source.keys, source.fault = keys, ""
        return keys


def _note_fault(source: _Source, name: str, reason: str) -> None:
    """Say it once, and wait longer from time to time."""
    if source.fault:
        source.retry_seconds *= 2
    else:
        source.retry_seconds = RETRY_SECONDS
        effect = "the keys that are known stay in force" if source.keys else "no token is believed until there are keys"
        log.warning("jwks_unavailable", source=name, reason=reason, effect=effect)
    source.fault = reason


def show_source(source: str) -> str:
    """A URL or a file as anybody may read it: what follows a question mark could be a secret."""
    return source.partition("?")[0] if source.startswith(("http://", "https://")) else source


def _with_keys(table: Table, source: str, keys: tuple[Jwk, ...]) -> Table:
    if table.tokens is None or table.tokens.source != source:
        return table
    return msgspec.structs.replace(table, tokens=msgspec.structs.replace(table.tokens, keys=keys))
