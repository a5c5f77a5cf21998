"""How many users each rollout has had in the last hour, over all workers: about, and without knowing who.

It is told to people who are about to move them. The hour is kept in slices, so that who has not come back is forgotten.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.core.crowd import Crowd, count_users, scale_of

if TYPE_CHECKING:
    from gateway.core.crowd import Scale
    from gateway.core.types import Rollout

WINDOW_SECONDS: Final = 3600.0
SLICE_SECONDS: Final = 600.0


class _Hour:
    """One rollout's crowds: the slice under way, and those before it."""

    __slots__ = ("before", "now", "slice")

    def __init__(self, number: int) -> None:
        self.slice = number
        self.now = Crowd()
        self.before: deque[tuple[int, array[float]]] = deque()

    def turn(self, number: int) -> None:
        """Go on to a slice, and forget what is out of the window."""
        if number > self.slice:
            self.before.append((self.slice, array("d", self.now.places)))
            self.slice, self.now = number, Crowd()
        while self.before and self.before[0][0] < number - int(WINDOW_SECONDS / SLICE_SECONDS):
            self.before.popleft()


class Crowds:
    """See the module. ``clock`` gives seconds, and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hours: dict[str, _Hour] = {}
        self._began_at = clock()
        self._scales: dict[str, tuple[Scale, float]] = {}
        """By rollout, the scale that its places are on, and since when."""

    def take(self, seen: Mapping[str, tuple[float, ...]]) -> None:
        """Add the places that a worker has seen, by rollout."""
        number = self._number
        for rollout, places in seen.items():
            hour = self._hours.setdefault(rollout, _Hour(number))
            hour.turn(number)
            for place in places:
                hour.now.add(place)
            hour.now.news.clear()

    def users(self, rollout: str) -> int | None:
        """About how many there were in the last hour; None where nobody can tell."""
        hour = self._hours.get(rollout)
        if hour is None:
            return None
        hour.turn(self._number)
        return count_users([hour.now.places, *(places for _, places in hour.before)])

    def window_seconds(self, rollout: str) -> float:
        """How long `users` looks back: an hour, or less when it has not been watched for so long."""
        _, since = self._scales.get(rollout, (None, self._began_at))
        return min(WINDOW_SECONDS, max(0.0, self._clock() - since))

    def adopt(self, rollouts: Iterable[Rollout]) -> None:
        """Forget all others, and what was seen on another scale: there the same users have other places."""
        former, now = self._scales, self._clock()
        self._scales = {}
        for rollout in rollouts:
            scale, name = scale_of(rollout), rollout.name
            known = former.get(name)
            self._scales[name] = known if known is not None and known[0] == scale else (scale, now)
        same = {name for name, known in self._scales.items() if former.get(name) is known}
        self._hours = {name: hour for name, hour in self._hours.items() if name in same}

    @property
    def _number(self) -> int:
        return int(self._clock() / SLICE_SECONDS)
