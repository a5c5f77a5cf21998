"""Watching one rollout: what its rules say, second by second.

A `Watch` keeps the sliding sums of both arms that the rules of one rollout look at (`gateway.core.trails`): of all its
routes, of one route or path where a rule is narrowed, of every path where a rule says ``per: path``. It judges the
rules on them. It decides nothing: what follows from a verdict is the lifecycle's (`gateway.core.lifecycle`).

The chance of a false alarm is spent as SPEC section 7 has it: ``1 - confidence`` for all guards of a rollout from one
start or resume to the next, split equally over them, then over the paths; each gate has its own. How many paths there
will be nobody knows when the first is judged: so the first 64 that appear get the same part of one half, and so on
(`part_of`). A gate over all paths needs no split: it passes wrongly only if one certain path does, the one that is bad.

When the share changes, the windows of all rules that need evidence begin anew. Else a fault of both arms that begins
near the change is taken for the candidate's: of what the window holds, most of the candidate's requests came after
the change and most of the baseline's before (Simpson's paradox). Counts go on.

Time is seconds of a clock that never goes back, passed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import ceil, inf
from typing import Final, NamedTuple

from gateway.core.evidence import log_needed, part_of
from gateway.core.figures import Subject
from gateway.core.histogram import Buckets, merge
from gateway.core.judging import (
    MISMATCHING,
    bound_of,
    claims_above,
    is_met,
    log_wealth_of,
    log_wealth_of_difference,
    needs_evidence,
    trials_of,
    value_of,
)
from gateway.core.pairs import Pair
from gateway.core.plans import Gate, Guard, Rule, Stage
from gateway.core.types import Arm, Rollout
from gateway.core.verdicts import Judgement, Reason, Verdict
from gateway.core.windows import Cell, add_up

Group = tuple[str | None, str | None]
"""Route and path that a rule looks at; None: all."""

_Key = tuple[Group, bool]
"""A group, and whether its windows begin anew when the share changes."""

Waiting = Mapping[Subject, Buckets]
"""The ages of requests that wait for their answer's header, where they are over a second."""

_LACKS: Final = frozenset({Reason.FEW_REQUESTS, Reason.NO_BASELINE, Reason.NOT_COMPARED})

ALL_PERCENT: Final = 100.0

_SEVERITY: Final = {Verdict.OK: 0, Verdict.UNKNOWN: 1, Verdict.BROKEN: 2}


class _Sight(NamedTuple):
    """What a rule sees plainly of one group."""

    group: Group
    candidate: Cell
    baseline: Cell
    value: float | None
    other: float | None
    """The baseline's value."""
    bound: float | None
    age: float
    """How many seconds the watch has lasted."""


class Watch:
    """See the module. ``rollout`` is the configuration's, with its plan; ``routes`` name those that share it."""

    def __init__(self, rollout: Rollout, routes: Collection[str]) -> None:
        plan = rollout.plan
        self._plan = plan
        self._routes = frozenset(routes)
        guards = (*plan.guards, *(guard for stage in plan.stages for guard in stage.guards))
        guarding = [guard.when for guard in guards if isinstance(guard.when, Rule)]
        gating = [gate for stage in plan.stages for gate in stage.gates if isinstance(gate, Rule)]
        self._rules = tuple(dict.fromkeys((*guarding, *gating)))
        self._names = {rule: name_rule(rule) for rule in self._rules}
        self._windows: dict[tuple[Group | None, bool], set[float]] = {}
        for rule in self._rules:
            self._windows.setdefault((_group_of(rule), needs_evidence(rule)), set()).add(rule.window_seconds)
        spending = sum(needs_evidence(rule) for rule in guarding)
        confidence = plan.confidence
        self._alpha = None if confidence is None else 1 - confidence
        self._guard_alpha = 0.0 if confidence is None else (1 - confidence) / max(spending, 1)
        self._began = self._stage_began = 0.0
        self._pairs: dict[_Key, Pair] = {}
        self._groups: dict[Subject, tuple[Pair, ...]] = {}
        self._paths: dict[Group, int] = {}
        """How many were there before each."""
        self.restart(0.0)

    # What is counted.

    def restart(self, second: float) -> None:
        """Forget everything: windows and evidence begin anew."""
        self._began = self._stage_began = second
        self._pairs = {
            (group, anew): Pair(windows) for (group, anew), windows in self._windows.items() if group is not None
        }
        self._groups = {}
        self._paths = {}

    def begin_stage(self, second: float) -> None:
        """A new stage, or another share: what rules rest on begins anew, the windows of counts go on."""
        self._stage_began = second
        for (_, anew), pair in self._pairs.items():
            if anew:
                pair.begin(second - self._began)
            else:
                pair.begin_stage()

    def take(self, second: float, cells: Mapping[Subject, Cell], waiting: Waiting | None = None) -> None:
        """Add what was counted since the last call, and how long the requests under way have waited.

        Requests of other routes, and those whose arm ``X-Crossfade-Arm`` chose, are left out.
        """
        since = second - self._began
        parts: dict[tuple[Pair, bool], list[Cell]] = {}
        for subject, cell in cells.items():
            for pair in self._pairs_of(subject):
                parts.setdefault((pair, subject.arm == Arm.CANDIDATE), []).append(cell)
        for (pair, is_candidate), each in parts.items():  # once for all paths: a trail adds it to many sums
            pair.take(since, add_up(each), is_candidate=is_candidate)
        self._wait(waiting or {})

    def _wait(self, waiting: Waiting) -> None:
        for pair in self._pairs.values():
            pair.candidate_waiting, pair.baseline_waiting = {}, {}
        for subject, ages in waiting.items():
            for pair in self._pairs_of(subject):
                merge(pair.candidate_waiting if subject.arm == Arm.CANDIDATE else pair.baseline_waiting, ages)

    def _pairs_of(self, subject: Subject) -> tuple[Pair, ...]:
        """The trails that a subject's requests are part of."""
        found = self._groups.get(subject)
        if found is None:
            found = self._groups[subject] = tuple(self._find_pairs(subject))
        return found

    def _find_pairs(self, subject: Subject) -> Iterator[Pair]:
        if subject.route not in self._routes or subject.is_forced:
            return
        group = (subject.route, subject.path)
        for anew in (False, True):
            if (None, anew) in self._windows:
                self._paths.setdefault(group, len(self._paths))
                windows = self._windows[None, anew] | self._windows.get((group, anew), set())
                self._pairs.setdefault((group, anew), Pair(windows))
            for wanted in {(None, None), (subject.route, None), (None, subject.path), group}:
                if (wanted, anew) in self._pairs:
                    yield self._pairs[wanted, anew]

    # What the rules say.

    def judge_guards(self, second: float, stage: Stage | None) -> list[tuple[Guard, Judgement]]:
        """What the plan's and the stage's guards say; those that ask outside are somebody else's."""
        guards = (*self._plan.guards, *(stage.guards if stage is not None else ()))
        return [
            (
                guard,
                self._worst(
                    guard.when, [self._judge_guard(guard.when, sight) for sight in self._see(guard.when, second)]
                ),
            )
            for guard in guards
            if isinstance(guard.when, Rule)
        ]

    def judge_gates(self, second: float, stage: Stage) -> list[tuple[Rule, Judgement]]:
        """What the stage's gates say; those that ask outside are somebody else's."""
        return [(gate, self._judge_gate(gate, second, stage)) for gate in _rules_of(stage.gates)]

    def _judge_gate(self, gate: Rule, second: float, stage: Stage) -> Judgement:
        age = second - self._stage_began
        judged = [self._judge_sight(gate, sight, age, stage) for sight in self._see(gate, second)]
        if gate.per_path:  # a path with next to no requests can't hold up all others
            judged = [each for each in judged if each.reason not in _LACKS] or judged
        return self._worst(gate, judged)

    def _see(self, rule: Rule, second: float) -> Iterable[_Sight]:
        groups = self._paths if rule.per_path else (_group_of(rule) or (None, None),)
        return [self._look(rule, group, second - self._began) for group in groups]

    def _look(self, rule: Rule, group: Group, since: float) -> _Sight:
        candidate, baseline = self._pair(rule, group).window(rule.window_seconds, since)
        other = value_of(rule.metric, baseline)
        value = value_of(rule.metric, candidate)
        return _Sight(group, candidate, baseline, value, other, bound_of(rule, other), since)

    def _pair(self, rule: Rule, group: Group) -> Pair:
        return self._pairs[group, needs_evidence(rule)]

    def _judge_guard(self, rule: Rule, sight: _Sight) -> Judgement:
        lacking = self._find_lack(rule, sight)
        if lacking is None and not needs_evidence(rule) and not claims_above(rule) and sight.age < rule.window_seconds:
            lacking = Reason.YOUNG_STAGE  # of course there were few so far
        if lacking is not None:
            return self._say(rule, sight, Verdict.UNKNOWN, lacking)
        if not _is_so(rule, sight):
            return self._say(rule, sight, Verdict.OK, Reason.QUIET)
        reason, needs = self._weigh(rule, sight)
        return self._say(rule, sight, Verdict.BROKEN if reason is Reason.BROKEN else Verdict.UNKNOWN, reason, needs)

    def _judge_sight(self, rule: Rule, sight: _Sight, age: float, stage: Stage) -> Judgement:
        lacking = self._find_lack(rule, sight)
        if age < rule.window_seconds:
            lacking = Reason.YOUNG_STAGE
        if self._is_skipped(rule, sight.group, stage, lacking):
            return self._say(rule, sight, Verdict.OK, Reason.NO_BASELINE)
        if lacking is not None:
            return self._say(rule, sight, Verdict.UNKNOWN, lacking)
        if not _is_so(rule, sight):
            return self._say(rule, sight, Verdict.BROKEN, Reason.NOT_MET)
        if self._alpha is not None and needs_evidence(rule):
            needed, (candidate, baseline) = log_needed(self._alpha), self._pair(rule, sight.group).stage()
            wealth = log_wealth_of(rule, candidate, baseline, needed)
            if wealth < needed:
                needs = _estimate_needs(trials_of(rule.metric, candidate), wealth, needed)
                return self._say(rule, sight, Verdict.UNKNOWN, Reason.LITTLE_EVIDENCE, needs)
        return self._say(rule, sight, Verdict.OK, Reason.MET)

    def _find_lack(self, rule: Rule, sight: _Sight) -> Reason | None:
        """Why nothing can be said, if so. Counts are of what was seen, however little that is."""
        if rule.metric in MISMATCHING and not sight.candidate.compared:
            return Reason.NOT_COMPARED
        if not needs_evidence(rule):
            return None
        if not self._has_enough(rule, sight.candidate):
            return Reason.FEW_REQUESTS
        if rule.bound.is_relative and not self._has_enough(rule, sight.baseline):
            return Reason.NO_BASELINE
        return None

    def _weigh(self, rule: Rule, sight: _Sight) -> tuple[Reason, int | None]:
        """Whether what a guard fears is the candidate's fault, and the evidence from some beginning on supports it.

        Where it does not yet, also about how many more requests of the candidate it takes, if things stay as they are.
        """
        if self._is_shared(rule, sight.baseline):
            return Reason.BOTH_ARMS, None
        if self._alpha is None or not needs_evidence(rule):
            return Reason.BROKEN, None
        alpha = self._guard_alpha * (part_of(self._paths[sight.group]) if rule.per_path else 1)
        reason, estimates = Reason.LITTLE_EVIDENCE, []
        for start, candidate, baseline in self._pair(rule, sight.group).sinces(rule.window_seconds):
            trials, needed = trials_of(rule.metric, candidate), log_needed(alpha, start)
            wealth = log_wealth_of(rule, candidate, baseline, needed) if trials else 0.0
            if wealth < needed:
                estimates.append(_estimate_needs(trials, wealth, needed))
                continue
            if not self._may_be_shared(rule, sight.baseline) or self._is_different(rule, candidate, baseline):
                return Reason.BROKEN, None
            if self._is_shared(rule, baseline):
                reason = Reason.BOTH_ARMS
        known = [needs for needs in estimates if needs is not None]
        return reason, min(known, default=None) if reason is Reason.LITTLE_EVIDENCE else None

    def _may_be_shared(self, rule: Rule, baseline: Cell) -> bool:
        """Whether a baseline is there that may have the same fault. One without requests can't excuse the candidate."""
        is_absolute = not rule.bound.is_relative and needs_evidence(rule)
        return is_absolute and not rule.acts_on_shared and self._has_enough(rule, baseline)

    def _is_different(self, rule: Rule, candidate: Cell, baseline: Cell) -> bool:
        """Whether the candidate is beyond the bound more often than the baseline.

        A fault of both is in the candidate's window a moment before the baseline's as often as a moment after; and of
        few requests fewer may have failed by chance.
        """
        needed = log_needed(self._guard_alpha)
        return log_wealth_of_difference(rule, candidate, baseline, needed) >= needed

    def _is_shared(self, rule: Rule, baseline: Cell) -> bool:
        """Whether the baseline breaks the same bound: then the fault is not the candidate's."""
        value = value_of(rule.metric, baseline)
        return self._may_be_shared(rule, baseline) and value is not None and is_met(rule, value, rule.bound.value)

    def _has_enough(self, rule: Rule, cell: Cell) -> bool:
        return trials_of(rule.metric, cell) >= self._plan.min_requests

    def _is_skipped(self, rule: Rule, group: Group, stage: Stage, lacking: Reason | None) -> bool:
        """Whether a gate asks for what there can't be: the baseline answers next to nobody, so nothing is copied."""
        if rule.metric in MISMATCHING:
            has_few = not self._has_enough(rule, self._pair(rule, group).candidate.stage)
            return stage.percent >= ALL_PERCENT and has_few and lacking in {Reason.NOT_COMPARED, Reason.FEW_REQUESTS}
        return lacking is Reason.NO_BASELINE and self._has_no_baseline(rule, group, stage)

    def _has_no_baseline(self, rule: Rule, group: Group, stage: Stage) -> bool:
        """Whether the baseline has next to nothing for the whole stage: at 100 % only what was under way before."""
        return stage.percent >= ALL_PERCENT or not self._has_enough(rule, self._pair(rule, group).baseline.stage)

    def _worst(self, rule: Rule, judged: list[Judgement]) -> Judgement:
        """The one that matters: broken before unknown before ok, then the furthest beyond its bound."""
        if not judged:
            return Judgement(
                rule=self._names[rule], verdict=Verdict.UNKNOWN, reason=Reason.FEW_REQUESTS, route=rule.route
            )
        return max(judged, key=lambda each: (_SEVERITY[each.verdict], _excess(each)))

    def _say(self, rule: Rule, sight: _Sight, verdict: Verdict, reason: Reason, needs: int | None = None) -> Judgement:
        requests = trials_of(rule.metric, sight.candidate)
        return Judgement(
            rule=self._names[rule],
            verdict=verdict,
            reason=reason,
            route=sight.group[0],
            path=sight.group[1],
            value=sight.value,
            bound=sight.bound,
            baseline=sight.other,
            candidate_requests=requests,
            baseline_requests=trials_of(rule.metric, sight.baseline),
            needs=self._plan.min_requests - requests if reason is Reason.FEW_REQUESTS else needs,
        )


def _estimate_needs(trials: int, wealth: float, needed: float) -> int | None:
    """How many more trials it takes until the wealth is there, growing as it has; None where it does not grow."""
    return ceil(trials * (needed - wealth) / wealth) if wealth > 0 and needed < inf else None


def _is_so(rule: Rule, sight: _Sight) -> bool:
    """Whether what the rule claims is so in the window, plainly."""
    return sight.value is not None and sight.bound is not None and is_met(rule, sight.value, sight.bound)


def _group_of(rule: Rule) -> Group | None:
    """None: every path, each by itself."""
    return None if rule.per_path else (rule.route, rule.path)


def _rules_of(gates: Iterable[Gate]) -> list[Rule]:
    return [gate for gate in gates if isinstance(gate, Rule)]


def name_rule(rule: Rule) -> str:
    """The rule's text with what narrows it."""
    parts = [rule.text, rule.route and f"route {rule.route}", rule.path and f"path {rule.path}"]
    return ", ".join(part for part in (*parts, "per path" if rule.per_path else None) if part)


def _excess(judgement: Judgement) -> float:
    if judgement.value is None or judgement.bound is None:
        return 0.0
    return judgement.value / judgement.bound if judgement.bound else judgement.value
