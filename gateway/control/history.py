"""What happened lately to each rollout: the events that an incident shows, and how often each rule rolled it back.

Both live in memory, so that recording a rollback waits for nothing; a new controller reads from the store what there
was before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from gateway.errors import StoreUnavailable
from gateway.telemetry.snapshot import OPERATOR

if TYPE_CHECKING:
    from gateway.store.interface import Store
    from gateway.store.records import Event

PER_ROLLOUT: Final = 20
"""The newest."""

_LOOK_BACK: Final = 1000
"""Events that are read at the start."""
_PAGE: Final = 100

log = structlog.get_logger()


class History:
    """See the module."""

    def __init__(self) -> None:
        self.rollbacks: Counter[tuple[str, str]] = Counter()
        """Since the gateway started, by rollout and rule; of an operator's the rule is `OPERATOR`."""
        self.is_behind = False
        """Whether others have done what could not be read when it was tried last."""
        self._read_to = 0
        """The id of an event: all up to there were read, whoever did what they tell."""
        self._events: defaultdict[str, deque[Event]] = defaultdict(lambda: deque(maxlen=PER_ROLLOUT))

    async def restore(self, store: Store, started_at: float, *, counts: bool = True) -> None:
        """Read what there was before this controller, in a gateway that runs since ``started_at`` (Unix time).

        ``counts`` says whether the rollbacks since then were this gateway's own: in a fleet nobody knows.
        A store that can't be read leaves a history that begins now.
        """
        try:
            newest = [await store.newest(kind) for kind in ("config", "start", "stage", "percent", "rollback")]
            last = max((event.id for event in newest if event is not None), default=0)
            for event in await store.events(max(0, last - _LOOK_BACK), _LOOK_BACK * 2):
                self._keep(event)
                self._read_to = event.id
            if counts:
                await self._count_rollbacks(store, started_at)
        except StoreUnavailable as error:
            log.warning("history_unavailable", reason=str(error), effect="incidents show what happens from now on")

    def hear(self, event: Event) -> None:
        """Something happened."""
        self._keep(event)
        if event.kind == "rollback" and event.rollout is not None:
            self.rollbacks[event.rollout, event.actor.name if event.actor.type == "rule" else OPERATOR] += 1

    async def catch_up(self, store: Store, newest: int) -> list[Event]:
        """Read what other gateways of a fleet did, up to the event ``newest``; theirs to count. Never raises.

        What can't be read is read by the next call.
        """
        read: list[Event] = []
        self._read_to = max(self._read_to, newest - _LOOK_BACK)
        try:
            while self._read_to < newest and (found := await store.events(self._read_to, _PAGE)):
                for event in found:
                    self._keep(event)
                self._read_to = found[-1].id
                read += found
        except StoreUnavailable as error:
            log.debug("events_unread", reason=str(error))
            self.is_behind = True
        else:
            self.is_behind = False
        return read

    def events(self, rollout: str) -> list[Event]:
        """The last of a rollout, the oldest first."""
        return list(self._events[rollout]) if rollout in self._events else []

    def _keep(self, event: Event) -> None:
        """In its place; one that has its number only now, or is read though it was heard of, is the same as before."""
        if event.rollout is None:
            return
        known = self._events[event.rollout]
        others = [each for each in known if not _is_same(each, event)]
        known.clear()
        known.extend(sorted([*others, event], key=_place))

    async def _count_rollbacks(self, store: Store, started_at: float) -> None:
        before: str | None = None
        while incidents := await store.incidents(before, _PAGE):
            for incident in incidents:
                if datetime.fromisoformat(incident.time).timestamp() < started_at:
                    return
                self.rollbacks[incident.rollout, incident.rule or OPERATOR] += 1
            before = incidents[-1].id


def _is_same(one: Event, other: Event) -> bool:
    """Whether two are one event: what was owed to the store has no number at first, and may be told a little else."""
    if one.id and other.id:
        return one.id == other.id
    return (one.time, one.kind, one.actor) == (other.time, other.kind, other.actor)


def _place(event: Event) -> tuple[bool, int]:
    """By number; those that have none yet are the newest."""
    return not event.id, event.id
