"""The fleet as one of its replicas sees it: who is there, who leads, and whether the store can be used.

A gateway that is alone is a fleet of one. A degraded one hears of nobody: what it shows of the others is what it heard
last, and for its figures they are silent.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from gateway import __version__
from gateway.core.fleet import Journaled, Presence, Role, Seen

if TYPE_CHECKING:
    from gateway.control.configuration import Configuration
    from gateway.control.membership import Membership
    from gateway.control.roster import Roster
    from gateway.store.interface import Store

SILENT_SECONDS: Final = 5.0
"""Whoever has missed so many reports is not counted among those that are there."""

EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})
"""Hosts by which something listens on all addresses of its machine."""

READY, NOT_READY, SILENT = STATES = ("ready", "not_ready", "silent")
"""Of a replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Muster:
    """See the module."""

    replica: str
    """Who sees it so."""
    role: Role
    leader: str
    """As far as is known; empty for none."""
    fence: int
    """The highest that was heard of."""
    moves: int
    """Of the store, the newest that is known; -1 while it was not read since the start."""
    seen: tuple[Seen, ...]
    """By name; this one is always among them."""
    fault: str
    """Why the store can't be used; empty when it can."""

    @property
    def is_degraded(self) -> bool:
        """Whether nothing is heard of the store."""
        return self.role is Role.DEGRADED

    @property
    def degraded(self) -> str | None:
        """What is not as it should be, in a sentence; None when all is well."""
        if self.is_degraded:
            why = f" ({self.fault})" if self.fault else ""
            effect = "plans stand still, guards go by what this gateway alone sees"
            unread = "" if self.moves >= 0 else "; how rollouts stand was not read from the store yet"
            return f"nothing is heard of the store{why}: {effect}{unread}"
        if self.role is Role.ALONE and self.fault:
            return f"the store can't be used ({self.fault}): nothing but a rollback can be done until it can"
        return None

    def states(self) -> dict[str, int]:
        """How many replicas are in each of `STATES`."""
        counts = Counter(self._state_of(each) for each in self.seen)
        return {state: counts[state] for state in STATES}

    def revisions(self) -> list[str]:
        """The different configurations that are in force where somebody is there."""
        there = (each.presence.revision for each in self.seen if self._state_of(each) != SILENT)
        return sorted({revision for revision in there if revision})

    def _state_of(self, seen: Seen) -> str:
        is_other = seen.replica != self.replica
        if is_other and (self.is_degraded or seen.silent_seconds > SILENT_SECONDS):
            return SILENT
        return READY if seen.presence.ready else NOT_READY


def call_muster(
    configuration: Configuration,
    roster: Roster,
    started_at: float,
    store: Store,
    membership: Membership | None,
    journal: Mapping[str, Journaled] | None = None,
) -> Muster:
    """The fleet now. To be called on the loop that changes what it knows; ``membership`` is None for who is alone.

    ``journal`` is of this gateway, for whoever wants to see it.
    """
    own = present(configuration, roster, started_at, journal or {})
    if membership is None:
        alone = Seen(own.host, own, 0.0)
        fault = store.fault or ""
        return Muster(replica=own.host, role=Role.ALONE, leader="", fence=0, moves=0, seen=(alone,), fault=fault)
    return Muster(
        replica=membership.replica,
        role=membership.role,
        leader=_find_leader(membership),
        fence=membership.fence,
        moves=membership.moves,
        seen=tuple(_see_all(membership, own)),
        fault=_find_reason(membership.fault, store),
    )


def present(
    configuration: Configuration, roster: Roster, started_at: float, journal: Mapping[str, Journaled]
) -> Presence:
    """What this gateway says of itself."""
    source, accepted = configuration.source, configuration.accepted
    listen = source.started_with.admin.listen
    return Presence(
        host=socket.gethostname(),
        admin=url_of(listen.host, listen.port),
        version=__version__,
        revision=roster.revision,
        workers=roster.states()["ready"],
        ready=not roster.lagging(),
        started_at=started_at,
        switches=source.switches.holding(accepted.loaded.config if accepted else source.started_with),
        journal=dict(journal),
    )


def url_of(host: str, port: int) -> str:
    """Where people may reach what listens there; by this machine's name where it listens on every address."""
    named = socket.gethostname() if host in EVERYWHERE else host
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"


def _find_reason(fault: str, store: Store) -> str:
    """Why the store can't be used, without its address: whoever shows this shows that beside it."""
    return fault.removeprefix(f"the store {store.file} can't be used: ").rstrip(".")


def _find_leader(membership: Membership) -> str:
    """Who leads: not this one, when its own lease has run out meanwhile."""
    is_stale = membership.leader == membership.replica and membership.role is not Role.LEADER
    return "" if is_stale else membership.leader


def _see_all(membership: Membership, own: Presence) -> list[Seen]:
    """All that were heard of, and this one as it is now."""
    known = {each.replica: each for each in membership.seen}
    said = known.get(membership.replica)
    if said is not None:
        own = msgspec.structs.replace(
            own, host=said.presence.host, admin=said.presence.admin, moves=said.presence.moves
        )
    mine = Seen(membership.replica, own, said.silent_seconds if said is not None else 0.0)
    return [each for _, each in sorted((known | {membership.replica: mine}).items())]
