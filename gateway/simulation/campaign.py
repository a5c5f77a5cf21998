"""The same scenario many times over, on all CPUs, and what the trials say together.

Trial ``n`` of a campaign has the seed ``first seed + n``: any of them can be looked at alone.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from math import ceil
from typing import Final

import msgspec

from gateway.simulation.trial import Scenario, Trial, run_trial

SHARES: Final = {"median": 0.5, "p90": 0.9}
"""Of trials, that are below the figure of this name."""


class Spans(msgspec.Struct, frozen=True):
    """Where seconds, or counts, of many trials lie."""

    median: float
    p90: float
    max: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What many trials say together."""

    runs: int
    false_alarms: int
    """Runs with a rollback before the fault, or without one."""
    false_acts: int
    """Runs with a pause or a step back before the fault, or without one."""
    false_rules: dict[str, int]
    """In how many runs each rule was the one that did."""
    faults: int
    """Runs that the fault struck."""
    undetected: int
    """Of those, the ones in which no guard acted."""
    detection_seconds: Spans | None
    requests_hit: Spans | None
    keys_hit: Spans | None
    states: dict[str, int]
    """How many runs ended in which state."""

    @property
    def false_alarm_rate(self) -> float:
        """From 0 to 1."""
        return self.false_alarms / self.runs


def run_campaign(scenario: Scenario, first_seed: int, runs: int, processes: int = 1) -> Iterator[Trial]:
    """The trials, in the order of their seeds, each as soon as it and those before it are there."""
    seeds = range(first_seed, first_seed + runs)
    run = partial(run_trial, scenario)
    if processes <= 1 or runs <= 1:
        yield from map(run, seeds)
        return
    # Fresh processes: what a fork would copy of ours, threads above all, is not theirs. Leaving the pool ends them, so
    # whoever interrupts a campaign does not wait for the trials under way.
    with multiprocessing.get_context("spawn").Pool(processes, _leave_interrupts_to_us) as pool:
        yield from pool.imap(run, seeds)


def _leave_interrupts_to_us() -> None:
    """A terminal interrupts all of its processes; what follows is decided in one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def summarize(trials: Iterable[Trial]) -> Summary:
    """What they say together. There must be at least one."""
    seen = list(trials)
    struck = [trial for trial in seen if trial.fault_second is not None]
    detected = [trial.detection_seconds for trial in struck if trial.detection_seconds is not None]
    return Summary(
        runs=len(seen),
        false_alarms=sum(bool(trial.false_alarms) for trial in seen),
        false_acts=sum(bool(trial.false_acts) for trial in seen),
        false_rules=dict(Counter(rule for trial in seen for rule in {*trial.false_alarms, *trial.false_acts})),
        faults=len(struck),
        undetected=len(struck) - len(detected),
        detection_seconds=_spread_out(detected),
        requests_hit=_spread_out([trial.requests_hit for trial in struck]),
        keys_hit=_spread_out([trial.keys_hit for trial in struck]),
        states=dict(Counter(trial.state for trial in seen)),
    )


def _spread_out(figures: Sequence[float]) -> Spans | None:
    if not figures:
        return None
    ascending = sorted(figures)
    ranks = {name: ascending[max(0, ceil(share * len(ascending)) - 1)] for name, share in SHARES.items()}
    return Spans(max=ascending[-1], **ranks)
