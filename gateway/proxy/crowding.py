"""Which places on its rollout's scale a worker has seen taken: from them the controller tells how many users there are.

The hot path looks whether a place is below the edge of what is kept; of many users few are.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from gateway.core.crowd import FINEST_COARSE, SCALE, Crowd, scale_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.core.crowd import Scale
    from gateway.core.decision import CompiledRollout
    from gateway.core.types import Rollout

ANEW_SECONDS: Final = 300.0
"""After so long everybody is new again: the controller must hear of those who are still there."""


class Crowding:
    """See the module."""

    __slots__ = ("_clock", "_crowds", "_scales", "_since")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._crowds: dict[str, Crowd] = {}
        self._scales: dict[str, Scale] = {}
        self._since = clock()

    def find(self, rollout: CompiledRollout | None) -> Crowd | None:
        """Where to add the places of a rollout's users; None where they can't be told apart."""
        if rollout is None or rollout.bucket_width * FINEST_COARSE >= SCALE:
            return None
        return self._crowds.setdefault(rollout.name, Crowd())

    def adopt(self, rollouts: Iterable[Rollout]) -> None:
        """Forget what was seen on other scales: beside their places too few of the new ones would be kept."""
        former, self._scales = self._scales, {rollout.name: scale_of(rollout) for rollout in rollouts}
        for name in [*self._crowds]:
            if former.get(name) != self._scales.get(name):
                del self._crowds[name]

    def begin_anew(self) -> None:
        """Everybody is new again: there is another controller, which knows nobody."""
        self._crowds.clear()

    def take(self) -> dict[str, tuple[float, ...]]:
        """What is new since the last call, by rollout."""
        taken = {rollout: tuple(crowd.news) for rollout, crowd in self._crowds.items() if crowd.news}
        for crowd in self._crowds.values():
            crowd.news.clear()
        if self._clock() - self._since >= ANEW_SECONDS:
            self._since = self._clock()
            self.begin_anew()
        return taken
