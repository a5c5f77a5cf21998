"""What of copies, of the rules that judge them and of journals is allowed but may not be what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.core.noise import TWIN_METHODS
from gateway.core.plans import Metric
from gateway.core.shadowing import SAFE_METHODS
from gateway.settings.faults import Fault, Loc
from gateway.settings.plan_coherence import Planned
from gateway.settings.schema import Rollout, Route
from gateway.settings.schema.plans import RuleGate
from gateway.settings.schema.shadowing import Journal, Shadow

_OF_COPIES: Final = frozenset({Metric.MISMATCHES, Metric.MISMATCH_RATE})


@dataclass(frozen=True, slots=True)
class Copied:
    """A route, where it stands in the file, and its rollout."""

    loc: Loc
    route: Route
    rollout: Rollout


def find_comparing_risks(planned: Planned) -> Iterator[Fault]:
    """What is asked of copies in a rollout that makes none."""
    copied = [route.name for route in planned.routes if route.shadow is not None]
    if planned.rollout.mode == "shadow" and planned.routes and not copied:
        yield Fault((*planned.loc, "mode"), "copies nothing: no route of this rollout has `shadow`")
    for loc, guard in planned.guards():
        if guard.do == "shadow" and planned.routes and not copied:
            yield Fault(
                (*loc, "do"),
                "`shadow` is a rollback after which copies go on, but no route of this rollout has `shadow`: "
                "add it to one, or write `rollback`",
            )
    for loc, rule in planned.rules():
        if rule.when.metric in _OF_COPIES and not (rule.route in copied if rule.route else copied):
            fate = "this gate never passes" if isinstance(rule, RuleGate) else "this guard never acts"
            where = f"route `{rule.route}`" if rule.route else "a route of this rollout"
            yield Fault(loc, f"nothing is compared until {where} has `shadow`: {fate}")


def find_copying_risks(copied: Copied) -> Iterator[Fault]:
    """What a route is told to copy or to keep, but never will."""
    route = copied.route
    if route.shadow is not None:
        yield from _find_never_copied(copied, route.shadow)
        yield from _find_never_repeated((*copied.loc, "shadow"), route.shadow)
        yield from _find_lost_writes(copied, route.shadow)
    if route.journal is not None:
        yield from _find_foreign((*copied.loc, "journal"), route, route.journal, "kept")


def _find_never_copied(copied: Copied, shadow: Shadow) -> Iterator[Fault]:
    loc = (*copied.loc, "shadow")
    if copied.rollout.mode == "off":
        yield Fault(loc, "nothing is copied in `mode: off`", at_key=True)
    if not shadow.percent and SAFE_METHODS.issuperset(shadow.methods):
        yield Fault((*loc, "percent"), "copies nothing")
    yield from _find_foreign(loc, copied.route, shadow, "copied")


def _find_foreign(loc: Loc, route: Route, part: Shadow | Journal, deed: str) -> Iterator[Fault]:
    """The route does not match any of the methods."""
    if route.match.methods and not set(route.match.methods) & set(part.methods):
        wanted = ", ".join(part.methods)
        yield Fault(loc, f"nothing is {deed}: `match.methods` of this route leaves out {wanted}", at_key=True)


def _find_never_repeated(loc: Loc, shadow: Shadow) -> Iterator[Fault]:
    if shadow.compare.noise and not TWIN_METHODS & set(shadow.methods):
        yield Fault((*loc, "compare", "noise"), "says nothing: only copies of GET and HEAD go to the baseline again")


def _find_lost_writes(copied: Copied, shadow: Shadow) -> Iterator[Fault]:
    """Both arms are to take every write, and those that the candidate answers reach it alone."""
    journal = copied.route.journal
    kept = set(journal.methods) if journal is not None else set()
    lost = sorted(set(shadow.methods) - SAFE_METHODS - kept)
    if lost and shadow.direction == "candidate" and copied.rollout.mode == "live":
        message = (
            f"the baseline never gets the {lost[0]} that the candidate answers; add `direction: both` or `journal`"
        )
        yield Fault((*copied.loc, "shadow", "methods"), message)
