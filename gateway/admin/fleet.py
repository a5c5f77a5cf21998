"""The fleet: the gateways on one store, and who of them leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.admin.answers import show_epoch
from gateway.core.fleet import Role, Seen

if TYPE_CHECKING:
    from gateway.admin.control import Call
    from gateway.control.muster import Muster
    from gateway.store.interface import Store


class StoreView(msgspec.Struct, frozen=True):
    """Where what must outlive the gateway is kept."""

    kind: str
    ok: bool
    """Whether it took what was last written."""
    file: str
    reason: str | None
    """Why it did not; null when it did."""


class FleetLine(msgspec.Struct, frozen=True):
    """The fleet in short."""

    replica: str
    """This gateway."""
    role: Role
    leader: str | None
    """Null while nobody leads."""
    replicas: int
    """How many are there: those that were silent for more than 5 s are not counted."""
    revisions: list[str]
    """The different configurations that are in force; more than one while an edit has not arrived everywhere."""


class JournalView(msgspec.Struct, frozen=True):
    """What a gateway's journal holds of a rollout."""

    rollout: str
    writes: int
    """That only the candidate took, and that the baseline has not had."""
    is_live: bool
    """Whether the candidate may still answer users there. Where it does not, they are to be reconciled."""


class ReplicaView(msgspec.Struct, frozen=True):
    """A gateway of the fleet, as it was last heard of."""

    replica: str
    host: str
    admin: str
    """The URL of its admin API, which others may reach or not; by its host's name where it listens on all addresses."""
    version: str
    """Of Crossfade."""
    revision: str
    """Of the configuration in force; empty before the first."""
    role: Role
    ready: bool
    workers: int
    """Those that serve the newest configuration."""
    started_at: str
    """RFC 3339, UTC."""
    silent_s: float | None
    """Since its last report; null while this gateway is degraded, and does not know."""
    behind: int
    """How many moves of rollouts it has not followed yet."""
    switches: list[str] = []
    """The rollouts that emergency switches in its environment hold back, on it and on no other; `all` is each."""
    journal: list[JournalView] = []
    """What its journal holds that the baseline has not had, by rollout. Only `POST /api/v1/rollouts/{name}/reconcile`
    on that gateway replays it."""


class FleetView(msgspec.Struct, frozen=True):
    """The fleet as this gateway sees it."""

    replica: str
    """This gateway."""
    role: Role
    leader: str | None
    """Null while nobody leads, and for a gateway that is alone."""
    fence: int
    """The number of the newest lease that is known; it grows with each leader."""
    degraded: str | None
    """What is not as it should be, while the store can't be used; null while it can. Others are then shown as they were
    last heard of."""
    store: StoreView
    revisions: list[str]
    """The different configurations that are in force; more than one while an edit has not arrived everywhere."""
    replicas: list[ReplicaView]
    """By name. One that was silent for a minute is no longer among them."""


async def show_fleet(call: Call) -> FleetView:
    """The fleet: its gateways, who leads them, which configurations are in force.

    For a gateway that is alone the role is `alone`, and it is the only replica.
    """
    if call.control.membership is not None:
        await call.control.membership.look()
    return view_fleet(call.control.muster(), call.control.store)


def view_fleet(muster: Muster, store: Store) -> FleetView:
    """All of it."""
    return FleetView(
        replica=muster.replica,
        role=muster.role,
        leader=muster.leader or None,
        fence=muster.fence,
        degraded=muster.degraded,
        store=view_store(store, muster),
        revisions=muster.revisions(),
        replicas=[view_replica(each, muster) for each in muster.seen],
    )


def view_fleet_line(muster: Muster) -> FleetLine | None:
    """The fleet in short; None for a gateway that is alone."""
    if muster.role is Role.ALONE:
        return None
    there = len(muster.seen) - muster.states()["silent"]
    return FleetLine(muster.replica, muster.role, muster.leader or None, there, muster.revisions())


def view_store(store: Store, muster: Muster) -> StoreView:
    """The store: in a fleet as of the last report, which is seconds ago at most; alone as of the last call."""
    if muster.role is Role.ALONE:
        return StoreView(store.kind, store.is_ok, store.file, store.fault)
    return StoreView(store.kind, not muster.fault, store.file, muster.fault or None)


def view_replica(seen: Seen, muster: Muster) -> ReplicaView:
    """One of them."""
    presence, is_own = seen.presence, seen.replica == muster.replica
    other = Role.LEADER if seen.replica == muster.leader else Role.FOLLOWER
    return ReplicaView(
        replica=seen.replica,
        host=presence.host,
        admin=presence.admin,
        version=presence.version,
        revision=presence.revision,
        role=muster.role if is_own else other,
        ready=presence.ready,
        workers=presence.workers,
        started_at=show_epoch(presence.started_at),
        silent_s=None if muster.is_degraded and not is_own else round(seen.silent_seconds, 3),
        behind=max(0, muster.moves - presence.moves),
        switches=list(presence.switches),
        journal=[JournalView(name, each.writes, each.is_live) for name, each in sorted(presence.journal.items())],
    )
