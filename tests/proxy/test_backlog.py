"""A slow reader is told from one that has stopped."""

from __future__ import annotations

from gateway.proxy.backlog import Backlog
from tests.proxy.wiring import MemoryTransport


def test_a_peer_that_took_something_has_moved() -> None:
    """However little it was; the next look compares with this one."""
    transport = MemoryTransport()
    backlog = Backlog()
    transport.unsent = 100
    backlog.note(transport)

    transport.unsent = 99
    assert backlog.has_moved(transport)
    assert not backlog.has_moved(transport)


def test_a_peer_that_took_nothing_has_not_moved() -> None:
    """Nor has one for which even more is waiting."""
    transport = MemoryTransport()
    backlog = Backlog()
    backlog.note(transport)

    transport.unsent = 100

    assert not backlog.has_moved(transport)
