"""Where keys are under two tables: which arm each takes, and which backend answers it, before and after.

Arms can be compared only where a rollout is in both tables. Where it comes or goes, or a route gets other backends, the
backends are what stays comparable: a user notices who answers, not what the answer's arm is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.core.decision import held_by
from gateway.core.hashing import scheme_of
from gateway.core.lifecycle import Progress, adopt, begin, effect
from gateway.core.types import Rollout, Route, Table


class Move(msgspec.Struct, frozen=True):
    """How many keys of the sample a route sends from one backend to another, or to the same."""

    route: str
    before: str
    """The backend that answers them in the old table."""
    after: str
    keys: int


class Fate(NamedTuple):
    """What becomes of the keys: the candidate's share, and how many take it before and after."""

    percent_before: float
    percent_after: float
    counts: Counter[tuple[bool, bool]]
    is_counted: bool = True

    def count_moved(self) -> int:
        """How many do not stay."""
        return self.counts[False, True] + self.counts[True, False]


class Placing:
    """The keys under both tables. What two rollouts do to them is counted once, however many routes share these."""

    def __init__(self, before: Table, after: Table, keys: Sequence[bytes], progresses: Mapping[str, Progress]) -> None:
        routes = {route.name: route for route in before.routes}
        self.pairs = [(routes[route.name], route) for route in after.routes if route.name in routes]
        """The routes of both tables, as they are in each."""
        self._keys = keys
        self._old = {old.name: _stand(old, progresses.get(old.name)) for old in before.rollouts}
        edited = {old.name: old for old in before.rollouts}
        self._new = {new.name: _edited(edited.get(new.name), new, progresses.get(new.name)) for new in after.rollouts}
        self._counts: dict[tuple[str | None, str | None], Counter[tuple[bool, bool]]] = {}

    def follow(self, name: str) -> Fate:
        """What becomes of the keys of a rollout; of one that comes or goes, on the route that moves the most.

        There its candidate is the backend that is the route's candidate where the rollout is.
        """
        was, becomes = self._rollouts(name, name)
        alone = Fate(effective_percent(was), effective_percent(becomes), Counter())
        if was is not None and becomes is not None:
            return alone._replace(counts=self._count(name, name))
        routes = [pair for pair in self.pairs if name in {route.rollout for route in pair}]
        fates = [self._follow_route(*pair, pair[becomes is not None].candidate) for pair in routes]
        return max(fates, key=Fate.count_moved, default=alone._replace(is_counted=False))

    def list_moves(self, before: Route, after: Route) -> list[Move]:
        """Which backend answers how many keys of a route, before and after."""
        if (before.baseline, before.candidate, before.rollout) == (after.baseline, after.candidate, after.rollout):
            return []
        answers = self._answer(before, after)
        return [Move(before.name, *backends, keys) for backends, keys in sorted(answers.items()) if keys]

    def _follow_route(self, before: Route, after: Route, candidate: str | None) -> Fate:
        """How many keys are, and come to be, answered by the backend that is the candidate where there is one."""
        was, becomes = self._rollouts(before.rollout, after.rollout)
        counts: Counter[tuple[bool, bool]] = Counter()
        for (old, new), keys in self._answer(before, after).items():
            counts[old == candidate, new == candidate] += keys
        return Fate(_share_of(candidate, before, was), _share_of(candidate, after, becomes), counts)

    def _answer(self, before: Route, after: Route) -> Counter[tuple[str, str]]:
        """How many keys are answered by which backend of the old route, and by which of the new one."""
        answers: Counter[tuple[str, str]] = Counter()
        for (was, becomes), keys in self._count(before.rollout, after.rollout).items():
            answers[_backend_of(before, was), _backend_of(after, becomes)] += keys
        return answers

    def _count(self, before: str | None, after: str | None) -> Counter[tuple[bool, bool]]:
        """How many keys take the candidate under one rollout, and under the other."""
        if (before, after) not in self._counts:
            was, becomes = map(_compile_takes, self._rollouts(before, after))
            self._counts[before, after] = Counter((was(key), becomes(key)) for key in self._keys)
        return self._counts[before, after]

    def _rollouts(self, before: str | None, after: str | None) -> tuple[Rollout | None, Rollout | None]:
        return self._old.get(before or ""), self._new.get(after or "")


def _backend_of(route: Route, takes_candidate: bool) -> str:
    return route.candidate if takes_candidate and route.candidate is not None else route.baseline


def _share_of(backend: str | None, route: Route, rollout: Rollout | None) -> float:
    """The percentage of keys that ``backend`` answers on a route."""
    percent = effective_percent(rollout)
    return percent * (route.candidate == backend) + (100 - percent) * (route.baseline == backend)


def _stand(rollout: Rollout | None, progress: Progress | None) -> Rollout | None:
    """As it stands that far, or at its beginning."""
    return None if rollout is None else effect(rollout, progress or begin(rollout, 0.0))


def _edited(before: Rollout | None, after: Rollout | None, progress: Progress | None) -> Rollout | None:
    """``after`` as it stands when ``before`` became it that far, or right after its beginning."""
    if before is None or after is None:
        return _stand(after, None)
    return effect(after, adopt(before, after, progress or begin(before, 0.0), 0.0))


def effective_percent(rollout: Rollout | None) -> float:
    """The share that the candidate really gets, cohorts aside."""
    return 0.0 if rollout is None or held_by(rollout) is not None else rollout.percent


def _compile_takes(rollout: Rollout | None) -> Callable[[bytes], bool]:
    """A test whether a key takes the candidate."""
    if rollout is None or held_by(rollout) is not None:
        return lambda _key: False
    scheme = scheme_of(rollout.hash, rollout.salt)
    position, threshold = scheme.position, scheme.threshold(rollout.percent)
    return lambda key: position(key) < threshold
