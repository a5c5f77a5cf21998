"""What was recorded is never lost or doubled, wherever a controller dies."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gateway.control.figures import Batch, Figures
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.runtime import ledger as module
from gateway.runtime.ledger import Ledger

NOW = 1_800_000_000.0


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """An empty one."""
    ledger = Ledger(NOW)
    yield ledger
    ledger.close()


def batch(sequence: int) -> Batch:
    """One request more."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): 1})
    return Batch(7, sequence, NOW, (Counted(Subject("shop", "/a", "baseline", is_forced=False), figures),))


def record(ledger: Ledger, figures: Figures, *sequences: int) -> None:
    """Record batches, as a controller does."""
    for sequence in sequences:
        if figures.record(batch(sequence)):
            ledger.append(batch(sequence), figures)


def requests_of(figures: Figures) -> int:
    """In total."""
    return sum(total.requests for total in figures.totals.values())


def test_the_first_controller_finds_nothing_but_when_the_gateway_began(ledger: Ledger) -> None:
    """The ledger is made with the gateway."""
    figures = ledger.restore()

    assert (figures.started_at, figures.totals) == (NOW, {})


def test_a_successor_finds_what_was_recorded(ledger: Ledger) -> None:
    """Again and again, also when it records on."""
    for generation in range(4):
        figures = ledger.restore()
        assert requests_of(figures) == 3 * generation
        record(ledger, figures, *range(3 * generation + 1, 3 * generation + 4))


def test_a_new_checkpoint_takes_the_place_of_many_batches(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded by the figures, not by how long they have been counted."""
    monkeypatch.setattr(module, "SMALLEST_TURN_BYTES", 1000)
    figures = ledger.restore()

    record(ledger, figures, *range(1, 501))

    assert sum(os.fstat(file).st_size for file in ledger._files) < 20_000
    assert requests_of(ledger.restore()) == 500


def test_a_batch_that_was_half_written_does_not_count(ledger: Ledger) -> None:
    """Its worker was not told, and sends it again."""
    figures = ledger.restore()
    record(ledger, figures, 1)
    os.pwrite(ledger._files[ledger._number % 2], b"\x00\x00\x10\x00torn", ledger._end)

    successor = ledger.restore()

    assert requests_of(successor) == 1
    assert successor.last_of(7) == 1


def test_a_checkpoint_that_was_half_written_does_not_count(ledger: Ledger) -> None:
    """The other file still has everything."""
    figures = ledger.restore()
    record(ledger, figures, 1, 2)
    other = ledger._files[(ledger._number + 1) % 2]
    os.pwrite(other, b"half of a checkpoint", 16)

    assert requests_of(ledger.restore()) == 2


def test_a_child_that_is_killed_leaves_what_it_recorded(ledger: Ledger) -> None:
    """The memory is shared through fork."""
    pid = os.fork()
    if pid == 0:
        record(ledger, ledger.restore(), 1, 2, 3)
        os._exit(0)
    os.waitpid(pid, 0)

    assert requests_of(ledger.restore()) == 3
