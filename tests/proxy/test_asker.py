"""A connection tells whoever it serves the same, be that a user's request or a copy."""

from __future__ import annotations

import pytest

from gateway.proxy.asker import Asker, Sender
from tests.proxy.mirror import Mirror


def names(protocol: type) -> list[str]:
    """What a protocol asks for."""
    return sorted(name for name in vars(protocol) if not name.startswith("_"))


@pytest.mark.parametrize("name", names(Asker))
async def test_requests_and_copies_can_be_told_the_same(name: str) -> None:
    """Pools and connections don't ask whom they serve."""
    mirror = Mirror()
    mirror.exchange()
    mirror.ask()

    assert hasattr(mirror.sent[0].connection.exchange, name)
    assert hasattr(mirror.baseline.exchange, name)


@pytest.mark.parametrize("name", names(Sender))
async def test_a_copy_has_nothing_left_to_hold_back(name: str) -> None:
    """Its body is there as a whole: a backend that is slow to take it slows nobody."""
    mirror = Mirror()
    mirror.exchange()
    copy = mirror.sent[0].connection.exchange
    assert copy is not None
    before = mirror.sent[0].written
    getattr(copy.client, name)()

    assert mirror.sent[0].written == before
    assert not mirror.sent[0].transport.is_closed
