"""A batch is in the figures and in the ledger once it is recorded."""

from __future__ import annotations

from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.runtime.ledger import Ledger
from gateway.runtime.recorder import Recorder

NOW = 1_800_000_000.0
COUNTED = (
    Counted(
        Subject("shop", "/a", "baseline", is_forced=False),
        PathFigures(answers={Answer("legacy", "GET", 200, "split"): 1}),
    ),
)


def test_a_batch_is_recorded_once_and_outlives_the_recorder() -> None:
    """At the time that the recorder's clock says."""
    ledger = Ledger(NOW)
    recorder = Recorder(ledger, lambda: NOW)

    for sequence in (1, 2, 2, 1):
        recorder.record(7, sequence, COUNTED)

    successor = Recorder(ledger, lambda: NOW)
    (figures,) = successor.figures.totals.values()
    assert figures.requests == 2
    assert successor.last_of(7) == 2
    (cell,) = successor.figures.windows.sum(NOW, NOW).values()
    assert cell.requests == 2
    ledger.close()
