"""Which series a configuration gives before anything was counted.

They start at 0, so that the first error of a path is seen as an increase, not as a series that came into being with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress

from gateway.core.decision import held_by
from gateway.core.figures import COMPARED
from gateway.core.types import Arm, Cohort, MissingKey, Rollout, Route, Table

BOTH_ARMS = (Arm.BASELINE, Arm.CANDIDATE)


def arms_of(route: Route) -> tuple[Arm, ...]:
    """The arms that the route's requests may take."""
    return BOTH_ARMS if route.candidate is not None and route.rollout is not None else (Arm.BASELINE,)


def list_arms(table: Table) -> Iterator[tuple[str, str]]:
    """Each route with each of its arms."""
    for route in table.routes:
        for arm in arms_of(route):
            yield route.name, str(arm)


def list_paths(table: Table) -> Iterator[tuple[str, str, str]]:
    """Each route with each of its configured path templates and arms."""
    for route in table.routes:
        for path in route.paths:
            for arm in arms_of(route):
                yield route.name, path, str(arm)


def list_decisions(table: Table) -> Iterator[tuple[str, str, str]]:
    """Each route with each arm and reason that its requests may get."""
    rollouts = {rollout.name: rollout for rollout in table.rollouts}
    checked = {backend.name for backend in table.backends if backend.health is not None}
    may_override = bool(table.server.override.networks or table.server.override.token)
    for route in table.routes:
        if len(arms_of(route)) == 1:
            yield route.name, str(Arm.BASELINE), "no_rollout"
            continue
        rollout = rollouts[route.rollout or ""]
        away = (route.candidate in checked, route.breaker is not None, route.journal is not None)
        for arm, reason in _list_reasons(rollout, may_override, [*compress(("unhealthy", "breaker", "journal"), away)]):
            yield route.name, str(arm), reason


def list_failovers(table: Table) -> Iterator[tuple[str, str]]:
    """Each route with each reason for which its requests may fail over."""
    for route in table.routes:
        if route.failover is not None:
            yield from ((route.name, kind) for kind in sorted(route.failover.kinds))
            yield from ((route.name, str(status)) for status in sorted(route.failover.statuses))


def list_copies(table: Table) -> Iterator[tuple[str, str, str, str]]:
    """Each route that copies requests with each of its configured paths and what may come of comparing: no reason."""
    for route in table.routes:
        if route.shadow is not None:
            yield from ((route.name, path, result, "") for path in route.paths for result in COMPARED)


def _list_reasons(rollout: Rollout, may_override: bool, kept_away: Iterable[str]) -> Iterator[tuple[Arm, str]]:
    """In the order of `gateway.core.decision`; ``kept_away`` are those that may keep requests from the candidate."""
    held = held_by(rollout)
    if held is not None:
        yield Arm.BASELINE, held
        return
    if may_override:
        yield from ((arm, "override") for arm in BOTH_ARMS)
    if rollout.held is not None:
        yield Arm.BASELINE, str(rollout.held)
        return
    yield from ((Arm.BASELINE, reason) for reason in kept_away)
    for cohort in rollout.cohorts:
        yield from ((arm, f"cohort:{cohort.name}") for arm in _arms_of_cohort(cohort))
    if rollout.on_missing_key is MissingKey.BASELINE:
        yield Arm.BASELINE, "missing_key"
    elif rollout.on_missing_key is MissingKey.RANDOM:
        yield from ((arm, "missing_key") for arm in BOTH_ARMS)
    yield from ((arm, "split") for arm in BOTH_ARMS)


def _arms_of_cohort(cohort: Cohort) -> tuple[Arm, ...]:
    return BOTH_ARMS if cohort.arm is None else (cohort.arm,)
