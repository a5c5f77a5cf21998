"""``crossfade demo``: see all of it in a minute, on your own machine."""

from __future__ import annotations

import asyncio
import signal
import sys

import click

INTERRUPTED = 130
"""What a shell calls ended by Ctrl-C: 128 + SIGINT."""


@click.command()
@click.option(
    "--seconds", default=60, show_default=True, type=click.IntRange(15, 3600), help="About how long it takes."
)
@click.option("--no-fault", is_flag=True, help="Leave out the part in which the new shop turns bad.")
def command(seconds: int, no_fault: bool) -> None:
    """See a plan go its way: two demo services, a gateway, a load, a candidate that turns bad, and the way back."""
    try:
        is_kept = asyncio.run(_perform(seconds, with_fault=not no_fault))
    except KeyboardInterrupt:
        click.echo("stopped; all that the demo started has ended", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if is_kept else 1)


async def _perform(seconds: float, *, with_fault: bool) -> bool:
    """The demo; SIGTERM and a closed terminal end it as Ctrl-C does, so that no child is left behind."""
    from rich.console import Console  # noqa: PLC0415 - heavy, and no other command needs it

    from gateway.demo.story import perform  # noqa: PLC0415 - likewise

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signal.raise_signal, signal.SIGINT)
    return await perform(Console(), seconds, with_fault=with_fault)
