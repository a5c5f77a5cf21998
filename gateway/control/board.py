"""The board: how every rollout stands, as the file and its progress have it together.

The table that is compiled from the file passes through here on its way to the workers: each rollout gets the share and
the cohorts that its progress gives it (`gateway.core.lifecycle`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from gateway.control.standing import RolloutState, group_routes, list_standing
from gateway.control.telling import edit_of, say_edit, tell_restored, tell_transition
from gateway.core import lifecycle
from gateway.core.lifecycle import Progress, State, Transition
from gateway.core.types import Rollout, Route, Table
from gateway.errors import UnknownRollout
from gateway.settings.names import suggest
from gateway.store.records import Event, Incident, NewEvent

if TYPE_CHECKING:
    from datetime import datetime


Follower = Callable[[str, str], None]
Listener = Callable[[Event, Transition | None], None]
Record = Callable[[Rollout, Sequence[Route], Transition], Awaitable[Incident | None]]

log = structlog.get_logger()


class Mandate(NamedTuple):
    """Whether this gateway may move rollouts by itself."""

    conducts: bool
    fence: int | None = None
    """The number of its lease, in a fleet."""


ALONE = Mandate(conducts=True)
FOLLOWING = Mandate(conducts=False)


class Edit(NamedTuple):
    """A move by the file that is in force, and is still to be stored."""

    rollout: str
    transition: Transition
    told: NewEvent
    moves: int
    """How often the rollout had been moved with it."""


class Board:
    """See the module.

    ``publish`` gets each table that is to be in force, ``now`` tells the time of events, and ``file`` is the name of
    what they come from.
    """

    def __init__(self, publish: Callable[[Table], None], now: Callable[[], datetime], file: str) -> None:
        self.followers: list[Follower] = []
        """Hear the name and the kind of every move the moment that it is in force, whoever made it."""
        self.listeners: list[Listener] = []
        """Hear of every event of this gateway, once it is stored or the store has had its time."""
        self.record: Record = _record_nothing
        """Makes the incident of a rollback."""
        self.table: Table | None = None
        """In force, as the workers have it; None before the first."""
        self.adopted = FOLLOWING
        """The mandate under which the file was adopted last."""
        self._publish = publish
        self._now = now
        self._file_name = file
        self._file: Table | None = None
        self._rollouts: dict[str, Rollout] = {}
        self._shared: dict[str, tuple[Route, ...]] = {}
        """The routes of each rollout."""
        self._progresses: dict[str, Progress] = {}
        self._unbegun: set[str] = set()
        """Rollouts that nobody has begun, as far as is known here: they have an empty place in the others."""

    # How they stand.

    def states(self) -> list[RolloutState]:
        """How each rollout stands, in the file's order."""
        return [self._describe(rollout) for rollout in self._rollouts.values()] if self._file is not None else []

    def state(self, name: str) -> RolloutState:
        """How one rollout stands. Raises `UnknownRollout`."""
        return self._describe(self._find(name))

    def plans(self) -> Mapping[str, Rollout]:
        """Each rollout as the file has it."""
        return self._rollouts if self._file is not None else {}

    def progress(self, name: str) -> Progress:
        """How far a rollout of the file is."""
        return self._progresses[name]

    def begun(self) -> dict[str, Progress]:
        """How far each rollout is that anybody has begun, also of those that the file has no more."""
        return {name: progress for name, progress in self._progresses.items() if name not in self._unbegun}

    def routes(self, name: str) -> tuple[Route, ...]:
        """The routes that share a rollout."""
        return self._shared.get(name, ())

    def _find(self, name: str) -> Rollout:
        if self._file is None or name not in self._rollouts:
            raise UnknownRollout(f"there is no rollout `{name}`{suggest(name, self._rollouts)}")
        return self._rollouts[name]

    def _describe(self, rollout: Rollout) -> RolloutState:
        routes = tuple(route.name for route in self.routes(rollout.name))
        return RolloutState(rollout, self._progresses[rollout.name], routes, self._revision)

    # What the file says.

    def _adopt(
        self, table: Table, known: Mapping[str, Rollout], mandate: Mandate, now: float
    ) -> list[tuple[str, Transition]]:
        """Find each rollout's place in what the file says now, after what is ``known`` of before; what moved by that.

        Only who conducts begins and moves any; for all others a rollout that nobody has begun keeps everybody on the
        baseline.
        """
        self._progresses, self._unbegun = dict(self._progresses), set(self._unbegun)
        edits = []
        for rollout in table.rollouts:
            name, before = rollout.name, self._progresses.get(rollout.name)
            if before is None or (name in self._unbegun and mandate.conducts):
                self._place(rollout, mandate, now)
            elif mandate.conducts and (edit := self._edit(known.get(name), rollout, before, now)):
                edits.append((name, edit))
        self._rollouts = {rollout.name: rollout for rollout in table.rollouts}
        self._shared = group_routes(table)
        self.adopted = mandate
        return edits

    def _place(self, rollout: Rollout, mandate: Mandate, now: float) -> None:
        """A place for one that has none."""
        if mandate.conducts:
            self._progresses[rollout.name] = lifecycle.begin(rollout, now)
            self._unbegun.discard(rollout.name)
        else:
            self._progresses[rollout.name] = Progress(state=State.PENDING, saved_at=now)
            self._unbegun.add(rollout.name)

    def _edit(self, former: Rollout | None, rollout: Rollout, before: Progress, now: float) -> Transition | None:
        """Keep the progress as far as the new plan has a place for it."""
        after = lifecycle.adopt(former, rollout, before, now)
        edit = None
        if list_standing(former or rollout, before) != list_standing(rollout, after):
            after = msgspec.structs.replace(after, version=before.version + 1)
            edit = edit_of(before, after, self._file_name, say_edit(former, rollout))
        self._progresses[rollout.name] = after
        return edit

    def _put_in_force(self, table: Table) -> None:
        rollouts = tuple(lifecycle.effect(rollout, self._progresses[rollout.name]) for rollout in table.rollouts)
        laid_over = msgspec.structs.replace(table, rollouts=rollouts)
        self._publish(laid_over)
        self._file, self.table = table, laid_over

    def renew(self, change: Callable[[Table], Table]) -> None:
        """Publish what is in force once more, changed in what is no rollout's: none of them moves or begins anew."""
        if self._file is not None:
            self._put_in_force(change(self._file))

    # Who hears of it.

    def _follow(self, name: str, kind: str) -> None:
        for follower in self.followers:
            follower(name, kind)

    def _announce(self, event: Event, transition: Transition | None) -> None:
        for listener in self.listeners:
            try:
                listener(event, transition)
            except Exception:
                log.exception("listener_failed", kind=event.kind)  # the others hear of it all the same

    def _tell(self, name: str, transition: Transition) -> NewEvent:
        return tell_transition(self._rollouts[name], transition, self._now(), self._revision)

    def _tell_again(self, forgotten: Mapping[str, Progress], stored: Mapping[str, Progress]) -> dict[str, NewEvent]:
        """What the audit log is told of rollouts of which the store knows less than is written to it now."""
        now = self._now()
        return {
            name: tell_restored(name, self._rollouts.get(name), stored.get(name), each, now, self._revision)
            for name, each in forgotten.items()
        }

    async def _record_incident(self, name: str, transition: Transition) -> Incident | None:
        try:
            return await self.record(self._rollouts[name], self.routes(name), transition)
        except Exception:
            log.exception("incident_lost", rollout=name)  # whatever it is, the rollback comes first
            return None

    @property
    def _revision(self) -> str:
        """Of the file's content; empty before the first."""
        return self._file.revision if self._file is not None else ""


async def _record_nothing(_rollout: Rollout, _routes: Sequence[Route], _transition: Transition) -> None:
    """Until somebody records incidents."""
