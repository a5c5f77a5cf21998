"""The whole gateway at one moment, as the metrics show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import __version__
from gateway.telemetry.snapshot import RolloutLevel, Snapshot

if TYPE_CHECKING:
    from gateway.control.configuration import Configuration
    from gateway.control.figures import Figures
    from gateway.control.rollouts import Rollouts
    from gateway.control.roster import Roster
    from gateway.control.tracing import Exports


def take_snapshot(
    configuration: Configuration, roster: Roster, rollouts: Rollouts, figures: Figures, exports: Exports
) -> Snapshot:
    """What there is to see now. To be called on the loop that changes it."""
    seats = roster.seats.values()
    dropped = roster.dropped()
    dropped["spans"] = dropped.get("spans", 0) + exports.dropped
    return Snapshot(
        totals=figures.totals,
        table=rollouts.table,
        rollouts=[RolloutLevel(rollout.name, rollout.percent, rollout.state) for rollout in rollouts.states()],
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
        dropped=dropped,
        version=__version__,
        started_at=figures.started_at,
    )
