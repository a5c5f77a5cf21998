"""A rollout that is watched on a virtual clock, and the two services that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import msgspec

from gateway.core.figures import Subject
from gateway.core.histogram import bucket_of
from gateway.core.plans import Do, Guard, Plan, Rule, Stage
from gateway.core.rules import parse_rule
from gateway.core.types import Arm
from gateway.core.verdicts import Judgement, Verdict
from gateway.core.watch import Watch
from gateway.core.windows import Cell
from tests.core.asking import rollout

CANDIDATE, BASELINE = str(Arm.CANDIDATE), str(Arm.BASELINE)


def rule(text: str, **narrowed: Any) -> Rule:
    """A rule as people write it, perhaps narrowed."""
    return msgspec.structs.replace(parse_rule(text), **narrowed)


def subject(arm: str, path: str = "/a", *, route: str = "orders", is_forced: bool = False) -> Subject:
    """Whom something was counted of."""
    return Subject(route, path, arm, is_forced)


@dataclass(frozen=True, slots=True)
class Service:
    """How one arm does: in every second so many requests, of which shares fail, with log-normal latencies."""

    per_second: float = 0.0
    errors: float = 0.0
    client_errors: float = 0.0
    median_seconds: float = 0.05
    sigma: float = 0.5

    def serve(self, dice: Random) -> Cell:
        """A second of it."""
        whole, part = divmod(self.per_second, 1)
        cell = Cell(requests=int(whole) + (dice.random() < part))
        failed = sum(dice.random() < self.errors for _ in range(cell.requests))
        if failed:
            cell.errors["5xx"] = failed
        cell.client_errors = sum(dice.random() < self.client_errors for _ in range(cell.requests))
        for _ in range(cell.requests):
            bucket = bucket_of(self.median_seconds * dice.lognormvariate(0, self.sigma))
            cell.latencies[bucket] = cell.latencies.get(bucket, 0) + 1
        return cell

    def but(self, **changes: float) -> Service:
        """The same, with a fault."""
        return replace(self, **changes)


WELL = Service(per_second=10, errors=0.002)
BUSY = Service(per_second=40, errors=0.002)
DEFAULT_GUARD = (
    "error_rate > 20% for 5s",
    "error_rate > 5% for 1m",
    "error_rate > baseline + 1% for 1m",
    "client_error_rate > baseline + 10% for 5m",
    "p99 > 2x baseline for 5m",
)
MINUTE = 60

Services = Mapping[Subject, Service]


class Scene:
    """A rollout under watch. Guards and gates are texts or rules; time passes by `run`."""

    def __init__(
        self, guards: Sequence[str | Rule] = (), gates: Sequence[str | Rule] = (), *, seed: int = 1, **plan: Any
    ) -> None:
        rules, asked = ([rule(each) if isinstance(each, str) else each for each in texts] for texts in (guards, gates))
        self.stage = Stage(percent=50, gates=tuple(asked))
        fields = {"guards": tuple(Guard(each, Do.ROLLBACK) for each in rules), "stages": (self.stage,)} | plan
        self.watch = Watch(rollout(plan=Plan(**fields)), {"orders", "carts"})
        self.second = 0.0
        self._dice = Random(seed)

    def count(self, cells: Mapping[Subject, Cell], waiting: Mapping[Subject, dict[int, int]] | None = None) -> None:
        """Let a second pass in which this was counted."""
        self.second += 1
        self.watch.take(self.second, cells, waiting)

    def run(self, seconds: int, services: Services) -> None:
        """Let the services serve."""
        for _ in range(seconds):
            self.count({about: service.serve(self._dice) for about, service in services.items()})

    def run_until_broken(self, seconds: int, services: Services) -> int | None:
        """After how many seconds a guard is broken, if one is in time; it is looked at in every second."""
        for passed in range(1, seconds + 1):
            self.run(1, services)
            if any(judgement.verdict is Verdict.BROKEN for _, judgement in self.watch.judge_guards(self.second, None)):
                return passed
        return None

    @property
    def guard(self) -> Judgement:
        """What the first guard says."""
        return self.watch.judge_guards(self.second, None)[0][1]

    @property
    def gate(self) -> Judgement:
        """What the first gate says."""
        return self.watch.judge_gates(self.second, self.stage)[0][1]


def both(candidate: Service, baseline: Service, path: str = "/a") -> dict[Subject, Service]:
    """The two arms of one path."""
    return {subject(CANDIDATE, path): candidate, subject(BASELINE, path): baseline}
