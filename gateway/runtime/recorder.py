"""Where workers' counts are recorded: in the figures, and in the memory that outlives this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.control.figures import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.figures import Counted
    from gateway.runtime.ledger import Ledger


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

    def record(self, run: int, sequence: int, counted: tuple[Counted, ...]) -> None:
        """Record a batch, unless it was before. Once this returns, no death of a controller loses it."""
        batch = Batch(run, sequence, self._now(), counted)
        if self.figures.record(batch):
            self._ledger.append(batch, self.figures)
