"""The configuration in force: accepted whole or not at all.

Whatever brings new text (the watcher, SIGHUP, the API) ends in `Configuration.take`. It loads and compiles off the
loop, and only when that has succeeded anything changes: the text is kept, the table is published. A text that is not
valid leaves all as it is, except for the record of what was wrong with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from gateway.errors import ConfigError, LinkError, Problem
from gateway.settings.compile import compile_table
from gateway.settings.load import decode, load_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from gateway.core.types import Table
    from gateway.settings.compile import Switches
    from gateway.settings.load import Loaded
    from gateway.settings.schema import Config

RETRY_SECONDS = 5.0
"""A refused text is tried again so often: what it names (a certificate) may appear without the text changing."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """Where configuration texts come from, and what they are read with. Fixed at start."""

    path: Path
    env: Mapping[str, str]
    switches: Switches
    started_with: Config
    """What the master opened its sockets by."""

    def load(self, content: bytes, *, is_recovery: bool = False) -> tuple[Loaded, Table]:
        """The table of ``content``; raises `ConfigError` with every problem found. Takes a second for 10,000 routes."""
        text, name = decode(content, str(self.path)), str(self.path)
        loaded = load_text(text, name, self.env, self.path.parent, is_recovery=is_recovery)
        return loaded, compile_table(loaded.config, loaded.revision, self.switches, self.path.parent)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A configuration that was found good."""

    loaded: Loaded
    table: Table
    loaded_at: datetime


class Configuration:
    """What is in force, and what was last refused. ``publish`` and ``keep`` are called with everything accepted.

    ``prepare`` is waited for before that, and may take its time to get what a table needs. ``admin_token`` is what the
    admin API asked for before this began; "" for what it was started with.
    """

    def __init__(
        self,
        source: Source,
        publish: Callable[[Table], None],
        keep: Callable[[Accepted], None],
        admin_token: str = "",
        prepare: Callable[[Table], Awaitable[None]] | None = None,
    ) -> None:
        self.source = source
        self.admin_token = admin_token or source.started_with.admin.token
        """What the admin API asks for; "" for nothing, which its socket must allow."""
        self.accepted: Accepted | None = None
        self.problems: list[Problem] = []
        """Of the text that was last refused; empty when the last one was good."""
        self.reloads = {"success": 0, "failure": 0}
        """How often a text was taken up, by how that ended. Trying a refused one again counts when it succeeds."""
        self._publish = publish
        self._keep = keep
        self._prepare = prepare
        self._refused: bytes | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def last_reload_ok(self) -> bool:
        """Whether the text that was last seen is the one in force."""
        return not self.problems

    @property
    def refused_text(self) -> str | None:
        """What was last refused; None when the last one was good, and when it was no text at all."""
        return None if self._refused is None else self._refused.decode(errors="replace")

    @property
    def waits_for_restart(self) -> list[str]:
        """The changed fields that only a restart puts in force."""
        if self.accepted is None:
            return []
        config = self.accepted.loaded.config
        kept = ["admin.token"] if config.admin.token != self.admin_token else []
        return [*fixed_differences(self.source.started_with, config), *kept]

    async def take(self, content: bytes, now: datetime) -> bool:
        """Put ``content`` in force if it is valid; otherwise log and remember its problems. Says which it was."""
        is_good = await self._try(content, now)
        self._count(is_good=is_good)
        return is_good

    async def _try(self, content: bytes, now: datetime, *, is_recovery: bool = False) -> bool:
        async with self._one_at_a_time:
            try:
                loaded, table = await asyncio.to_thread(self.source.load, content, is_recovery=is_recovery)
                if self._prepare is not None:
                    await self._prepare(table)
                self._accept(Accepted(loaded, table, now))
            except ConfigError as error:
                self._refuse(content, error.problems)
            except LinkError as error:  # more routes than a link carries
                self._refuse(content, [Problem(0, 0, "", str(error))])
            return self.last_reload_ok

    def _count(self, *, is_good: bool) -> None:
        self.reloads["success" if is_good else "failure"] += 1

    async def recover(self, content: bytes, loaded_at: datetime, problems: list[Problem]) -> None:
        """Put a former configuration in force, in place of a file that has ``problems``."""
        refused = self._refused
        await self._try(content, loaded_at, is_recovery=True)
        self.problems, self._refused = problems, refused

    async def retry(self, now: datetime) -> None:
        """Try once more the text that was refused."""
        if self._refused is not None and await self._try(self._refused, now):
            self._count(is_good=True)

    def miss(self, problem: Problem) -> None:
        """The file could not be read at all."""
        self.problems, self._refused = [problem], None
        self._count(is_good=False)

    def holds(self, content: bytes) -> bool:
        """Whether ``content`` is what is in force, or what was last refused: nothing new, either way."""
        if self.problems:
            return content == self._refused
        return self.accepted is not None and self.accepted.loaded.text.encode() == content

    def _accept(self, accepted: Accepted) -> None:
        """The same again is good news, but nothing to publish."""
        former = self.accepted
        if former is None or (former.table, former.loaded.text) != (accepted.table, accepted.loaded.text):
            self._publish(accepted.table)
            self.admin_token = self._choose_token(accepted.loaded.config)
            self._keep(accepted)
            self.accepted = accepted
            self._log_accepted(accepted)
        self.problems, self._refused = [], None

    def _choose_token(self, config: Config) -> str:
        """What to ask for from now on.

        A configuration without a token is valid for the loopback address that it names. As long as the API still
        answers on the address that it was started with, and that is another, it would be open to everybody.
        """
        if config.admin.token or self.source.started_with.admin.listen.is_loopback:
            return config.admin.token
        return self.admin_token

    def _refuse(self, content: bytes, problems: list[Problem]) -> None:
        is_news = problems != self.problems
        self.problems, self._refused = problems, content
        if is_news:
            log.error("configuration_refused", problems=ConfigError(str(self.source.path), problems).lines())

    def _log_accepted(self, accepted: Accepted) -> None:
        loaded = accepted.loaded
        log.info("configuration_accepted", revision=loaded.revision, routes=len(accepted.table.routes))
        for line in ConfigError(str(self.source.path), loaded.warnings).lines():
            log.warning("configuration_risky", warning=line)
        for sentence in self.source.switches.in_force(loaded.config):
            log.warning("switch_in_force", effect=sentence)
        for sentence in self.source.switches.unknown(loaded.config):
            log.warning("switch_ignored", reason=sentence)
        if waiting := self.waits_for_restart:
            log.warning("restart_needed", fields=waiting)


def fixed_differences(started_with: Config, newer: Config) -> list[str]:
    """Which fields that are fixed at start differ between two configurations."""
    pairs = {
        "server.listen": (started_with.server.listen, newer.server.listen),
        "server.workers": (started_with.server.workers, newer.server.workers),
        "admin.listen": (started_with.admin.listen, newer.admin.listen),
        "store": (started_with.store, newer.store),
        "store_cache": (started_with.store_cache, newer.store_cache),
    }
    return [field for field, (before, after) in pairs.items() if before != after]
