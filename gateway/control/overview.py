"""The whole gateway at one moment, as the metrics show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway import __version__
from gateway.control.muster import call_muster
from gateway.core.lifecycle import is_live
from gateway.core.plans import Rule
from gateway.core.verdicts import Verdict
from gateway.core.watch import name_rule
from gateway.telemetry.snapshot import FleetLevel, RolloutLevel, RuleLevel, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.control.configuration import Configuration
    from gateway.control.figures import Figures
    from gateway.control.history import History
    from gateway.control.membership import Membership
    from gateway.control.notices import Notices
    from gateway.control.rollouts import Rollouts
    from gateway.control.roster import Roster
    from gateway.control.rules import RuleState
    from gateway.control.standing import RolloutState
    from gateway.control.tracing import Exports
    from gateway.store.interface import Store

_NUMBERS: Final = {Verdict.BROKEN: -1, Verdict.UNKNOWN: 0, Verdict.OK: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The parts that know something to show."""

    configuration: Configuration
    roster: Roster
    rollouts: Rollouts
    rules: Callable[[str], Sequence[RuleState]]
    """What each rule of a rollout said last."""
    figures: Figures
    history: History
    exports: Exports
    notices: Notices
    store: Store
    membership: Membership | None = None
    """In the fleet; None for a gateway that is alone."""


def take_snapshot(sources: Sources) -> Snapshot:
    """What there is to see now. To be called on the loop that changes it."""
    configuration, roster, figures = sources.configuration, sources.roster, sources.figures
    states, seats = sources.rollouts.states(), roster.seats.values()
    return Snapshot(
        totals=figures.totals,
        table=sources.rollouts.table,
        rollouts=[view_level(state) for state in states],
        rules=[level for state in states for level in _list_rules(state.name, sources.rules(state.name))],
        rollbacks={guard: 0 for state in states for guard in _list_guards(state)} | sources.history.rollbacks,
        reloads=dict(configuration.reloads),
        last_reload_ok=configuration.last_reload_ok,
        revision=roster.revision,
        connections={
            "client": sum(seat.connections for seat in seats),
            "backend": sum(seat.backend_connections for seat in seats),
        },
        in_flight=sum(seat.in_flight for seat in seats),
        workers=roster.states(),
        endpoints=roster.health(),
        dropped=_count_losses(sources),
        journal_bytes=roster.journal_bytes(),
        fleet=_view_fleet(sources),
        version=__version__,
        started_at=figures.started_at,
    )


def _view_fleet(sources: Sources) -> FleetLevel:
    started_at = sources.figures.started_at
    muster = call_muster(sources.configuration, sources.roster, started_at, sources.store, sources.membership)
    return FleetLevel(muster.states(), len(muster.revisions()), muster.role.value, not muster.fault)


def view_level(state: RolloutState) -> RolloutLevel:
    """Where a rollout stands; its share is 0 where its mode keeps everybody from the candidate."""
    percent = state.percent if is_live(state.rollout) else 0.0
    stage = state.progress.stage + 1 if state.rollout.plan.stages else 0
    return RolloutLevel(state.name, percent, state.state, stage)


def _list_guards(state: RolloutState) -> Iterator[tuple[str, str]]:
    """All that may roll back, judged now or not: the first to do so would else not be seen as an increase."""
    plan = state.rollout.plan
    for guard in (*plan.guards, *(guard for stage in plan.stages for guard in stage.guards)):
        yield state.name, name_rule(guard.when) if isinstance(guard.when, Rule) else guard.when.text


def _list_rules(rollout: str, rules: Sequence[RuleState]) -> Iterator[RuleLevel]:
    for rule in rules:
        judgement = rule.judgement
        number = _NUMBERS[judgement.verdict]
        yield RuleLevel(rollout, rule.id, number, judgement.value, judgement.bound, rule.kind == "guard")


def _count_losses(sources: Sources) -> dict[str, int]:
    dropped = sources.roster.dropped()
    dropped["spans"] = dropped.get("spans", 0) + sources.exports.dropped
    dropped["notices"] = sources.notices.lost
    return dropped
