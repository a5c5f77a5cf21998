"""What a store must do for a fleet, beside keeping what outlives it (`gateway.store.interface`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Protocol

from gateway.core.fleet import Presence, Pulse, Report, Seen, Sum


class FleetStore(Protocol):
    """The place where replicas meet.

    Each method raises `StoreUnavailable` when it can't be used, within a few seconds. Nothing here needs to be durable:
    what is lost is said again a second later.
    """

    async def report(
        self,
        replica: str,
        presence: Presence,
        report: Report | None,
        *,
        lease_seconds: float,
        known_fence: int,
    ) -> Pulse:
        """Say that ``replica`` lives, hand in what it counted, and ask for the lease if it is free.

        Its holder has it for ``lease_seconds`` more; 0 does not ask, and gives up what it has. Whoever gets it anew
        gets a fence above all that the store has seen, and above ``known_fence``, should it have forgotten some.
        """

    async def leave(self, replica: str) -> None:
        """Forget ``replica``, and give back its lease."""

    async def replicas(self) -> list[Seen]:
        """All that were heard of lately, by name."""

    async def reports(self, after: str) -> tuple[Iterable[Report], str]:
        """What replicas handed in since ``after``, and what to ask with the next time; empty: from now on.

        Those that nobody has asked for within seconds are gone. They are read one by one as they are asked for: all at
        once they would be a feast for the garbage collector.
        """

    async def share(self, verdicts: bytes, counted: Sum | None, *, fence: int) -> None:
        """Say what the rules say for those who follow, and leave what all have counted for who leads next.

        Raises `Fenced` for who leads no more.
        """

    def sums(self) -> AsyncGenerator[tuple[float, Sum]]:
        """What leaders have left of the last ten minutes, the oldest first, each with its age in seconds."""

    async def verdicts(self) -> bytes:
        """What the leader said last that rules say; empty when that is more than a few seconds ago."""

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call ``heard`` whenever somebody has moved a rollout, until the connection breaks: then `StoreUnavailable`.

        And once at the beginning, as nobody knows what happened before.
        """

    async def close(self) -> None:
        """Let go of all connections."""
