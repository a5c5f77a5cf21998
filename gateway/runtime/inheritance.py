"""What the master opens and every child inherits by fork.

A child keeps what is its own and closes the rest, so that a socket's life is the master's decision alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from gateway.control.cache import Remembered
    from gateway.control.configuration import Source
    from gateway.control.token_keys import KnownKeys
    from gateway.proxy.listener import TlsFiles
    from gateway.proxy.order import Order
    from gateway.runtime.clock import SteadyClock
    from gateway.runtime.keepsake import Keepsake, Kept
    from gateway.runtime.ledger import Ledger
    from gateway.telemetry.turns import Turns


@dataclass(frozen=True, slots=True)
class Door:
    """One listen address: a socket per worker slot, and the certificate to show there."""

    sockets: list[socket.socket]
    tls: TlsFiles | None


@dataclass(frozen=True, slots=True)
class Inheritance:
    """All that outlives a child."""

    source: Source
    slots: int
    """How many workers there are."""
    doors: list[Door]
    admin: socket.socket
    link: socket.socket
    """Where the controller waits for workers and comparer."""
    pairs: socket.socket
    """Where the comparer waits for workers."""
    keepsake: Keepsake[Kept]
    memory: Keepsake[Remembered]
    """How rollouts stood, for a controller that starts while the store is away."""
    token_keys: Keepsake[KnownKeys]
    """What their source said last, for one that starts while that is away."""
    ledger: Ledger
    log_turns: Turns
    clock: SteadyClock
    """Of the figures."""
    order: Order
    """Of the workers' copies."""
    replica: str
    """By which the gateways of a fleet know this one, as long as its master lives."""

    def keep_slot(self, slot: int) -> None:
        """In worker ``slot``: close everything that is another process's."""
        close_all(member for door in self.doors for index, member in enumerate(door.sockets) if index != slot)
        close_all([self.admin])
        self._forget()

    def keep_control(self) -> None:
        """In the controller: close everything that is the workers' and the comparer's."""
        self.close_doors()
        close_all([self.pairs])

    def keep_comparing(self) -> None:
        """In the comparer: close everything but where its pairs come in and the link's name."""
        self.close_doors()
        close_all([self.admin])
        self._forget()

    def _forget(self) -> None:
        for memory in (self.keepsake, self.memory, self.token_keys, self.ledger):
            memory.close()

    def close_doors(self) -> None:
        """Close the listening sockets of the data plane, as far as this process holds them."""
        close_all(member for door in self.doors for member in door.sockets)

    def close(self) -> None:
        """Close all of it."""
        self.close_doors()
        close_all([self.admin, self.link, self.pairs])
        self._forget()


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close each of ``sockets``; closing twice does nothing."""
    for member in sockets:
        member.close()
