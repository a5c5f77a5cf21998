"""The keys that tokens are verified by: had before a configuration that wants them is in force, and kept fresh.

The table that is compiled from the file gets those of a URL laid over it. When they change, wherever they come from,
the table in force is published once more with them: nothing else of it is other, so no rollout begins anew.

An answer that is bad, or none, changes nothing: what was known counts on. What was known of a URL is in memory that
outlives the controller, so that the next one does not wait for it, and nobody changes arms when it is away just then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
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
    """What a URL said last."""

    url: str
    keys: tuple[Jwk, ...]


class Memory(Protocol):
    """Keeps one value as long as the gateway lives."""

    def put(self, kept: KnownKeys) -> None:
        """Keep this and nothing else."""

    def newest(self) -> KnownKeys | None:
        """What was put last; None before the first."""


class TokenKeys:
    """See the module. ``renew`` puts the table in force once more, as the function that it is given changes it."""

    def __init__(self, memory: Memory, renew: Callable[[Callable[[Table], Table]], None]) -> None:
        self.tokens: TokenPolicy | None = None
        """What is in force, with its keys; None where no tokens are verified."""
        self.fault = ""
        """Why the keys can't be had now; empty when all is well."""
        self._memory = memory
        self._renew = renew
        self._known = memory.newest()
        self._asked = ""
        """Who was asked last."""
        self._retry_seconds = RETRY_SECONDS
        self._news = asyncio.Event()

    async def prepare(self, table: Table) -> None:
        """Ask for the keys of a table that is to be in force, unless they are known; it takes a few seconds at most."""
        tokens = table.tokens
        if tokens is None or not tokens.is_published or tokens.source == self._asked:
            return
        if self._known is None or self._known.url != tokens.source:
            await self._ask(tokens)

    def lay_over(self, table: Table) -> Table:
        """``table`` with the keys that are known of its URL."""
        tokens, known = table.tokens, self._known
        if tokens is None or not tokens.is_published or known is None or known.url != tokens.source:
            return table
        return msgspec.structs.replace(table, tokens=msgspec.structs.replace(tokens, keys=known.keys))

    def follow(self, tokens: TokenPolicy | None) -> None:
        """These are in force from now on: keep their keys fresh."""
        former, self.tokens = self.tokens, tokens
        if tokens is None or not tokens.is_published:
            self.fault = self._asked = ""
        if former is None or tokens is None or _rhythm(former) != _rhythm(tokens):
            self._news.set()

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
        if self._asked != self.tokens.source:
            return 0.0
        return min(self._retry_seconds, self.tokens.refresh_seconds) if self.fault else self.tokens.refresh_seconds

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

    async def _ask(self, tokens: TokenPolicy) -> tuple[Jwk, ...] | None:
        """The keys; None when they can't be had, which is said once."""
        if self._asked != tokens.source:
            self.fault = ""
        self._asked = tokens.source
        try:
            keys = await ask_keys(tokens)
        except KeysUnavailable as error:
            self._note_fault(tokens, str(error))
            return None
        self._note_keys(tokens, keys)
        return keys

    def _note_fault(self, tokens: TokenPolicy, reason: str) -> None:
        if self.fault:
            self._retry_seconds *= 2
        else:
            self._retry_seconds = RETRY_SECONDS
            has_any = bool(tokens.keys) or (self._known is not None and self._known.url == tokens.source)
            effect = "the keys that are known stay in force" if has_any else "no token is believed until there are keys"
            log.warning("jwks_unavailable", source=show_source(tokens.source), reason=reason, effect=effect)
        self.fault = reason

    def _note_keys(self, tokens: TokenPolicy, keys: tuple[Jwk, ...]) -> None:
        known = KnownKeys(tokens.source, keys)
        former = self._known if tokens.is_published else KnownKeys(tokens.source, tokens.keys)
        if self.fault or known != former:
            log.info("jwks_refreshed", source=show_source(tokens.source), keys=len(keys))
        if tokens.is_published and known != former:
            self._known = known
            self._memory.put(known)
        self.fault = ""


def show_source(source: str) -> str:
    """A URL or a file as anybody may read it: what follows a question mark could be a secret."""
    return source.partition("?")[0] if source.startswith(("http://", "https://")) else source


def _rhythm(tokens: TokenPolicy) -> tuple[str, float]:
    return tokens.source, tokens.refresh_seconds


def _with_keys(table: Table, source: str, keys: tuple[Jwk, ...]) -> Table:
    if table.tokens is None or table.tokens.source != source:
        return table
    return msgspec.structs.replace(table, tokens=msgspec.structs.replace(table.tokens, keys=keys))
