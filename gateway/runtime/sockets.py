"""The sockets that the master opens before any child exists, so that no child's death closes them.

Each listen address gets one ``SO_REUSEPORT`` socket per worker. The kernel spreads new connections over them, and what
waits in a dead worker's queue is served by its successor, because the master still holds that socket.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from typing import TYPE_CHECKING

from gateway.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn."""


def open_group(host: str, port: int, count: int) -> list[socket.socket]:
    """``count`` sockets that listen on one address together. Port 0 takes a free port, the same for all.

    Raises `CommandError` when the address can't be had.
    """
    with contextlib.ExitStack() as undo, _explained(host, port):
        address = _resolve(host, port)
        if port:
            _refuse_a_taken_port(address)
        group: list[socket.socket] = []
        for _ in range(count):
            member = undo.enter_context(_bound(address, socket.SO_REUSEPORT))
            address = (address[0], member.getsockname()[1], *address[2:])
            group.append(member)
        for member in group:
            member.listen(BACKLOG)
        undo.pop_all()
        return group


def open_single(host: str, port: int) -> socket.socket:
    """One listening socket; raises `CommandError` when the address can't be had."""
    with contextlib.ExitStack() as undo, _explained(host, port):
        single = undo.enter_context(_bound(_resolve(host, port), socket.SO_REUSEADDR))
        single.listen(BACKLOG)
        undo.pop_all()
        return single


def open_link() -> socket.socket:
    """A listening socket for our own processes, in the abstract namespace: it needs no directory and leaves no file."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.bind(f"\0crossfade-{os.getpid()}-{secrets.token_hex(8)}")
    link.listen(BACKLOG)
    link.setblocking(False)
    return link


def show_address(listening: socket.socket) -> str:
    """``host:port`` as bound, an IPv6 host in brackets."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


Address = tuple[str, int, *tuple[int, ...]]


def _resolve(host: str, port: int) -> Address:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return found[0][4]  # type: ignore[return-value]  # typeshed also allows a Python without IPv6 here


def _bound(address: Address, option: int) -> socket.socket:
    """A bound, non-blocking socket. An IPv6 one takes IPv6 only: ``0.0.0.0`` and ``[::]`` can stand together."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def _refuse_a_taken_port(address: Address) -> None:
    """SO_REUSEPORT would quietly share the port with another gateway of the same user; a plain bind does not."""
    _bound(address, socket.SO_REUSEADDR).close()


@contextlib.contextmanager
def _explained(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        shown = f"[{host}]" if ":" in host else host
        msg = f"cannot listen on {shown}:{port}: {error.strerror or error}"
        raise CommandError(msg) from error
