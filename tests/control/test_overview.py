"""The metrics show the gateway as it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.control.configuration import Configuration
from gateway.control.figures import Batch, Figures
from gateway.control.history import History
from gateway.control.notices import Notices
from gateway.control.overview import Sources, take_snapshot, view_level
from gateway.control.rollouts import Rollouts
from gateway.control.roster import Roster
from gateway.control.rules import RuleState
from gateway.control.standing import RolloutState
from gateway.control.tracing import Exports
from gateway.core.figures import UNROUTED, Counted, PathFigures
from gateway.core.types import Mode
from gateway.store.sqlite import SqliteStore
from gateway.telemetry.snapshot import FleetLevel, RuleLevel
from tests.control.rollbacks import JUDGEMENT, happened
from tests.control.texts import GOOD, source
from tests.core.lives import fixed, started

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


GUARDS = (
    "error_rate > 20% for 5s",
    "error_rate > baseline + 1% for 1m",
    "client_error_rate > baseline + 10% for 5m",
    "error_rate > 5% for 1m",
    "p99 > 2x baseline for 5m",
)
"""That every rollout has; nobody judges them here."""


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

    history = History()
    history.hear(happened("rollback", rollout="shop"))
    guard = RuleState("error_rate > 5% for 10m", "guard", "error_rate > 5% for 10m", "rollback", JUDGEMENT)

    snapshot = take_snapshot(
        Sources(
            configuration=configuration,
            roster=roster,
            rollouts=rollouts,
            rules=lambda name: [guard] if name == "shop" else [],
            figures=figures,
            history=history,
            exports=Exports(),
            notices=Notices("http://127.0.0.1:9900"),
            store=store,
        )
    )

    assert snapshot.totals == figures.totals
    assert [(level.name, level.percent, level.state) for level in snapshot.rollouts] == [("shop", 5, "running")]
    assert [level.stage for level in snapshot.rollouts] == [0]
    assert snapshot.rules == [RuleLevel("shop", "error_rate > 5% for 10m", -1, 0.24, 0.05, is_guard=True)]
    assert snapshot.rollbacks == {("shop", "operator"): 1} | {("shop", guard): 0 for guard in GUARDS}
    assert (snapshot.reloads, snapshot.last_reload_ok) == ({"success": 1, "failure": 0}, True)
    assert snapshot.revision == roster.revision != ""
    assert (snapshot.connections, snapshot.in_flight) == ({"client": 3, "backend": 2}, 1)
    assert snapshot.workers == {"ready": 1, "lagging": 0, "draining": 0, "missing": 1}
    assert (snapshot.endpoints, snapshot.dropped) == (
        {"new": {"http://a": False}},
        {"link": 4, "spans": 0, "notices": 0},
    )
    assert snapshot.fleet == FleetLevel({"ready": 0, "not_ready": 1, "silent": 0}, 1, "alone", is_store_up=True)
    assert snapshot.started_at == 100.0
    await rollouts.close()
    await store.close()


@pytest.mark.parametrize(("mode", "percent"), [(Mode.LIVE, 5.0), (Mode.SHADOW, 0.0), (Mode.OFF, 0.0)])
def test_the_share_is_that_of_the_keys_that_take_the_candidate(mode: Mode, percent: float) -> None:
    """Whatever the file has for when the mode lets anybody."""
    rollout = fixed(mode=mode)

    assert view_level(RolloutState(rollout, started(rollout, 0), ("orders",), "r1")).percent == percent
