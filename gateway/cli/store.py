"""`crossfade store`: what the gateway keeps, moved to another store."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.core.store_urls import file_of, parse_store, strike_password
from gateway.errors import CommandError
from gateway.settings.scalars import expand
from gateway.store import open_fleet, open_store
from gateway.store.copying import Copied, copy, is_empty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.store import Store

HEARD_SECONDS: Final = 5.0
"""A gateway that was heard of within that time runs: it reports each second."""
_SINGULAR: Final = {"events": "event", "incidents": "incident", "mismatches": "mismatch", "rollouts": "rollout"}


@click.group(name="store")
def command() -> None:
    """Move what a gateway keeps: how far rollouts are, events, incidents, mismatches."""


@command.command(name="copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--force", is_flag=True, help="Also into a store that holds something, which is cleared, or is in use.")
def copy_command(source: str, target: str, force: bool) -> None:
    """Copy everything from one store to another, with its ids and versions.

    FROM and TO are written as `store` in the configuration; '${NAME}' in quotes is taken from the environment, which
    keeps a password off the command line. Stop every gateway that writes to either first: one that runs on TO writes
    into it again what it knows, and what one writes to FROM meanwhile may be missing.
    """
    giver, taker = _read(source), _read(target)
    file = file_of(giver)
    if file is not None and not Path(file).is_file():
        raise CommandError(f"there is no file `{file}` to copy from")
    if _place(giver) == _place(taker):
        raise CommandError("FROM and TO are the same store")
    copied = asyncio.run(_copy(giver, taker, force=force))
    click.echo("copied " + ", ".join(_count(copied)))


def _read(text: str) -> str:
    try:
        url = expand(text, os.environ)
        parse_store(url)
    except ValueError as error:
        raise CommandError(str(error)) from None
    return url


async def _copy(source: str, target: str, *, force: bool) -> Copied:
    if said := await _say_running(target):
        if not force:
            raise CommandError(f"{said}; stop them first: they write into it again what they know")
        _warn(f"{said}; they write into it again what they know")
    if said := await _say_running(source):  # a backup is copied from a fleet that runs
        _warn(f"{said}; what they write meanwhile may be missing from the copy")
    async with _opened(source) as giver, _opened(target) as taker:
        if not await is_empty(taker):
            if not force:
                raise CommandError(f"{strike_password(target)} is not empty; --force clears it first")
            await taker.clear()
        return await copy(giver, taker, _tell)


async def _say_running(url: str) -> str:
    """Which gateways run on a store; empty for none. Of a file nobody knows."""
    fleet = open_fleet(url)
    if fleet is None:
        return ""
    try:
        running = [seen.replica for seen in await fleet.replicas() if seen.silent_seconds < HEARD_SECONDS]
    finally:
        await fleet.close()
    gateways = "1 gateway runs" if len(running) == 1 else f"{len(running)} gateways run"
    return f"{gateways} on {strike_password(url)}: {', '.join(running)}" if running else ""


def _warn(text: str) -> None:
    click.echo(f"crossfade: {text}", err=True)


def _place(url: str) -> str | Path:
    file = file_of(url)
    return url if file is None else Path(file).resolve()


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Store]:
    store = open_store(url)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def _tell(kind: str, number: int) -> None:
    """On a terminal, in one line that changes."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{number:,} {kind} ", nl=False, err=True)


def _count(copied: Copied) -> Iterator[str]:
    for kind, number in copied._asdict().items():
        yield f"{number:,} {_SINGULAR[kind] if number == 1 else kind}"
