"""A batch is in the figures and in the ledger once it is recorded."""

from __future__ import annotations

from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.runtime.ledger import Ledger
from gateway.runtime.link import Counts
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
        recorder.record(7, Counts(sequence, COUNTED))

    successor = Recorder(ledger, lambda: NOW)
    (figures,) = successor.figures.totals.values()
    assert figures.requests == 2
    assert successor.last_of(7) == 2
    (cell,) = successor.figures.windows.sum(NOW, NOW).values()
    assert cell.requests == 2
    ledger.close()


def test_what_was_counted_under_a_table_before_is_recorded_and_not_told_to_the_watcher() -> None:
    """A batch keeps the serial that its worker gave it, up to the one who drains."""
    ledger = Ledger(NOW)
    recorder = Recorder(ledger, lambda: NOW)
    recorder.figures.begin({"shop"}, 6)

    recorder.record(7, Counts(1, COUNTED, serial=5))
    assert not recorder.figures.drain()
    recorder.record(7, Counts(2, COUNTED, serial=6))
    assert [cell.requests for cell in recorder.figures.drain().values()] == [1]

    (total,) = recorder.figures.totals.values()
    assert total.requests == 2
    ledger.close()
