"""What the metrics are made from: plain values of one moment.

Making a `Snapshot` costs the loop a few milliseconds at the most; rendering it, which may take a second, is for a
thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.core.figures import PathFigures, Subject
from gateway.core.types import Table

Place = tuple[str, str, str]
"""Route, path template and arm: a subject, however its arm was chosen."""


class RolloutLevel(NamedTuple):
    """Where a rollout stands."""

    name: str
    percent: float
    """In force now, 0 to 100."""
    state: str
    stage: int = 0
    """Of its plan, from 1; 0 for a fixed percentage."""


OPERATOR: Final = "operator"
"""In place of a rule, where a person did what guards do."""


class RuleLevel(NamedTuple):
    """What a gate or a guard says."""

    rollout: str
    rule: str
    verdict: int
    """-1 broken, 0 unknown, 1 ok."""
    value: float | None
    bound: float | None
    is_guard: bool


class FleetLevel(NamedTuple):
    """The fleet, as this gateway sees it. Alone it is the only one."""

    replicas: Mapping[str, int]
    """By state: ``ready``, ``not_ready``, ``silent``."""
    revisions: int
    """Different configurations in force."""
    role: str
    """This gateway's."""
    is_store_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """See the module.

    Make it on the loop that changes the figures: ``totals`` are copied, so that a thread may read them while the loop
    goes on counting. The other arguments are kept as they are; whoever gives them must not change them any more.
    """

    totals: Mapping[Subject, PathFigures]
    """Since ``started_at``."""
    table: Table | None
    """In force; None before there is one."""
    rollouts: Sequence[RolloutLevel]
    rules: Sequence[RuleLevel] = ()
    """Each with a text of its own within its rollout."""
    rollbacks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Since ``started_at``, by rollout and rule (or `OPERATOR`)."""
    reloads: Mapping[str, int]
    """Configurations read, by ``success`` and ``failure``."""
    last_reload_ok: bool
    revision: str
    connections: Mapping[str, int]
    """By side: ``client``, ``backend``."""
    in_flight: int
    workers: Mapping[str, int]
    """By state: ``ready``, ``lagging``, ``draining``, ``missing``."""
    endpoints: Mapping[str, Mapping[str, bool]]
    """Whether each endpoint is healthy: by backend, then by URL."""
    dropped: Mapping[str, int]
    """What was lost, by what it was: ``access_log``, ``link``, ``spans``, ``notices``, ``journal``."""
    journal_bytes: Mapping[str, int] = field(default_factory=dict)
    """What journals hold, by route."""
    fleet: FleetLevel | None = None
    """None while nobody knows."""
    version: str
    started_at: float
    """Seconds since the epoch."""

    def __post_init__(self) -> None:
        copies = {subject: _copy(figures) for subject, figures in self.totals.items()}
        object.__setattr__(self, "totals", copies)

    def places(self) -> dict[Place, PathFigures]:
        """The totals with the requests whose arm ``X-Crossfade-Arm`` chose and the others taken together."""
        places: dict[Place, PathFigures] = {}
        for subject, figures in self.totals.items():
            place = (subject.route, subject.path, subject.arm)
            other = places.get(place)
            places[place] = figures if other is None else _sum(other, figures)
        return places


def _copy(figures: PathFigures) -> PathFigures:
    """As far as `PathFigures.add` changes figures in place; it puts a new list into ``durations``."""
    return PathFigures(
        figures.answers.copy(),
        figures.errors.copy(),
        figures.client_errors,
        figures.durations,
        figures.duration_seconds,
        figures.latencies.copy(),
        figures.latency_seconds,
        figures.exemplars.copy(),
        figures.failovers.copy(),
        figures.copies.copy(),
    )


def _sum(one: PathFigures, other: PathFigures) -> PathFigures:
    total = PathFigures()
    total.add(one)
    total.add(other)
    return total
