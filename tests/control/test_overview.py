"""The metrics show the gateway as it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gateway.control.configuration import Configuration
from gateway.control.figures import Batch, Figures
from gateway.control.overview import take_snapshot
from gateway.control.rollouts import Rollouts
from gateway.control.roster import Roster
from gateway.control.tracing import Exports
from gateway.core.figures import UNROUTED, Counted, PathFigures
from gateway.store.sqlite import SqliteStore
from tests.control.texts import GOOD, source

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_snapshot_shows_every_part(tmp_path: Path) -> None:
    """Figures, rollouts, configuration, workers and what was dropped."""
    store = SqliteStore(str(tmp_path / "state.db"))
    roster, figures = Roster(2), Figures(100.0)
    rollouts = Rollouts(store, lambda table: roster.published(1, table.revision), lambda: NOON)
    configuration = Configuration(source(tmp_path), rollouts.publish, lambda _accepted: None)
    await configuration.take(GOOD.encode(), NOON)
    seat = roster.joined(0, pid=7, revision="", run=7)
    roster.applied(seat, 1)
    seat.connections, seat.backend_connections, seat.in_flight = 3, 2, 1
    seat.endpoints = {"new": {"http://a": False}}
    roster.lost(seat, {"link": 4})
    figures.record(Batch(1, 1, 100.0, (Counted(UNROUTED, PathFigures(client_errors=1)),)))

    snapshot = take_snapshot(configuration, roster, rollouts, figures, Exports())

    assert snapshot.totals == figures.totals
    assert [(level.name, level.percent, level.state) for level in snapshot.rollouts] == [("shop", 5, "running")]
    assert (snapshot.reloads, snapshot.last_reload_ok) == ({"success": 1, "failure": 0}, True)
    assert snapshot.revision == roster.revision != ""
    assert (snapshot.connections, snapshot.in_flight) == ({"client": 3, "backend": 2}, 1)
    assert snapshot.workers == {"ready": 1, "lagging": 0, "draining": 0, "missing": 1}
    assert (snapshot.endpoints, snapshot.dropped) == ({"new": {"http://a": False}}, {"link": 4, "spans": 0})
    assert snapshot.started_at == 100.0
    await rollouts.close()
    await store.close()
