"""Where trials take place, and what must hold at the end of each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import Enum
from typing import Any

from tests.fuzz.stage import Stage, Wire, settle, staged

# Longer than every time-out of the stage's table.
LONG_SECONDS = 5.0


class Outcome(Enum):
    """What became of a stream."""

    PASSED = "passed"  # every message of it was relayed
    REFUSED = "refused"  # answered by the gateway itself, and ended
    CLOSED = "closed"  # ended, or broken off, without an answer of the gateway's own
    WAITED = "waited"  # not whole: the gateway waited for more until it gave up


class Finding(AssertionError):
    """Something that must never happen, with the bytes that made it happen."""

    def __init__(self, what: str, pieces: list[bytes]) -> None:
        super().__init__(f"{what}\n  pieces = {pieces!r}")


class Theatre:
    """A stage, and what went wrong behind the scenes of it."""

    def __init__(self, stage: Stage, errors: list[dict[str, Any]]) -> None:
        self.stage = stage
        self.errors = errors
        self.pool = stage.plane.generation.pools["legacy"]

    async def end(self, client: Wire, pieces: list[bytes]) -> None:
        """Wait until every time-out has passed: then nothing may be left."""
        for _ in range(4):
            if client.is_lost:
                break
            self.stage.pass_seconds(LONG_SECONDS)
            await settle(3)
        if not client.is_lost:
            raise Finding("the client's connection hangs", pieces)
        for connection in [*self.pool.endpoints[0].idle]:
            connection.close()
        await settle(3)
        if self.errors:
            raise Finding(f"unhandled: {self.errors!r}", pieces)
        left = (self.stage.plane.figures()["in_flight"], self.pool.endpoints[0].in_flight, self.pool.connections)
        if left != (0, 0, 0):
            raise Finding(f"left over: {left} (requests, of the endpoint, connections)", pieces)


@contextlib.asynccontextmanager
async def theatre() -> AsyncIterator[Theatre]:
    """A data plane for any number of trials, one after the other."""
    errors: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    async with staged() as stage:
        yield Theatre(stage, errors)
    loop.set_exception_handler(None)
