"""What has to hold between a plan and its rollout's cohorts and routes, and what of it is allowed but risky."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.plans import Metric, Op
from gateway.settings.faults import Fault, Loc
from gateway.settings.names import suggest
from gateway.settings.quantities import format_duration, format_number, show
from gateway.settings.schema import Rollout, Route
from gateway.settings.schema.plans import Gate, Guard, RuleGate, RuleGuard, Stage

FEW_REQUESTS: Final = 20
"""With fewer, and compared plainly, one error among some requests of a quiet hour is a verdict."""

TAKING_BACK: Final = frozenset({"step_back", "shadow", "rollback"})
"""What a guard may do that leaves fewer users on the candidate."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A rollout, where it stands in the file, and the routes that share it."""

    loc: Loc
    rollout: Rollout
    routes: Sequence[Route]

    def stages(self) -> Iterator[tuple[Loc, Stage]]:
        """Each stage with its place."""
        for index, stage in enumerate(self.rollout.stages):
            yield (*self.loc, "stages", index), stage

    def rules(self) -> Iterator[tuple[Loc, RuleGate | RuleGuard]]:
        """Each rule of the plan and of its stages, those who are asked outside left out."""
        rollout = self.rollout
        yield from _rules_in((*self.loc, "gates"), rollout.gates)
        yield from _rules_in((*self.loc, "guard"), rollout.guard)
        for loc, stage in self.stages():
            yield from _rules_in((*loc, "gates"), stage.gates or ())
            yield from _rules_in((*loc, "guard"), stage.guard)

    def guards(self) -> Iterator[tuple[Loc, Guard]]:
        """Each guard of the plan and of its stages."""
        parts = [(self.loc, self.rollout.guard), *((loc, stage.guard) for loc, stage in self.stages())]
        for loc, guards in parts:
            yield from (((*loc, "guard", index), guard) for index, guard in enumerate(guards))

    def gates_of(self, stage: Stage) -> tuple[Gate, ...]:
        """The stage's own, else the plan's."""
        return self.rollout.gates if stage.gates is None else stage.gates


def _rules_in(loc: Loc, parts: Sequence[Gate] | Sequence[Guard]) -> Iterator[tuple[Loc, RuleGate | RuleGuard]]:
    for index, part in enumerate(parts):
        if isinstance(part, RuleGate | RuleGuard):
            yield (*loc, index), part


def find_plan_faults(planned: Planned, left_out: Collection[str] = ()) -> Iterator[Fault]:
    """What contradicts itself. ``left_out`` are names of routes with faults of their own: they count as known."""
    names = [route.name for route in planned.routes]
    for loc, rule in planned.rules():
        if rule.route is not None and rule.route not in {*names, *left_out}:
            advice = suggest(rule.route, names) or (f"; it has {', '.join(names)}" if names else "")
            yield Fault((*loc, "route"), f"no route of this rollout is called {show(rule.route)}{advice}")
    yield from _check_cohorts(planned)


def _check_cohorts(planned: Planned) -> Iterator[Fault]:
    cohorts = {cohort.name: cohort for cohort in planned.rollout.cohorts}
    for loc, stage in planned.stages():
        for index, name in enumerate(stage.cohorts):
            cohort = cohorts.get(name)
            if cohort is None:
                advice = suggest(name, cohorts) or "; define it under `cohorts` of this rollout"
                yield Fault((*loc, "cohorts", index), f"there is no cohort {show(name)}{advice}")
            elif cohort.arm == "baseline":
                yield Fault((*loc, "cohorts", index), f"{show(name)} sends to the baseline, whatever the stage")


def find_plan_risks(planned: Planned) -> Iterator[Fault]:
    """What is allowed, but may not be what was meant."""
    checks = (
        _find_idle,
        _find_blind,
        _find_contrary,
        _find_repeated,
        _find_unknown_paths,
        _find_hasty,
        _find_falling,
        _find_longer_windows,
    )
    for check in checks:
        yield from check(planned)


def _find_idle(planned: Planned) -> Iterator[Fault]:
    """What is written but never asked."""
    rollout = planned.rollout
    if rollout.stages and rollout.mode != "live":
        yield Fault((*planned.loc, "stages"), f"the plan stands still in `mode: {rollout.mode}`", at_key=True)
    if not rollout.stages:
        fixed = f"`percent: {format_number(rollout.percent)}` is fixed"
        for field in sorted({"start", "gates"} & rollout.model_fields_set):
            yield Fault((*planned.loc, field), f"says nothing without `stages`: {fixed}", at_key=True)
    elif rollout.stages[-1].approval:
        loc = (*planned.loc, "stages", len(rollout.stages) - 1, "approval")
        yield Fault(loc, "says nothing on the last stage: there is no next one to be promoted to")


def _find_blind(planned: Planned) -> Iterator[Fault]:
    """Nobody looks before the next step, or nobody takes it back."""
    rollout = planned.rollout
    is_gated = any(planned.gates_of(stage) for stage in rollout.stages)
    if rollout.stages and not is_gated and not any(route.shadow for route in planned.routes):
        yield Fault(
            (*planned.loc, "stages"),
            "no gate is asked before a stage ends, and nothing is compared: the plan goes on by time alone",
            at_key=True,
        )
    if not any(guard.do in TAKING_BACK for guard in rollout.guard):
        yield Fault((*planned.loc, "guard"), "no guard takes the candidate back", at_key=True)
    if rollout.confidence is None and rollout.min_requests < FEW_REQUESTS:
        yield Fault(
            (*planned.loc, "confidence"),
            f"compares plainly, and `min_requests: {rollout.min_requests}` lets very few requests decide",
        )


def _find_contrary(planned: Planned) -> Iterator[Fault]:
    """A guard names what is feared and a gate what is asked for; of all metrics but `requests`, less is better."""
    for loc, rule in planned.rules():
        asks_for_less = rule.when.op in {Op.BELOW, Op.AT_MOST}
        if rule.when.metric is Metric.REQUESTS:
            continue
        if isinstance(rule, RuleGuard) and asks_for_less:
            yield Fault(loc, f"`{rule.when.text}` acts when all is well: a guard says what is feared, with `>`")
        if isinstance(rule, RuleGate) and not asks_for_less:
            yield Fault(loc, f"`{rule.when.text}` passes when all is bad: a gate says what is asked for, with `<`")


def _find_repeated(planned: Planned) -> Iterator[Fault]:
    """Guards share what `confidence` leaves, so each needless one makes the others slower."""
    common = [_identify(guard) for guard in planned.rollout.guard]
    yield from _find_again((*planned.loc, "guard"), [], planned.rollout.guard)
    for loc, stage in planned.stages():
        yield from _find_again((*loc, "guard"), common, stage.guard)


def _find_again(loc: Loc, known: Sequence[object], guards: Sequence[Guard]) -> Iterator[Fault]:
    seen = list(known)
    for index, guard in enumerate(guards):
        if isinstance(guard, RuleGuard) and _identify(guard) in seen:
            yield Fault((*loc, index), "is there already: a guard named twice takes a share of `confidence` twice")
        seen.append(_identify(guard))


def _identify(guard: Guard) -> object:
    return (guard.when, guard.route, guard.path, guard.per) if isinstance(guard, RuleGuard) else guard


def _find_unknown_paths(planned: Planned) -> Iterator[Fault]:
    """Figures are kept by template; one that nobody listed has figures only if the gateway makes the very same."""
    for loc, rule in planned.rules():
        routes = [route for route in planned.routes if rule.route in {None, route.name}]
        known = [path for route in routes for path in route.paths]
        if rule.path is not None and rule.path not in known:
            advice = suggest(rule.path, known) or "; add it to be counted by"
            yield Fault((*loc, "path"), f"{show(rule.path)} is not in `paths` of the rollout's routes{advice}")


def _find_hasty(planned: Planned) -> Iterator[Fault]:
    """What happens sooner than anybody could look."""
    rollout = planned.rollout
    if rollout.retry and not rollout.cooldown:
        yield Fault((*planned.loc, "retry"), "starts again right after each rollback, as `cooldown` is 0")
    for loc, stage in list(planned.stages())[:-1]:
        if not (stage.hold or stage.approval or planned.gates_of(stage)):
            yield Fault(loc, "is over as soon as it begins: it has no `hold`, no gate and no approval")


def _find_falling(planned: Planned) -> Iterator[Fault]:
    before = 0.0
    for loc, stage in planned.stages():
        percent = stage.percent or 0.0
        if percent < before:
            yield Fault(
                (*loc, "percent"), f"falls from {format_number(before)} to {format_number(percent)}: keys go back"
            )
        before = percent


def _find_longer_windows(planned: Planned) -> Iterator[Fault]:
    """A gate is unknown until its stage is as old as its window."""
    for loc, stage in planned.stages():
        windows = [gate.when.window_seconds for gate in planned.gates_of(stage) if isinstance(gate, RuleGate)]
        if windows and 0 < stage.hold < max(windows):
            longest = format_duration(max(windows))
            yield Fault(
                (*loc, "hold"), f"is shorter than the {longest} that a gate looks back: the stage lasts {longest}"
            )
