"""The comparer's work: pairs in, results and findings out. No clock, no I/O: its process feeds and empties it.

Each pair of a user's answer and a copy's comes to one result:

============  =======================================================================================================
``match``     they do not differ
``mismatch``  they differ in something that counts
``noise``     they differ, but only in what two answers of the baseline differ in as well (`gateway.core.noise`)
``error``     there is nothing to hold the candidate's answer against, as the baseline failed (reason ``5xx``); or
              comparing itself did (reason ``comparer``)
``skipped``   its route is in no table that is here: by one that is still to come, or has gone (``comparer_busy``)
============  =======================================================================================================

A candidate that fails where the baseline does not is a mismatch, of kind ``status``.

**Waiting.** With twins, pairs that differ wait until their path has had enough of them, for at most `PATIENCE_SECONDS`;
then they are judged by what is known. Where there are none (no noise to be learnt, or a method that has no twins) all
are judged at once.

**Arrays in any order.** An array that the baseline itself shuffles is held against the other one element by element, so
as soon as something *in* it differs as well, everything seems to. Such an answer is compared again with the array taken
as unordered; what is found then is what differs. Twins are compared no differently, so that rates can be compared.

Bounds: a route's paths beyond its first 100 are ``{other}``; of a path's fields see `gateway.shadow.findings`; samples
are the first of each field and kind between two calls of `Comparer.take_tallies`, `SAMPLES_LIMIT` of all together.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

import msgspec

from gateway.core.differences import Difference, Kind
from gateway.core.figures import MISMATCH, Counted, PathFigures, Subject
from gateway.core.noise import TWIN_METHODS
from gateway.core.shadowing import Compare, Pair
from gateway.core.tallies import PathTally
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE
from gateway.core.types import Arm, Table
from gateway.shadow.comparison import Comparison
from gateway.shadow.findings import Finding, Findings, Waiting
from gateway.shadow.redaction import Redaction

PATIENCE_SECONDS: Final = 60.0
"""How long a pair waits for twins at most."""

WAITING_LIMIT: Final = 1_024
"""So many pairs wait on a path; when another one comes, the first need not wait any longer."""

ALL_WAITING_LIMIT: Final = 16_384
"""So many wait altogether, at less than 1 KiB each; more are judged at once."""

SAMPLES_LIMIT: Final = 2_000
"""Between two calls of `Comparer.take_tallies`: what is told in one message stays small."""

UNKNOWN_ROUTE: Final = ("skipped", "comparer_busy")
"""What comes of pairs of a route that no table has named."""

_FAILED: Final = 500
"""The least status by which the baseline says that it failed (RFC 9110, section 15.6)."""


class Comparer:
    """See the module."""

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}
        self._known: dict[str, list[PathTally]] = {}
        """Of routes that no table has named yet."""
        self._counts: dict[Subject, PathFigures] = {}
        self._samples_left = SAMPLES_LIMIT
        self._waiting = 0
        """Pairs, on all paths together."""

    def adopt(self, table: Table) -> None:
        """Compare by this table. A route whose policy has changed begins anew; pairs of other routes are skipped.

        What waited on a route that is gone or begins anew is judged by what was known. A table that can't be adopted
        changes nothing.
        """
        policies = {route.name: route.shadow.compare for route in table.routes if route.shadow is not None}
        routes = {name: self._take_over(name, policy) for name, policy in policies.items()}
        for name, former in self._routes.items():
            if routes.get(name) is not former:
                self._judge_all(former, inf)
        self._routes = routes
        self._known.clear()

    def _take_over(self, name: str, policy: Compare) -> _Route:
        former = self._routes.get(name)
        if former is None:
            return _Route(name, policy, self._known.get(name, ()))
        return former if former.policy == policy else _Route(name, policy)

    def learn(self, tallies: Iterable[PathTally]) -> None:
        """Take this for all that was found until the last `take_tallies`, also of routes that it does not name.

        What waits on those is of before they began anew: it is judged now, by what was known, and not among what comes.
        """
        known: dict[str, list[PathTally]] = {}
        for tally in tallies:
            known.setdefault(tally.route, []).append(tally)
        for name, route in self._routes.items():
            if name not in known:
                self._judge_all(route, inf)
            route.learn(known.pop(name, ()))
        self._known = known

    def take(self, pair: Pair) -> None:
        """Compare a pair. What fails in doing so is counted, and raised for somebody to log."""
        route = self._routes.get(pair.route)
        if route is None:  # by a table that is not here yet, or is not in force any more
            if not pair.is_twin:
                self._add(Subject(pair.route, pair.path, Arm.CANDIDATE.value, pair.is_forced), UNKNOWN_ROUTE)
            return
        findings = route.find(pair.path)
        try:
            self._compare(route, findings, pair)
        except Exception:
            if not pair.is_twin:
                self._count(findings, ("error", "comparer"), is_forced=pair.is_forced)
            raise

    def tick(self, now: float) -> None:
        """Judge what has waited too long; ``now`` in seconds since the epoch, inf for all that waits."""
        for route in self._routes.values():
            self._judge_all(route, now - PATIENCE_SECONDS)

    def take_counts(self) -> tuple[Counted, ...]:
        """What came of pairs since the last time."""
        counts, self._counts = self._counts, {}
        return tuple(Counted(subject, figures) for subject, figures in counts.items())

    def take_tallies(self) -> tuple[PathTally, ...]:
        """What was found since the last time."""
        self._samples_left = SAMPLES_LIMIT
        found = (findings.take() for route in self._routes.values() for findings in route.paths.values())
        return tuple(tally for tally in found if tally is not None)

    # One pair.

    def _compare(self, route: _Route, findings: Findings, pair: Pair) -> None:
        if pair.baseline.status >= _FAILED:
            if not pair.is_twin:
                self._count(findings, ("error", "5xx"), is_forced=pair.is_forced)
            return
        found = _sort(findings, route.compare(findings, pair))
        if pair.is_twin:
            findings.note_twin(found)
            if findings.is_known:
                self._judge_waiting(findings, inf)
            return
        findings.note_pair(found, pair.time)
        self._sample(route, found, pair)
        if not found:
            self._count(findings, ("match", ""), is_forced=pair.is_forced)
        elif route.policy.noise and pair.method in TWIN_METHODS and not findings.is_known:
            self._wait(findings, Waiting(pair.time, tuple(found), pair.is_forced))
        else:
            self._judge(findings, found, is_forced=pair.is_forced)

    def _sample(self, route: _Route, found: dict[Finding, Difference], pair: Pair) -> None:
        """Keep the first few of each field and kind, redacted."""
        for finding, difference in found.items():
            if self._samples_left and len(finding.freshen().samples) < route.policy.samples:
                self._samples_left -= 1
                finding.keep(route.redaction.sample(pair, difference))

    # Judging.

    def _wait(self, findings: Findings, pair: Waiting) -> None:
        findings.waiting.append(pair)
        self._waiting += 1
        if len(findings.waiting) > WAITING_LIMIT or self._waiting > ALL_WAITING_LIMIT:
            self._judge_first(findings)

    def _judge_all(self, route: _Route, until: float) -> None:
        for findings in route.paths.values():
            self._judge_waiting(findings, until)

    def _judge_waiting(self, findings: Findings, until: float) -> None:
        """Those that came until then. They wait as they came: one with a later time may hold others up a little."""
        while findings.waiting and findings.waiting[0].time <= until:
            self._judge_first(findings)

    def _judge_first(self, findings: Findings) -> None:
        self._waiting -= 1
        pair = findings.waiting.popleft()
        self._judge(findings, pair.findings, is_forced=pair.is_forced)

    def _judge(self, findings: Findings, found: Iterable[Finding], *, is_forced: bool) -> None:
        self._count(findings, (MISMATCH if findings.judge(found) else "noise", ""), is_forced=is_forced)

    def _count(self, findings: Findings, outcome: tuple[str, str], *, is_forced: bool) -> None:
        total = findings.total
        self._add(Subject(total.route, total.path, Arm.CANDIDATE.value, is_forced), outcome)

    def _add(self, subject: Subject, outcome: tuple[str, str]) -> None:
        copies = self._counts.setdefault(subject, PathFigures()).copies
        copies[outcome] = copies.get(outcome, 0) + 1


class _Route:
    """What is found on the paths of one route, under one policy."""

    def __init__(self, name: str, policy: Compare, known: Iterable[PathTally] = ()) -> None:
        self.name = name
        self.policy = policy
        self.redaction = Redaction(policy)
        self.paths: dict[str, Findings] = {}
        self._comparison = Comparison(policy)
        self._by_shuffled: dict[tuple[str, ...], Comparison] = {}
        self.learn(known)

    def find(self, path: str) -> Findings:
        """The findings of this path; of ``{other}`` where there are paths enough."""
        findings = self.paths.get(path)
        if findings is not None:
            return findings
        if len(self.paths) >= TEMPLATES_PER_ROUTE and path != OTHER:
            return self.find(OTHER)
        return self.paths.setdefault(path, Findings(self.name, path))

    def learn(self, known: Iterable[PathTally]) -> None:
        """Take ``known`` for what was found before, also of paths that it does not name."""
        by_path = {tally.path: tally for tally in known}
        for path in by_path:
            self.find(path)
        for path, findings in self.paths.items():
            findings.learn(by_path.get(path))

    def compare(self, findings: Findings, pair: Pair) -> list[Difference]:
        """The differences; where an array that the baseline shuffles differs in more than its order, without order."""
        found = self._comparison.compare(pair)
        shuffled = findings.shuffled if found else ()
        if not any(_is_inside(difference, array) for array in shuffled for difference in found):
            return found
        orders = [each for each in found if each.kind is Kind.ORDER and each.field in shuffled]
        return orders + self._without_order(shuffled).compare(pair)

    def _without_order(self, shuffled: tuple[str, ...]) -> Comparison:
        comparison = self._by_shuffled.get(shuffled)
        if comparison is None:
            if len(self._by_shuffled) > TEMPLATES_PER_ROUTE:
                self._by_shuffled.clear()  # what paths know has changed meanwhile
            policy = msgspec.structs.replace(self.policy, unordered=self.policy.unordered + shuffled)
            comparison = self._by_shuffled[shuffled] = Comparison(policy)
        return comparison


def _sort(findings: Findings, differences: Iterable[Difference]) -> dict[Finding, Difference]:
    """The first difference of each field and kind: a field that differs in many elements differs once."""
    found: dict[Finding, Difference] = {}
    for difference in differences:
        found.setdefault(findings.find((difference.field, difference.kind.value)), difference)
    return found


def _is_inside(difference: Difference, array: str) -> bool:
    """Whether it tells of the array's elements, or of their number."""
    return difference.field.startswith(f"{array}[*]") or (difference.field == array and difference.kind is Kind.LENGTH)
