"""`crossfade store`: what the gateway keeps, moved to another store."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.core.store_urls import file_of, parse_store, strike_password
from gateway.errors import CommandError
from gateway.settings.scalars import expand
from gateway.store import open_store
from gateway.store.copying import Copied, copy, is_empty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.store import Store

_SINGULAR = {"events": "event", "incidents": "incident", "mismatches": "mismatch", "rollouts": "rollout"}


@click.group(name="store")
def command() -> None:
    """Move what a gateway keeps: how far rollouts are, events, incidents, mismatches."""


@command.command(name="copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--force", is_flag=True, help="Also into a store that holds something: it is cleared first.")
def copy_command(source: str, target: str, force: bool) -> None:
    """Copy everything from one store to another, with its ids and versions.

    FROM and TO are written as `store` in the configuration; '${NAME}' in quotes is taken from the environment, which
    keeps a password off the command line. Stop every gateway that writes to either first.
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
    async with _opened(source) as giver, _opened(target) as taker:
        if not await is_empty(taker):
            if not force:
                raise CommandError(f"{strike_password(target)} is not empty; --force clears it first")
            await taker.clear()
        return await copy(giver, taker, _tell)


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
