"""The configuration that the demo runs on: a plan from nobody to everybody, scaled to the time that there is.

Every read is copied, and a quarter of the copies goes to the old shop a second time: a real shop copies a tenth, and
learns what is noise in an hour instead of in seconds. The first stage ends only while answers hardly differ.

A real plan holds its stages for hours and asks for narrow evidence. This one has seconds, so its gates ask for what a
few dozen requests can show: fewer than one error in ten, and half of the answers about as quick as the old shop's. The
path that turns bad is nearly half of the traffic, so the budget of the failover is half of it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.core.types import Mode

ROLLOUT: Final = "shop"
ROUTE: Final = "shop"
PERCENTS: Final = (5.0, 25.0, 100.0)

LEAST_HOLD_SECONDS: Final = 2.5
"""Longer than the gates look back: a shorter hold would not be what a stage waits for."""

_FIRST_GATES: Final = ", gates: [error_rate < 10% for 2s, p50 < 1.1x baseline for 2s, mismatch_rate < 2% for 2s]"

_CONFIGURATION: Final = """\
version: 1
server: {{listen: 127.0.0.1:{port}, workers: {workers}, expose: true}}
admin: {{listen: 127.0.0.1:{admin_port}}}
store: sqlite:{store}
backends:
  legacy: {legacy}
  new: {new}
rollouts:
  {rollout}:
    mode: {mode}
    key: header:X-User-ID
    stages:
{stages}
    gates:
      - error_rate < 10% for 2s
      - p50 < 1.1x baseline for 2s
    guard:
      - {{when: error_rate > 10% for 5s, do: rollback}}
      - {{when: p50 > 2x baseline for 10s, do: step_back}}
routes:
  - name: {route}
    match: /api/**
    baseline: legacy
    candidate: new
    rollout: {rollout}
    paths:
      - /api/products/{{id}}
      - /api/orders/{{id}}
    failover: {{budget: 50%}}
    shadow: {{percent: 100, compare: {{headers: Content-Type, noise: 25%}}}}
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part of the story takes, in seconds; gates and guards take what they need beside that."""

    shadow_seconds: float
    """In which nobody is answered by the new shop, at least: comparing takes what it needs."""
    hold_seconds: tuple[float, ...]
    """Of each stage."""
    healthy_seconds: float
    """In the second stage, before the new shop turns bad."""
    aftermath_seconds: float
    """After the rollback, before the new shop is mended."""


def pace_of(seconds: float, *, with_fault: bool) -> Pace:
    """A story of about so many seconds. With a fault it goes through the first two stages twice."""
    hold = max(LEAST_HOLD_SECONDS, (0.12 if with_fault else 0.25) * seconds)
    return Pace(
        shadow_seconds=0.08 * seconds,
        hold_seconds=(hold,) * len(PERCENTS),
        healthy_seconds=0.08 * seconds,
        aftermath_seconds=0.06 * seconds,
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is."""

    port: int
    admin_port: int
    workers: int
    store: str
    legacy: str
    new: str


def write_configuration(places: Places, pace: Pace, mode: Mode) -> str:
    """The YAML of the whole demo."""
    stages = [
        f"      - {{percent: {percent:g}, hold: {round(1000 * hold)}ms{_FIRST_GATES * (percent == PERCENTS[0])}}}"
        for percent, hold in zip(PERCENTS, pace.hold_seconds, strict=True)
    ]
    return _CONFIGURATION.format(
        port=places.port,
        admin_port=places.admin_port,
        workers=places.workers,
        store=places.store,
        legacy=places.legacy,
        new=places.new,
        rollout=ROLLOUT,
        route=ROUTE,
        mode=mode,
        stages="\n".join(stages),
    )
