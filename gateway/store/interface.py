"""What every store can do. Narrow on purpose: whatever keeps it must be easy to replace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from gateway.core.lifecycle import Progress
from gateway.store.records import Event, Incident, NewEvent, PathRecord


class Store(Protocol):
    """Keeps what outlives the gateway.

    Each method raises `StoreUnavailable` when the store can't be used; the next call tries again. What a method has
    written is durable when it returns, as far as whoever runs the store has made it so.

    ``fence`` is the number of the lease under which somebody conducts the rollouts of a fleet. Who has a lower one than
    the store has seen is refused with `Fenced` (Kleppmann, How to do distributed locking, 2016). None is nobody's: an
    operator's move, or that of a gateway that is alone; then only the version of what is stored counts.
    """

    kind: str
    """``sqlite`` or ``redis``."""

    file: str
    """Where it is, for people: nothing secret."""

    @property
    def is_ok(self) -> bool:
        """Whether the last call succeeded."""

    @property
    def fault(self) -> str | None:
        """Why the last call failed; None when it did not, and before the first."""

    async def open(self) -> None:
        """Make it ready, and bring what an older version left up to date."""

    async def close(self) -> None:
        """Let go of it. What is under way ends first."""

    async def progresses(self) -> dict[str, Progress]:
        """How far each rollout is that was ever moved."""

    async def commit(
        self,
        rollout: str,
        progress: Progress,
        event: NewEvent,
        incident: Incident | None = None,
        *,
        fence: int | None = None,
    ) -> Event:
        """Write how far a rollout is now, the event that tells it, and the incident: all or nothing.

        ``progress.version`` must be above what is stored: raises `StoreConflict` for one that is not, with what is
        stored. Written once more word by word, after an attempt that seemed to fail, it is the event of that attempt.
        """

    async def keep(self, progresses: Mapping[str, Progress], *, fence: int | None = None) -> set[str]:
        """Write how far rollouts are, where only time has passed, or where the store has forgotten something.

        What has a lower version than what is stored is left out, and so is, in a store of several gateways and without
        a lease, what has the same: somebody else's move may have taken that number. Which of them were written.
        """

    async def record(self, event: NewEvent) -> Event:
        """Add to the audit log."""

    async def events(self, after: int = 0, limit: int = 100, rollout: str | None = None) -> list[Event]:
        """The first ``limit`` events with an id above ``after``, the oldest first; of one rollout, if it is given."""

    async def last_events(self) -> list[Event]:
        """The last event of each rollout, and the last that concerns the whole gateway."""

    async def incidents(
        self, before: str | None = None, limit: int = 100, rollout: str | None = None
    ) -> list[Incident]:
        """The last ``limit`` incidents with an id below ``before``, the newest first; of one rollout, if given."""

    async def incident(self, name: str) -> Incident | None:
        """The one with this id."""

    async def newest(self, kind: str) -> Event | None:
        """The last event of a kind that was recorded; None before the first."""

    async def mismatches(self) -> list[PathRecord]:
        """What comparing has found, of every path that is kept. One that can't be read any more is left out."""

    async def keep_mismatches(self, records: Iterable[PathRecord], gone: Collection[tuple[str, str]] = ()) -> None:
        """Write what was found on paths, each in the place of what there was before; forget those ``gone``.

        Those are named by route and path.
        """

    # Moving from store to store.

    async def load(self, events: Sequence[Event], incidents: Sequence[Incident]) -> None:
        """Write what another store holds, as it is there: events with their ids, the oldest first, above all others."""

    async def clear(self) -> None:
        """Forget everything. Ids of events go on from where they were."""
