"""Where answers that are to be compared go: a bounded queue of frames towards the comparer.

Nothing here waits. A pair that there is no room for is refused, and whoever offered it counts it as skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.core.shadowing import Pair


class PairLink(Protocol):
    """The way to the comparer."""

    @property
    def has_room(self) -> bool:
        """Whether it takes another pair now."""

    def offer(self, pair: Pair) -> bool:
        """Send a pair; False when there is no room."""
