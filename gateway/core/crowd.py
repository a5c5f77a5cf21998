"""How many different users there are, without keeping any: the smallest of their places.

A key's place on the scale from 0 to 100 is its hash, so places are spread evenly, and the same user always has the same
one. Of n users the k-th smallest place is about 100 k/n: whoever keeps the k smallest that were seen knows n to within
about 1/sqrt(k) (Bar-Yossef et al., *Counting distinct elements in a data stream*, RANDOM 2002; Beyer et al., *On
synopses for distinct-value estimation under multiset operations*, SIGMOD 2007, for the unbiased (k - 1)/place). And two
crowds together are the k smallest of both, so crowds of workers and of times can be joined.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush, nsmallest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.core.types import Hash, KeyChain, Rollout

    Scale = tuple[Hash, str, KeyChain]

SIZE: Final = 256
"""So many places are kept: the estimate is off by some 6 %."""

SCALE: Final = 100.0
"""The end of the scale."""

FINEST_COARSE: Final = 1 << 20
"""A hash with no more positions than this puts several users in one place: they can't be told apart."""


class Crowd:
    """The smallest places that were seen."""

    __slots__ = ("_largest", "_places", "edge", "news")

    def __init__(self) -> None:
        self._places: set[float] = set()
        self._largest: list[float] = []
        """The same as a heap, negated."""
        self.edge = SCALE
        """Places from here on would not be kept."""
        self.news: list[float] = []
        """Those that have come since somebody emptied this."""

    def add(self, place: float) -> None:
        """Somebody was there. What is not below ``edge`` need not be added."""
        if place in self._places or place >= self.edge:
            return
        self._places.add(place)
        self.news.append(place)
        heappush(self._largest, -place)
        if len(self._largest) > SIZE:
            self._places.remove(-heappop(self._largest))
            self.edge = -self._largest[0]

    @property
    def places(self) -> list[float]:
        """The smallest first."""
        return sorted(self._places)


def count_users(crowds: Iterable[Iterable[float]]) -> int:
    """How many users there are in all these crowds together: exactly while they are few."""
    smallest = nsmallest(SIZE, {place for places in crowds for place in places})
    if len(smallest) < SIZE:
        return len(smallest)
    return round((SIZE - 1) * SCALE / smallest[-1])


def scale_of(rollout: Rollout) -> Scale:
    """What gives the users of a rollout their places: on another scale the same users have others."""
    return rollout.hash, rollout.salt, rollout.key
