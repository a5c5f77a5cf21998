"""Which route serves a request, which arm answers it, and why.

Everything that can be worked out beforehand is worked out when the table arrives: a `Decider` is built once per table,
and a request pays for one walk down a tree, one look-up of its key, one hash and one comparison.

The reason of a decision is the first of these that applies:

1. ``no_rollout``       the route has one backend only
2. ``kill_switch``      ``CROSSFADE_ROLLBACK`` names the rollout: baseline
3. ``off``, ``shadow``  the rollout's mode: baseline
4. ``override``         a person or a test that may choose the arm has chosen it
5. ``pending``,
   ``rolled_back``      the rollout's state: baseline
6. ``unhealthy``        the request would take the candidate, but that has no healthy endpoint: baseline. So the reason
                        counts exactly the requests that were kept away from the candidate
7. ``breaker``          the request would take the candidate, but that rests: baseline, and counted likewise. And
   ``journal``          where it is a write that the route's journal can't have: baseline, and nobody's fault
8. ``cohort:NAME``      the first cohort whose conditions hold: its arm, or its percentage where that is the larger
9. ``missing_key``      no key source is present, and the gateway issues no key
10. ``split``           the key's position against the percentage

The bucket (0 to 100) is known whenever a key is, whatever decided. Chance and new keys come from outside, and so do the
breaker's word and the journal's: each worker has its own, which it asks about decisions for the candidate
(`Decision.keep_away`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import quote

import msgspec

from gateway.core.addresses import TrustedNetworks
from gateway.core.forwarding import FieldRewrite
from gateway.core.globs import compile_globs
from gateway.core.hashing import scheme_of
from gateway.core.heads import RequestHead
from gateway.core.keys import ISSUED_COOKIE, Believe, Captures, ReadKey, compile_chain, compile_source
from gateway.core.matching import NO_CAPTURES, RouteIndex
from gateway.core.rewriting import RewritePath, compile_rewrite
from gateway.core.types import Arm, Cohort, Condition, KeyKind, KeySource, MissingKey, Mode, Rollout, Route, Table
from gateway.errors import NoRoute

Holds = Callable[[RequestHead, Captures, str], bool]

ISSUED = "issued"
"""The key source of a key that the gateway made for this very request."""

_NONE: frozenset[str] = frozenset()
_NAME_SAFE = "!#$&'()*+,/:;=?@[]^_`{|}~ "


class Side(msgspec.Struct, frozen=True, gc=False):
    """One arm of a route, with everything that sending to it needs."""

    arm: Arm
    backend: str
    header_lines: bytes
    """``X-Crossfade-Route: orders`` and ``X-Crossfade-Arm: candidate``, each with its CR LF."""
    rewrite_path: RewritePath | None = None
    """None: the path goes on as it came."""
    rewrite_fields: FieldRewrite | None = None
    """None: the fields go on as they came."""


class CompiledCohort(msgspec.Struct, frozen=True, gc=False):
    """A cohort with its conditions compiled."""

    holds: Holds
    arm: Arm | None
    percent: float
    edge: float
    """The bucket at which the cohort's share ends."""
    reason: str


class CompiledRollout(msgspec.Struct, frozen=True, gc=False):
    """A rollout with its key chain, hash and thresholds compiled."""

    name: str
    held: str | None
    """Why everything goes to the baseline; None when it does not."""
    state: str | None
    """Why everything goes to the baseline but what an override sends; None when it does not."""
    read_key: ReadKey
    position: Callable[[bytes], int]
    bucket_width: float
    """How many percent of the scale one position takes; a power of two or 1, so that products with it are exact."""
    percent: float
    edge: float
    """The bucket at which the candidate's share ends."""
    cohorts: tuple[CompiledCohort, ...]
    on_missing_key: MissingKey


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One path pattern of a route, compiled. Entries of the same route share the `Route`."""

    route: Route
    pattern: str
    baseline: Side
    candidate: Side | None
    rollout: CompiledRollout | None


class Decision(msgspec.Struct, gc=False):
    """What becomes of one request."""

    entry: Entry
    side: Side
    reason: str
    bucket: float | None = None
    """Where the key stands, 0 up to 100; None without a key."""
    key_source: str | None = None
    """What the key was read from, ``header:X-User-ID``; ``issued`` for a new one; None without a key."""
    percent: float | None = None
    """The share that held: the cohort's where that was larger; None without a rollout."""
    captures: Mapping[str, bytes] = NO_CAPTURES
    issued_key: bytes | None = None
    """The key to send to the client as a cookie; None for nothing to send."""
    key: bytes | None = None

    @property
    def arm(self) -> Arm:
        """The arm that was chosen."""
        return self.side.arm

    def keep_away(self, reason: str) -> None:
        """Send to the baseline, for ``reason``, what would be the candidate's."""
        self.reason = reason
        self.side = self.entry.baseline


class Decider:
    """Decides for every request under one table.

    ``chance`` gives numbers from 0 up to 1, for rollouts with ``on_missing_key: random``; ``new_key`` gives 128 random
    bits as text, for ``on_missing_key: cookie``. ``believe`` says which bearer tokens are good; without it
    none is, under a table that wants them verified.
    """

    __slots__ = ("_chance", "_index", "_new_key", "entries")

    def __init__(
        self,
        table: Table,
        chance: Callable[[], float],
        new_key: Callable[[], bytes],
        believe: Believe | None = None,
    ) -> None:
        trusted = TrustedNetworks(table.server.trusted_proxies)
        counts = None if table.tokens is None else believe or _believe_none
        rollouts = {rollout.name: compile_rollout(rollout, trusted, counts) for rollout in table.rollouts}
        self.entries = tuple(entry for route in table.routes for entry in compile_route(route, rollouts))
        """Every route's path patterns in order."""
        self._index = RouteIndex(
            (msgspec.structs.replace(entry.route.match, paths=(entry.pattern,)), entry) for entry in self.entries
        )
        self._chance = chance
        self._new_key = new_key

    def decide(
        self, request: RequestHead, peer: str, *, override: Arm | None = None, down: AbstractSet[str] = _NONE
    ) -> Decision:
        """Choose route and arm.

        ``peer`` is the address of the connection, ``override`` the arm that someone who may has chosen, ``down`` the
        names of the backends that have no healthy endpoint. Raises NoRoute when nothing matches, and BadRequest for a
        path that climbs above the root.
        """
        found = self._index.match(request)
        if found is None:
            raise NoRoute("no route matches this request")
        entry, captures = found
        rollout, candidate = entry.rollout, entry.candidate
        if rollout is None or candidate is None:
            return Decision(entry, entry.baseline, "no_rollout", None, None, None, captures)
        found_key = rollout.read_key(request, captures, peer)
        if found_key is None:
            decision = Decision(entry, entry.baseline, "split", None, None, rollout.percent, captures)
        else:
            key, source = found_key
            bucket = rollout.position(key) * rollout.bucket_width
            decision = Decision(entry, entry.baseline, "split", bucket, source, rollout.percent, captures, None, key)
        if rollout.held is not None:
            decision.reason = rollout.held
        elif override is not None:
            decision.reason = "override"
            decision.side = candidate if override is Arm.CANDIDATE else entry.baseline
        elif rollout.state is not None:
            decision.reason = rollout.state
        else:
            self._split(decision, rollout, candidate, request, peer)
            if down and decision.side is candidate and candidate.backend in down:
                decision.keep_away("unhealthy")
        return decision

    def _split(
        self, decision: Decision, rollout: CompiledRollout, candidate: Side, request: RequestHead, peer: str
    ) -> None:
        """Apply the cohorts, then the percentage."""
        edge = rollout.edge
        for cohort in rollout.cohorts:
            if cohort.holds(request, decision.captures, peer):
                decision.reason = cohort.reason
                if cohort.arm is None:
                    decision.percent, edge = cohort.percent, cohort.edge
                    break
                if cohort.arm is Arm.CANDIDATE:
                    decision.side = candidate
                return
        if decision.bucket is None and not self._place_keyless(decision, rollout, candidate):
            return
        if decision.bucket is not None and decision.bucket < edge:
            decision.side = candidate

    def _place_keyless(self, decision: Decision, rollout: CompiledRollout, candidate: Side) -> bool:
        """Deal with a request that has no key; True when it got one and is to be split by it."""
        if rollout.on_missing_key is MissingKey.COOKIE:
            key = self._new_key()
            decision.key = decision.issued_key = key
            decision.key_source = ISSUED
            decision.bucket = rollout.position(key) * rollout.bucket_width
            return True
        decision.reason = "missing_key"
        if rollout.on_missing_key is MissingKey.RANDOM and self._chance() * 100 < (decision.percent or 0):
            decision.side = candidate
        return False


def _believe_none(_token: bytes) -> bool:
    return False


def compile_route(route: Route, rollouts: Mapping[str, CompiledRollout]) -> list[Entry]:
    """The entries of a route, one for each of its path patterns: a rewrite depends on the pattern that matched."""
    rollout = None if route.rollout is None else rollouts[route.rollout]
    return [
        Entry(
            route,
            pattern,
            _compile_side(route, pattern, Arm.BASELINE, route.baseline),
            None if route.candidate is None else _compile_side(route, pattern, Arm.CANDIDATE, route.candidate),
            rollout,
        )
        for pattern in route.match.paths
    ]


def _compile_side(route: Route, pattern: str, arm: Arm, backend: str) -> Side:
    rewrite = next((rewrite for rewrite in route.rewrites if rewrite.arm is arm), None)
    name = quote(route.name, safe=_NAME_SAFE)
    lines = f"X-Crossfade-Route: {name}\r\nX-Crossfade-Arm: {arm}\r\n".encode()
    if rewrite is None:
        return Side(arm, backend, lines)
    path = None if rewrite.path is None else compile_rewrite(pattern, rewrite.path)
    changes_fields = rewrite.set_headers or rewrite.remove_headers
    return Side(arm, backend, lines, path, FieldRewrite(rewrite) if changes_fields else None)


def compile_rollout(rollout: Rollout, trusted: TrustedNetworks, believe: Believe | None = None) -> CompiledRollout:
    """A rollout as requests need it.

    ``trusted`` are the proxies whose X-Forwarded-For is believed, ``believe`` says which tokens are; None: all.
    """
    scheme = scheme_of(rollout.hash, rollout.salt)
    width = 100 / scheme.size
    chain = rollout.key
    if rollout.on_missing_key is MissingKey.COOKIE:
        chain = (*chain, (KeySource(KeyKind.COOKIE, ISSUED_COOKIE),))
    percents = (_floor_percent(cohort, rollout) for cohort in rollout.cohorts)
    return CompiledRollout(
        rollout.name,
        held_by(rollout),
        None if rollout.held is None else str(rollout.held),
        compile_chain(chain, trusted, believe),
        scheme.position,
        width,
        rollout.percent,
        scheme.threshold(rollout.percent) * width,
        tuple(
            CompiledCohort(
                _compile_conditions(cohort.when, trusted, believe),
                cohort.arm,
                percent,
                scheme.threshold(percent) * width,
                f"cohort:{cohort.name}",
            )
            for cohort, percent in zip(rollout.cohorts, percents, strict=True)
        ),
        rollout.on_missing_key,
    )


def held_by(rollout: Rollout) -> str | None:
    """Why everything of a rollout goes to the baseline, overrides included; None when it does not."""
    if rollout.killed:
        return "kill_switch"
    return None if rollout.mode is Mode.LIVE else str(rollout.mode)


def _floor_percent(cohort: Cohort, rollout: Rollout) -> float:
    return min(max(cohort.percent or 0, rollout.percent), rollout.cap)


def _compile_conditions(conditions: tuple[Condition, ...], trusted: TrustedNetworks, believe: Believe | None) -> Holds:
    tests = tuple(_compile_condition(condition, trusted, believe) for condition in conditions)
    if len(tests) == 1:
        return tests[0]
    return lambda request, captures, peer: all(test(request, captures, peer) for test in tests)


def _compile_condition(condition: Condition, trusted: TrustedNetworks, believe: Believe | None) -> Holds:
    read = compile_source(condition.source, trusted, believe)
    is_meant = compile_globs(condition.patterns)

    def holds(request: RequestHead, captures: Captures, peer: str) -> bool:
        value = read(request, captures, peer)
        return value is not None and value != b"" and is_meant(value)

    return holds
