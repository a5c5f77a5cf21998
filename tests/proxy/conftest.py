"""A data plane in force, without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.proxy.wiring import Wires, table


@pytest.fixture
async def wires() -> AsyncIterator[Wires]:
    """Everything goes to the backend ``legacy``."""
    wires = Wires(table())
    yield wires
    await wires.plane.drain(0)
