"""Synthetic traffic: what one second of requests leaves behind, as the gateway would have counted it.

Requests arrive independently of each other, so their number on each arm and path is Poisson's; each fails with the
arm's error rate; latencies are log-normal. All latencies are known at once: a request that takes three seconds is
counted in the second in which it began. A key's requests are no more alike than other keys'. Failover and the breaker
have no part: what they would have spared users is counted as hit, and rules take the candidate's own outcome anyway.
Requests are copied as their route says, whatever their method; each copy is compared in the second of its request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from gateway.core.figures import Subject
from gateway.core.shadowing import Shadow
from gateway.core.types import Arm, Rollout, Route
from gateway.core.windows import Cell
from gateway.simulation.chance import spread_arrivals, spread_hits, spread_latencies, spread_places
from gateway.simulation.faults import Condition

Place = tuple[str, str]
"""A route, and a path template of it."""

WHOLE: Final = 100.0
"""Per cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What users do, on both arms together, and how well they are served when all is well."""

    requests_per_second: float = 50.0
    median_seconds: float = 0.05
    sigma: float = 0.5
    """Of the latencies' natural logarithm: 0.5 puts p99 at 3.2 times the median."""
    error_rate: float = 0.002
    is_zipf: bool = False
    """Whether the n-th path gets 1/n of the first one's requests; else all get as many."""
    keys: int = 10_000
    cohort_percent: float = 1.0
    """The share of all keys that each cohort has: who belongs to it, no configuration says."""


def list_places(routes: Iterable[Route], wanted: int | None = None) -> tuple[Place, ...]:
    """The paths that requests are for: the templates that the routes name, then made-up ones, ``wanted`` in all.

    When nobody says how many: the named ones, and one for a route that names none.
    """
    serving = list(routes)
    places = [(route.name, path) for route in serving for path in route.paths or ("/simulated/{id}",)]
    made_up = [
        (serving[number % len(serving)].name, f"/simulated-{number}/{{id}}")
        for number in range(len(places), wanted or 0)
    ]
    return tuple([*places, *made_up][:wanted])


def share_of_requests(rollout: Rollout, cohort_percent: float) -> float:
    """The share (0 to 1) of all requests that take the candidate; ``rollout`` as workers have it.

    Cohorts do not overlap, and keys send as many requests in them as elsewhere.
    """
    if rollout.held or rollout.killed:
        return 0.0
    share, rest = 0.0, WHOLE
    for cohort in rollout.cohorts:
        size = min(cohort_percent, rest)
        rest -= size
        if cohort.arm is not Arm.BASELINE:
            floor = WHOLE if cohort.arm is Arm.CANDIDATE else max(cohort.percent or 0.0, rollout.percent)
            share += size * min(floor, rollout.cap)
    return (share + rest * rollout.percent) / WHOLE / WHOLE


class Stream:
    """The traffic of one rollout, second by second."""

    def __init__(self, traffic: Traffic, places: Sequence[Place], dice: Random, shadows: Mapping[str, Shadow]) -> None:
        self._traffic = traffic
        self._dice = dice
        self._spread = spread_places(len(places), is_zipf=traffic.is_zipf) if len(places) > 1 else None
        self._subjects = {
            arm: [Subject(route, path, str(arm), is_forced=False) for route, path in places] for arm in Arm
        }
        self._shadows = {number: shadows[route] for number, (route, _) in enumerate(places) if route in shadows}

    def pass_second(self, share: float, conditions: Mapping[Arm, Condition]) -> dict[Subject, Cell]:
        """What is counted in a second in which ``share`` (0 to 1) of the requests takes the candidate."""
        cells: dict[Subject, Cell] = {}
        rate = self._traffic.requests_per_second
        for arm, part in ((Arm.CANDIDATE, share), (Arm.BASELINE, 1 - share)):
            arrived = spread_arrivals(rate * part).draw(self._dice)
            for place, requests in self._place(arrived):
                cells[self._subjects[arm][place]] = self._serve(requests, place, conditions[arm])
        for place, shadow in self._shadows.items():
            self._compare(cells, place, shadow, conditions[Arm.CANDIDATE].mismatch_rate)
        return cells

    def _compare(self, cells: dict[Subject, Cell], place: int, shadow: Shadow, mismatch_rate: float) -> None:
        """What came of copies is the candidate's, also where it answers nobody yet."""
        arms = tuple(Arm) if shadow.both else (Arm.BASELINE,)
        answered = [cells[subject] for arm in arms if (subject := self._subjects[arm][place]) in cells]
        compared = spread_hits(sum(cell.requests for cell in answered), shadow.percent / WHOLE).draw(self._dice)
        if compared:
            cell = cells.setdefault(self._subjects[Arm.CANDIDATE][place], Cell())
            cell.compared = compared
            cell.mismatches = spread_hits(compared, mismatch_rate).draw(self._dice)

    def _place(self, arrived: int) -> Iterable[tuple[int, int]]:
        if not arrived:
            return ()
        if self._spread is None:
            return ((0, arrived),)
        return Counter(self._spread.draw_many(self._dice, arrived)).items()

    def _serve(self, requests: int, place: int, condition: Condition) -> Cell:
        error_rate = 1.0 if place in condition.broken else condition.error_rate
        failed = spread_hits(requests, error_rate).draw(self._dice)
        latencies = spread_latencies(self._traffic.median_seconds * condition.slowness, self._traffic.sigma)
        return Cell(
            requests=requests,
            errors={"5xx": failed} if failed else {},
            latencies=dict(Counter(latencies.draw_many(self._dice, requests))),
        )
