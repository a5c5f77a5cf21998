"""What every store can do. Narrow on purpose: whatever keeps it must be easy to replace."""

from __future__ import annotations

from typing import Protocol

from gateway.store.records import Event, NewEvent


class Store(Protocol):
    """Keeps what outlives the gateway.

    Each method raises `StoreUnavailable` when the store can't be used; the next call tries again. What a method has
    written is durable when it returns.
    """

    kind: str
    """``sqlite``."""

    @property
    def is_ok(self) -> bool:
        """Whether the last call succeeded."""

    async def open(self) -> None:
        """Make it ready, and bring what an older version left up to date."""

    async def close(self) -> None:
        """Let go of it. What is under way ends first."""

    async def percents(self) -> dict[str, float]:
        """Operators' percentages, by rollout."""

    async def set_percent(self, rollout: str, percent: float | None, event: NewEvent) -> Event:
        """Set an operator's percentage, or give it back (None), and record the event: both or neither."""

    async def record(self, event: NewEvent) -> Event:
        """Add to the audit log."""

    async def events(self, after: int = 0, limit: int = 100, rollout: str | None = None) -> list[Event]:
        """The first ``limit`` events with an id above ``after``, the oldest first; of one rollout, if it is given."""

    async def newest(self, kind: str) -> Event | None:
        """The last event of a kind that was recorded; None before the first."""
