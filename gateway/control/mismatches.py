"""The record of what comparing has found: of each path which fields differed, how often, and samples of it.

The comparer tells what has come since it told last; here it is added up. A policy that changes (`compare` of a route)
begins a record of its own, as what was found by another says nothing about it, and its samples may show what is to be
redacted by now.

Bounded in every direction: so many paths of a route and so many fields of a path, the rest of each is ``{other}``;
`compare.samples` of each field and kind, the newest; `SAMPLES_BYTES` of samples in all, the oldest go first; and what
has not been seen for `KEPT_SECONDS` is forgotten.

All that is handed out stays as it is: what is added to is replaced, never changed in place. So threads may read it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gateway.core.fleet import Finds
from gateway.core.noise import FIELD_LENGTH, FIELDS_LIMIT
from gateway.core.tallies import FieldTally, PathTally, Sample
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE
from gateway.store.records import PathRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gateway.core.shadowing import Compare
    from gateway.core.types import Table

SAMPLES_BYTES: Final = 32 * 1024 * 1024
"""Of all samples together, as they are stored."""
KEPT_SECONDS: Final = 7 * 86_400.0
SETTLING_SECONDS: Final = 5.0
"""After a change of policy: what comes until then may have been found, and redacted, by the one before."""

_ROOM: Final = 0.9
"""What is left of `SAMPLES_BYTES` when they were too many: so it is not done again at once."""

Place = tuple[str, str]
"""Route and path."""


class _Policy(NamedTuple):
    """By what a route is compared."""

    name: str
    samples: int
    begins_at: float
    """What was told before is not of it."""


class Mismatches:
    """See the module. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self.on_clear: Callable[[], None] = lambda: None
        """Called when a record was begun anew though its policy is the same: the comparer must forget, too."""
        self._records: dict[Place, PathRecord] = {}
        self._policies: dict[str, _Policy] | None = None
        """By route; None before the first table."""
        self._changed: dict[Place, None] = {}
        """What the store does not know yet, what waits longest first."""
        self._samples_bytes = 0

    # What is compared.

    def adopt(self, table: Table, now: float) -> None:
        """Go by ``table`` from ``now`` on: what was found by another policy than its own is forgotten."""
        former = self._policies or {}
        self._policies = policies = {
            route.name: _enact(former.get(route.name), route.shadow.compare, now)
            for route in table.routes
            if route.shadow is not None
        }
        for place, record in [*self._records.items()]:
            if place[0] in policies and record.policy != policies[place[0]].name:
                self._forget(place)

    def restore(self, records: Iterable[PathRecord]) -> None:
        """Add what the store has from before."""
        for stored in records:
            place = (stored.tally.route, stored.tally.path)
            policy = (self._policies or {}).get(place[0])
            if policy is not None and policy.name != stored.policy:
                self._changed[place] = None  # to be forgotten there, too
                continue
            record = self._records.get(place)
            if record is None:
                self._put(place, stored)
                del self._changed[place]
            elif policy is not None:
                self._add(place, policy, record.tally, record.seen_at, base=stored)

    def clear(self, route: str, now: float) -> None:
        """Begin the record of a route anew."""
        for place in [place for place in self._records if place[0] == route]:
            self._forget(place)
        if self._policies is not None and route in self._policies:
            self._policies[route] = self._policies[route]._replace(begins_at=now + SETTLING_SECONDS)
        self.on_clear()

    # What is found.

    def take(self, tallies: Iterable[PathTally], now: float) -> None:
        """Add what the comparer found since it told last; what is of no route, or of another policy, is left out."""
        for tally in tallies:
            if (policy := self._find_policy(tally.route, now)) is not None:
                self._include(policy, tally, now)
        if self._samples_bytes > SAMPLES_BYTES:
            self._make_room()

    def merge(self, found: Iterable[Finds], now: float) -> None:
        """Add what other records have let go of; what was found by another policy is left out."""
        for name, tally in found:
            policy = self._find_policy(tally.route, now)
            if policy is not None and policy.name == name:
                self._include(policy, tally, now)
        if self._samples_bytes > SAMPLES_BYTES:
            self._make_room()

    def _find_policy(self, route: str, now: float) -> _Policy | None:
        """By what the route is compared, if what is found by now is of it."""
        policy = (self._policies or {}).get(route)
        return policy if policy is not None and policy.begins_at <= now else None

    def _include(self, policy: _Policy, tally: PathTally, now: float) -> None:
        place = self._admit(tally.route, tally.path)
        self._add(place, policy, tally, now, self._records.get(place))

    def _add(self, place: Place, policy: _Policy, found: PathTally, now: float, base: PathRecord | None) -> None:
        known = base.tally if base is not None else PathTally(*place)
        fields = dict(known.fields)
        for key, tally in found.fields.items():
            admitted = _admit_field(fields, key)
            fields[admitted] = add_field(fields.get(admitted, FieldTally()), tally, policy.samples)
        total = PathTally(*place, known.compared + found.compared, known.twins + found.twins, fields)
        self._put(place, PathRecord(policy.name, now, total))

    def _admit(self, route: str, path: str) -> Place:
        """The path's place, or that of ``{other}`` when its route has paths enough."""
        place = (route, path)
        if place in self._records or sum(each[0] == route for each in self._records) < TEMPLATES_PER_ROUTE:
            return place
        return (route, OTHER)

    def _put(self, place: Place, record: PathRecord) -> None:
        self._samples_bytes += _weigh_change(self._records.get(place), record)
        self._records[place] = record
        self._changed[place] = None

    def _forget(self, place: Place) -> None:
        self._samples_bytes += _weigh_change(self._records.pop(place, None), None)
        self._changed[place] = None

    # What is kept of it.

    def forget_old(self, now: float) -> None:
        """Let go of what has not been seen for `KEPT_SECONDS`."""
        oldest = now - KEPT_SECONDS
        for place, record in [*self._records.items()]:
            if record.seen_at < oldest:
                self._forget(place)
                continue
            aged = {key: _age(tally, oldest) for key, tally in record.tally.fields.items()}
            fields = {key: tally for key, tally in aged.items() if tally is not None}
            if fields != record.tally.fields:
                self._replace_fields(place, fields)

    def _make_room(self) -> None:
        """Let go of the oldest samples, wherever they are."""
        weighed = [
            (sample.time, _weigh_sample(sample))
            for record in self._records.values()
            for tally in record.tally.fields.values()
            for sample in tally.samples
        ]
        excess, newest_gone = self._samples_bytes - SAMPLES_BYTES * _ROOM, 0.0
        for time, size_bytes in sorted(weighed):
            if excess <= 0:
                break
            excess, newest_gone = excess - size_bytes, time
        for place, record in [*self._records.items()]:
            fields = {key: _cut(tally, newest_gone) for key, tally in record.tally.fields.items()}
            if fields != record.tally.fields:
                self._replace_fields(place, fields)

    def _replace_fields(self, place: Place, fields: dict[tuple[str, str], FieldTally]) -> None:
        record = self._records[place]
        tally = msgspec.structs.replace(record.tally, fields=fields)
        self._put(place, msgspec.structs.replace(record, tally=tally))

    @property
    def is_changed(self) -> bool:
        """Whether there is anything that the store does not know."""
        return bool(self._changed)

    def take_changed(self, most: int) -> Mapping[Place, PathRecord | None]:
        """At most so many of the paths that changed since they were taken last; None for those that are gone."""
        chosen = [place for place, _ in zip(self._changed, range(most), strict=False)]
        for place in chosen:
            del self._changed[place]
        return {place: self._records.get(place) for place in chosen}

    def put_back(self, places: Iterable[Place]) -> None:
        """These could not be written."""
        self._changed |= dict.fromkeys(places)

    def begin(self, records: Iterable[PathRecord]) -> None:
        """Be what the store has, and nothing else: this record goes on where another one ended."""
        self._records, self._changed, self._samples_bytes = {}, {}, 0
        self.restore(records)

    def drain(self, most_bytes: int) -> list[Finds]:
        """Let go of what was found on some paths, those that wait longest first: another record is to have it.

        What takes more than ``most_bytes`` by itself goes with the newest sample of each field.
        """
        drained: list[Finds] = []
        left_bytes = most_bytes
        for place in [*self._changed]:
            record = self._records.get(place)
            size_bytes = 0 if record is None else len(msgspec.msgpack.encode(record.tally))
            if drained and size_bytes > left_bytes:
                break
            left_bytes -= size_bytes
            self._forget(place)
            del self._changed[place]
            if record is not None:
                tally = record.tally if size_bytes <= most_bytes else _keep_newest(record.tally, 1)
                drained.append((record.policy, tally))
        return drained

    # What there is.

    def paths(self, routes: Iterable[str]) -> list[PathTally]:
        """What was found on the paths of these routes."""
        wanted = frozenset(routes)
        return [record.tally for (route, _), record in self._records.items() if route in wanted]

    def known(self) -> tuple[PathTally, ...]:
        """What was found on the routes that are compared now, without samples: for a comparer that begins."""
        tallies = self.paths({place[0] for place in self._records} if self._policies is None else self._policies)
        return tuple(_keep_newest(tally, 0) for tally in tallies)


def _enact(known: _Policy | None, compare: Compare, now: float) -> _Policy:
    name = name_policy(compare)
    if known is None:
        return _Policy(name, compare.samples, 0.0)
    return _Policy(name, compare.samples, known.begins_at if known.name == name else now + SETTLING_SECONDS)


def name_policy(compare: Compare) -> str:
    """The same for policies that are equal, and in all likelihood only for those."""
    return sha256(msgspec.json.encode(compare)).hexdigest()[:16]


def add_field(known: FieldTally, found: FieldTally, most_samples: int) -> FieldTally:
    """Both together, with at most so many samples."""
    samples = sorted([*known.samples, *found.samples], key=lambda sample: sample.time)
    begun = [at for at in (known.first_at, found.first_at) if at]
    return FieldTally(
        known.count + found.count,
        known.counted + found.counted,
        known.noisy + found.noisy,
        min(begun, default=0.0),
        max(known.last_at, found.last_at),
        samples[max(0, len(samples) - most_samples) :],
    )


def _admit_field(fields: Mapping[tuple[str, str], FieldTally], key: tuple[str, str]) -> tuple[str, str]:
    """The field and kind, or ``{other}`` and the kind when the path has fields enough."""
    field, kind = key
    if key in fields or (len(fields) < FIELDS_LIMIT and len(field) <= FIELD_LENGTH):
        return key
    return (OTHER, kind)


def _age(tally: FieldTally, oldest: float) -> FieldTally | None:
    """What is left of a field. What is known of noise stays as long as its path, or it would pass for quiet."""
    if tally.last_at >= oldest:
        return _cut(tally, oldest)
    return FieldTally(noisy=tally.noisy) if tally.noisy else None


def _cut(tally: FieldTally, until: float) -> FieldTally:
    """Without the samples up to this time."""
    kept = [sample for sample in tally.samples if sample.time > until]
    return tally if len(kept) == len(tally.samples) else msgspec.structs.replace(tally, samples=kept)


def _keep_newest(tally: PathTally, most: int) -> PathTally:
    """With so many samples of each field at the most."""
    fields = {
        key: msgspec.structs.replace(field, samples=field.samples[max(0, len(field.samples) - most) :])
        for key, field in tally.fields.items()
    }
    return msgspec.structs.replace(tally, fields=fields)


def _weigh_change(former: PathRecord | None, record: PathRecord | None) -> int:
    """How many more bytes the samples take; fields that stayed what they were are not looked at."""
    before = former.tally.fields if former is not None else {}
    after = record.tally.fields if record is not None else {}
    gone = (tally for key, tally in before.items() if after.get(key) is not tally)
    come = (tally for key, tally in after.items() if before.get(key) is not tally)
    return sum(map(_weigh, come)) - sum(map(_weigh, gone))


def _weigh(tally: FieldTally) -> int:
    return sum(map(_weigh_sample, tally.samples))


def _weigh_sample(sample: Sample) -> int:
    return len(msgspec.msgpack.encode(sample))
