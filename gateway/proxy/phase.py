"""How far an exchange is: the phases of `gateway.proxy.exchange` that differ in what an event means."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """In the order of a request's life; a failover goes back to acquiring."""

    DECIDING = auto()
    COLLECTING = auto()  # the request's body is awaited before anything is sent; see `gateway.proxy.journaling`
    ACQUIRING = auto()  # waits for a connection
    AWAITING = auto()  # the request is being sent, or its answer awaited
    RELAYING = auto()  # the answer's head has gone to the client
    TUNNEL = auto()
    SETTLED = auto()


# A name of a module is found several times as fast as a member of an enumeration.
DECIDING, COLLECTING, ACQUIRING, AWAITING, RELAYING, TUNNEL, SETTLED = list(Phase)
