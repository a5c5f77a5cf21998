"""Where workers' counts are recorded: in the figures, and in the memory that outlives this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.control.figures import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.runtime.ledger import Ledger
    from gateway.runtime.link import Counts


class Recorder:
    """Records into ``figures``, which it finds in ``ledger``.

    ``now`` gives seconds since the epoch, and never goes back.
    """

    def __init__(self, ledger: Ledger, now: Callable[[], float]) -> None:
        self.figures = ledger.restore()
        self._ledger = ledger
        self._now = now

    def last_of(self, run: int) -> int:
        """The number of the last batch of a worker's run that was recorded; 0 for none."""
        return self.figures.last_of(run)

    def record(self, run: int, counts: Counts) -> None:
        """Record a worker's batch, unless it was before. Once this returns, no death of a controller loses it."""
        batch = Batch(run, counts.sequence, self._now(), counts.counted, counts.serial)
        if self.figures.record(batch):
            self._ledger.append(batch, self.figures)
