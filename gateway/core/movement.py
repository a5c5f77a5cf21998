"""What a change of the configuration does: which routes differ, and how many keys change their arm.

Two tables are compared as values. For each rollout that differs, every key of a sample is placed under the old and the
new version. Of one that comes or goes, and of a route that gets other backends, it counts which backend answers: arms
would tell nothing there. Cohorts depend on more of a request than its key, so they are reported as changed but not
counted with. A file does not say how far a plan has come: where nobody else does, the old version is taken as it
begins. The new one goes on from there as an edited plan does (`gateway.core.lifecycle.adopt`).

A change of hash or salt gives every key a new position, a change of the key's sources may give a user another key: then
users are reshuffled, and the counts say how many, as far as a sample of keys can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

import msgspec

from gateway.core.lifecycle import Progress
from gateway.core.placing import Fate, Move, Placing
from gateway.core.plans import Plan
from gateway.core.tokens import TokenPolicy
from gateway.core.types import Rollout, Table


class Kind(StrEnum):
    """What happened to a named part of the configuration."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Change(msgspec.Struct, frozen=True):
    """A part that is not the same in both tables."""

    name: str
    kind: Kind
    fields: tuple[str, ...] = ()
    """What differs, when the part is in both."""


class Shift(msgspec.Struct, frozen=True):
    """A rollout that is not the same in both tables, and what that does to the keys of the sample."""

    name: str
    kind: Kind
    fields: tuple[str, ...]
    percent_before: float
    """What takes effect: 0 when the mode or a switch holds everything at the baseline. Where there is no such rollout,
    the share of keys that its route has at the backend that is the candidate of the other version."""
    percent_after: float
    """Likewise."""
    to_candidate: int
    to_baseline: int
    stay_candidate: int
    stay_baseline: int
    reshuffled_by: tuple[str, ...]
    """The fields of ``fields`` that give users another position: ``hash``, ``salt``, ``key``."""
    from_beginning: bool = False
    """Whether its plan is counted from its beginning, for nobody said how far it is."""
    is_counted: bool = True
    """Not where it comes or goes together with its routes: nobody knows then who answers instead."""


class Movement(msgspec.Struct, frozen=True):
    """Everything that differs between two tables."""

    keys: int
    """How large the sample was."""
    routes: tuple[Change, ...]
    routes_reordered: bool
    """Whether routes of both tables are tried in another order."""
    rollouts: tuple[Shift, ...]
    backends: tuple[Change, ...]
    server: tuple[str, ...]
    """The fields of ``server`` that differ."""
    moves: tuple[Move, ...] = ()
    """Of each route of both tables that gets other backends or another rollout: who answers how many of its keys."""
    tokens: tuple[str, ...] = ()
    """The fields of ``jwt`` that differ."""

    @property
    def is_empty(self) -> bool:
        """Whether the two tables do the same."""
        parts = (self.routes, self.routes_reordered, self.rollouts, self.backends, self.server, self.tokens)
        return not any(parts)


class Named(Protocol):
    """A part of the table that has a name."""

    @property
    def name(self) -> str:
        """The name by which the part is found in both tables."""


N = TypeVar("N", bound=Named)
_RESHUFFLING = ("hash", "salt", "key")
_PLAN_WORDS = {
    "starts_by_itself": "start",
    "guards": "guard",
    "cooldown_seconds": "cooldown",
    "retries": "retry",
    "watch_seconds": "watch",
}
"""What parts of a plan are called in the configuration, where that is not their name in the table."""
_TOKEN_WORDS = {"source": "jwks", "keys": "jwks", "leeway_seconds": "leeway", "refresh_seconds": "refresh"}

GENERATED_KEYS: Final = 10_000
"""Enough to see a movement of 0.1 % as about ten keys."""


def generate_keys(count: int = GENERATED_KEYS) -> list[bytes]:
    """``user-0`` and so on: the hash spreads them as evenly as real keys."""
    return [b"user-%d" % number for number in range(count)]


def compare_tables(
    before: Table, after: Table, keys: Sequence[bytes], progresses: Mapping[str, Progress] = MappingProxyType({})
) -> Movement:
    """What the change from ``before`` to ``after`` does, to ``keys`` among others.

    ``progresses`` says how far rollouts are; one that is not in it is taken as it begins.
    """
    placing = Placing(before, after, keys, progresses)
    old, new = ({rollout.name: rollout for rollout in each.rollouts} for each in (before, after))
    return Movement(
        len(keys),
        compare_named(before.routes, after.routes),
        _is_reordered([route.name for route in before.routes], [route.name for route in after.routes]),
        tuple(
            _say_shift(change, placing.follow(name), old.get(name), new.get(name), progresses.get(name))
            for change in compare_named(before.rollouts, after.rollouts)
            for name in (change.name,)
        ),
        compare_named(before.backends, after.backends),
        differing_fields(before.server, after.server),
        tuple(move for pair in placing.pairs for move in placing.list_moves(*pair)),
        _compare_tokens(before.tokens, after.tokens),
    )


def _compare_tokens(before: TokenPolicy | None, after: TokenPolicy | None) -> tuple[str, ...]:
    """As the configuration calls them; with and without it differ in where the keys are."""
    if before is None or after is None:
        return () if before is after else ("jwks",)
    return tuple(dict.fromkeys(_TOKEN_WORDS.get(name, name) for name in differing_fields(before, after)))


def compare_named(before: Iterable[N], after: Iterable[N]) -> tuple[Change, ...]:
    """The parts that differ, by name: the new table's in its order, then those that are gone."""
    old, new = {part.name: part for part in before}, {part.name: part for part in after}
    changes = []
    for name, part in new.items():
        if name not in old:
            changes.append(Change(name, Kind.ADDED))
        elif part != old[name]:
            changes.append(Change(name, Kind.CHANGED, differing_fields(old[name], part)))
    gone = [Change(name, Kind.REMOVED) for name in old if name not in new]
    return (*changes, *gone)


def differing_fields(before: object, after: object) -> tuple[str, ...]:
    """The names of the fields in which two structs of one type differ."""
    names: tuple[str, ...] = getattr(before, "__struct_fields__", ())
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _is_reordered(before: list[str], after: list[str]) -> bool:
    old, new = set(before), set(after)
    return [name for name in before if name in new] != [name for name in after if name in old]


def _say_shift(
    change: Change, fate: Fate, before: Rollout | None, after: Rollout | None, progress: Progress | None
) -> Shift:
    return Shift(
        change.name,
        change.kind,
        tuple(_name_fields(change, before, after)),
        fate.percent_before,
        fate.percent_after,
        to_candidate=fate.counts[False, True],
        to_baseline=fate.counts[True, False],
        stay_candidate=fate.counts[True, True],
        stay_baseline=fate.counts[False, False],
        reshuffled_by=tuple(field for field in _RESHUFFLING if field in change.fields),
        from_beginning=fate.is_counted and before is not None and bool(before.plan.stages) and progress is None,
        is_counted=fate.is_counted,
    )


def _name_fields(change: Change, before: Rollout | None, after: Rollout | None) -> Iterator[str]:
    """What differs, a plan's parts one by one."""
    for field in change.fields:
        if field == "plan" and before is not None and after is not None:
            yield from _name_parts(before.plan, after.plan)
        elif field != "held":  # follows from whether there are stages
            yield field


def _name_parts(before: Plan, after: Plan) -> Iterator[str]:
    """What differs between two plans; gates stand beside the stages that have them."""
    bare = [[msgspec.structs.replace(stage, gates=()) for stage in plan.stages] for plan in (before, after)]
    gates = [{gate for stage in plan.stages for gate in stage.gates} for plan in (before, after)]
    for part in differing_fields(before, after):
        if part != "stages" or bare[0] != bare[1]:
            yield _PLAN_WORDS.get(part, part)
        if part == "stages" and (bare[0] == bare[1] or gates[0] != gates[1]):
            yield "gates"
