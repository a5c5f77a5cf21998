"""The newest requests that the candidate failed, of each path: what an incident shows as samples.

They live in the controller's memory, so a new controller begins without any. Bounded in every direction: so many of
each path, so many paths, the ones that failed longest ago go first.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.core.failures import FailedRequest

PER_PATH: Final = 10
MOST_PATHS: Final = 2000
MOST_SHOWN: Final = 20
"""In one incident."""

_Place = tuple[str, str]


class Samples:
    """See the module."""

    def __init__(self) -> None:
        self._newest: dict[_Place, deque[FailedRequest]] = {}

    def take(self, requests: Iterable[FailedRequest]) -> None:
        """Keep what a worker reported."""
        for request in requests:
            place = (request.route, request.path)
            kept = self._newest.pop(place, None) or deque(maxlen=PER_PATH)
            kept.append(request)
            self._newest[place] = kept  # the path that failed last comes last
        while len(self._newest) > MOST_PATHS:
            del self._newest[next(iter(self._newest))]

    def find(self, routes: Collection[str], since: float) -> list[FailedRequest]:
        """Of these routes, failed at ``since`` (seconds since the epoch) or later, the newest first.

        Paths take turns, so that the busiest does not push out the others.
        """
        chosen = [kept for (route, _), kept in self._newest.items() if route in routes]
        turns = [
            [request for request in list(kept)[-1 - turn : len(kept) - turn] if request.time >= since]
            for turn in range(PER_PATH)
            for kept in chosen
            if turn < len(kept)
        ]
        found = [request for turn in turns for request in turn][:MOST_SHOWN]
        return sorted(found, key=lambda request: -request.time)
