"""Connections between processes of one gateway: made again whenever they break, and let in from our own only.

The listening sockets are abstract ones, which any local user could connect to, or take when the gateway is gone: so
each end looks whom it has before it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import structlog

from gateway.errors import LinkError
from gateway.runtime.link import check_peer

if TYPE_CHECKING:
    from collections.abc import Callable

KNOCK_SECONDS = 0.05
"""The first wait before connecting again; each further one is twice as long …"""

KNOCK_LONGEST_SECONDS = 0.5
"""… up to this, so that a new controller has all its workers well within a second."""

log = structlog.get_logger()


async def stay_connected(address: str | bytes, protocol: Callable[[], asyncio.Protocol], ended: asyncio.Event) -> None:
    """Hold a connection to ``address``, for ever. The protocol sets ``ended`` when one is lost."""
    wait = KNOCK_SECONDS
    while True:
        try:
            await _connect(address, protocol, ended)
        except (OSError, LinkError) as error:
            log.debug("link_unavailable", reason=str(error))
        else:
            wait = KNOCK_SECONDS
            await ended.wait()
        await asyncio.sleep(wait)
        wait = min(wait * 2, KNOCK_LONGEST_SECONDS)


def check_caller(transport: asyncio.BaseTransport) -> None:
    """Raise `LinkError` unless who has connected belongs to our user."""
    caller = socket.socket(fileno=transport.get_extra_info("socket").fileno())
    try:
        check_peer(caller, os.geteuid())
    finally:
        caller.detach()


async def _connect(address: str | bytes, protocol: Callable[[], asyncio.Protocol], ended: asyncio.Event) -> None:
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        caller.setblocking(False)
        caller.connect(address)  # on this kind of socket at once, or EAGAIN when nobody accepts
        check_peer(caller, os.geteuid())
        ended.clear()
        await asyncio.get_running_loop().create_unix_connection(protocol, sock=caller)
    except BaseException:
        caller.close()
        raise
