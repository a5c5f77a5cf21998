"""A fleet: several gateways, its *replicas*, on one store. What they tell each other, and who conducts for all.

Replicas speak through the store only. Each second a replica reports that it lives and what its requests did; one of
them, the *leader*, adds that up, judges and moves rollouts. It leads by a lease, which it renews with each report, and
whose number, the *fence*, grows with each leader: the store refuses a move under an older one than it has seen (Gray &
Cheriton, Leases, 1989; Kleppmann, How to do distributed locking, 2016). A replica that was paused may still believe
that it leads, so it goes by a clock that runs on meanwhile: a lease counts from before it was asked for, and a little
shorter than the store has it (`Tenure`).

A replica that hears nothing of the store is *degraded*: it goes on with what it knows, and judges guards by what it
sees alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

import msgspec

from gateway.core.failures import FailedRequest
from gateway.core.figures import Subject
from gateway.core.histogram import Buckets
from gateway.core.progress import Progress, State
from gateway.core.tallies import PathTally
from gateway.core.windows import Cell

BEAT_SECONDS: Final = 1.0
"""How often a replica reports."""
LEASE_SECONDS: Final = 3.0
"""How long the store keeps a lease that nobody renews: a dead leader has a successor a beat later."""
LEASE_MARGIN_SECONDS: Final = 0.5
"""By so much less its holder goes by it: clocks of two machines run at almost the same rate, but not quite."""
AWAY_SECONDS: Final = 3.0
"""A store that fails for so long is away; less is a hiccup."""
PRESENCE_SECONDS: Final = 60.0
"""A replica that was silent for so long is forgotten."""
SETTLE_SECONDS: Final = 2.5
"""How long the first leader of an empty store waits: if it was wiped, the others say meanwhile what they know."""
SUM_SECONDS: Final = 5.0
"""A leader leaves what all have counted as sums of so long; reports that came after the last are there still."""
LEFT_SECONDS: Final = 600.0
"""How far back those sums go that it leaves."""


class Role(StrEnum):
    """What a gateway does beside serving."""

    ALONE = "alone"
    """Conducts; there is no fleet."""
    LEADER = "leader"
    FOLLOWER = "follower"
    DEGRADED = "degraded"


class Journaled(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica's journal holds of one rollout."""

    writes: int
    """That only the candidate took, and that the baseline has not had."""
    is_live: bool
    """Whether the candidate may still answer users there, so that there may be more of them."""


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica says of itself."""

    host: str
    admin: str
    """The address of its admin API, as the others may reach it or not: it is for people."""
    version: str
    """Of Crossfade."""
    revision: str
    """Of the configuration in force."""
    workers: int
    """Those that serve the newest table."""
    ready: bool
    started_at: float
    """Seconds since the epoch, by its own clock."""
    moves: int = 0
    """Up to where it has followed what the store knows; see `Pulse`."""
    switches: tuple[str, ...] = ()
    """The rollouts that emergency switches in its environment hold back; only ``all``, where that is every one."""
    journal: dict[str, Journaled] = {}
    """What waits there to be reconciled, by rollout; none where nothing does."""


class Portion(msgspec.Struct, array_like=True):
    """What the requests of one rollout did, all of it under one version of its progress."""

    version: int
    cells: list[tuple[Subject, Cell]]
    waiting: list[tuple[Subject, Buckets]] = []
    """How long those that are under way have waited for their backend's header."""


Finds = tuple[str, PathTally]
"""What comparing has found on one path, after the name of the policy by which it did: see `core.shadowing.Compare`."""


class Report(msgspec.Struct, array_like=True):
    """What a replica counted and found since its report before. Counts that are lost are not sent again."""

    replica: str
    portions: dict[str, Portion]
    """By rollout; those that nobody asked for are left out."""
    found: list[Finds] = []
    """What its comparer found; what is too much for one report comes with later ones."""
    failed: list[FailedRequest] = []
    """Some requests that the candidate failed, the newest last."""
    batch: int = 0
    """Grows with what was found. It is said again under the same number by who can't know whether it arrived."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.portions or self.found or self.failed)


class Sum(msgspec.Struct, array_like=True):
    """What all replicas together counted in a few seconds, for whoever leads next."""

    cells: list[tuple[Subject, Cell]]
    upto: str = ""
    """Which report was the last of these, as the store names it: its successor goes on after that."""


class Pulse(NamedTuple):
    """What the store answers to a report."""

    leader: str
    """The replica that holds the lease; empty for none."""
    fence: int
    """The lease's number."""
    moves: int
    """Counts what was written of rollouts' progress. Less than before: the store has forgotten something."""
    event: int
    """The newest event's id."""
    is_empty: bool
    """Whether no rollout was ever stored there."""


class Seen(NamedTuple):
    """A replica as the store knows it."""

    replica: str
    presence: Presence
    silent_seconds: float
    """Since its last report, by the store's clock."""


class Tenure:
    """Who leads, as far as one replica knows. Seconds are of a monotonic clock, passed in."""

    def __init__(self, replica: str) -> None:
        self.replica = replica
        self.leader = ""
        self.known_fence = 0
        """The highest that this replica has heard of."""
        self._fence = 0
        self._until = -inf
        self._failing_since: float | None = 0.0
        """None while the store answers."""

    def hear(self, pulse: Pulse, asked_at: float) -> None:
        """The store answered a report that was begun at ``asked_at``."""
        self._failing_since = None
        self.leader = pulse.leader
        self.known_fence = max(self.known_fence, pulse.fence)
        is_mine = pulse.leader == self.replica and pulse.fence >= self.known_fence
        self._fence, self._until = pulse.fence, asked_at + LEASE_SECONDS - LEASE_MARGIN_SECONDS if is_mine else -inf

    def miss(self, second: float) -> None:
        """The store did not answer."""
        if self._failing_since is None:
            self._failing_since = second

    def resign(self) -> None:
        """Lead no more: another has begun to."""
        self._until = -inf

    def role(self, second: float) -> Role:
        """What this replica is to do now."""
        if second < self._until:
            return Role.LEADER
        is_away = self._failing_since is not None and second - self._failing_since >= AWAY_SECONDS
        return Role.DEGRADED if is_away else Role.FOLLOWER

    def fence(self, second: float) -> int | None:
        """The number under which this replica may move rollouts; None while it does not lead."""
        return self._fence if self.role(second) is Role.LEADER else None


class Choice(StrEnum):
    """Of two standings of a rollout, which is to be in force."""

    KEEP = "keep"
    """They are the same."""
    TAKE = "take"
    """The store's."""
    REASSERT = "reassert"
    """One's own: the store has forgotten it."""
    OVERRULE = "overrule"
    """One's own, under a new version: the store has forgotten it, and something else has taken its number."""
    RAISE = "raise"
    """The store's, under a new version: it is a rollback that one never heard of, and one's own has more moves."""


def choose(mine: Progress | None, stored: Progress | None) -> Choice:
    """What a replica makes of what the store has; None is what one of them never heard of.

    The higher version is the newer one. But a rollback stands where the other side never heard of it: a failover has
    lost it, or it was judged away from the store. It is the one that keeps users from harm.
    """
    if mine is None or stored is None:
        return Choice.KEEP if mine is stored else Choice.REASSERT if stored is None else Choice.TAKE
    if _is_unheard(mine, stored):
        return Choice.OVERRULE if mine.version <= stored.version else Choice.REASSERT
    if _is_unheard(stored, mine):
        return Choice.RAISE if mine.version > stored.version else Choice.TAKE
    if mine.version != stored.version:
        return Choice.TAKE if mine.version < stored.version else Choice.REASSERT
    if stand(mine) == stand(stored):
        return Choice.KEEP
    is_mine_safer = mine.state is State.ROLLED_BACK and stored.state is not State.ROLLED_BACK
    return Choice.OVERRULE if is_mine_safer else Choice.TAKE


def _is_unheard(progress: Progress, other: Progress) -> bool:
    """Whether it is a rollback of which the other knows nothing, not even that it is over."""
    is_rolled_back = progress.state is State.ROLLED_BACK and other.state is not State.ROLLED_BACK
    return is_rolled_back and progress.rollbacks > other.rollbacks


def follow_on(mine: Progress, stored: Progress) -> Progress:
    """One's own as it is written over what is stored: its version is the next, its rollback one more than are known."""
    rollbacks = stored.rollbacks + 1 if mine.state is State.ROLLED_BACK else stored.rollbacks
    return msgspec.structs.replace(mine, version=stored.version + 1, rollbacks=max(mine.rollbacks, rollbacks))


class Comparison(NamedTuple):
    """What a replica knows of rollouts, held against what the store has."""

    newer: dict[str, Progress]
    """In the store."""
    same: dict[str, Progress]
    """As the store has it: of these at most time has passed."""
    forgotten: dict[str, Progress]
    """By the store: as it is to be written again."""
    untold: set[str]
    """What has begun here and was never moved, and the store has not heard of."""


def compare(
    names: Iterable[str], mine: Mapping[str, Progress], stored: Mapping[str, Progress], refused: Collection[str] = ()
) -> Comparison:
    """What to make of rollouts of these names, of which some are in force here and some in the store.

    Of those that were ``refused`` the store's standing counts, whatever is in force.
    """
    found = Comparison({}, {}, {}, set())
    for name in names:
        own, its = mine.get(name), stored.get(name)
        choice = Choice.TAKE if its is not None and name in refused else choose(own, its)
        if its is not None and choice in {Choice.TAKE, Choice.KEEP}:
            (found.newer if choice is Choice.TAKE else found.same)[name] = its
        elif own is not None and its is not None and choice is Choice.RAISE:
            found.newer[name] = found.forgotten[name] = msgspec.structs.replace(its, version=own.version + 1)
        elif own is not None and (its is not None or own.version):
            version = 1 + its.version if its is not None and choice is Choice.OVERRULE else own.version
            found.forgotten[name] = msgspec.structs.replace(own, version=version)
        else:
            found.untold.add(name)
    return found


def stand(progress: Progress) -> tuple[object, ...]:
    """What does not change while time passes. Two of one version may differ in it: each is somebody else's move."""
    where = (progress.state, progress.stage, progress.percent, progress.to_shadow)
    return (*where, progress.stage_percent, progress.stage_cohorts)


def name_move(before: Progress | None, after: Progress) -> str:
    """The kind of event by which another replica may have come from ``before`` to ``after``.

    As far as it says where windows and evidence begin anew.
    """
    if before is None:
        return "start"
    if after.state is State.ROLLED_BACK and before.state is not State.ROLLED_BACK:
        return "rollback"
    if after.watched_since != before.watched_since:
        return "resume"
    is_same_share = (after.share_since, after.stage_since) == (before.share_since, before.stage_since)
    return "pause" if is_same_share else "stage"
