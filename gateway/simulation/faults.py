"""What can be wrong with the candidate, or with both arms: the faults that a simulation strikes with.

| as written | what it is |
|---|---|
| ``errors=5%`` | this share of the candidate's requests fails |
| ``latency=3x`` | all latencies of the candidate are so many times as long |
| ``path=1`` | so many paths, whichever, fail wholly on the candidate; all others are well |
| ``mismatch=1%`` | this share of the candidate's answers differs from the baseline's |
| ``leak`` or ``leak=10m`` | the candidate's latencies grow: in every such time they double |
| ``both`` or ``both=20%`` | this share of the requests fails on both arms alike: a shared database is down |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from math import floor
from random import Random
from typing import Final, NamedTuple

import msgspec

from gateway.settings.quantities import format_duration, parse_duration, parse_percent, show

LEAK_STEPS: Final = 32
"""In how many steps a leak doubles latencies: those of the histogram's buckets, and no finer."""

LARGEST_FACTOR: Final = 1000.0

_FACTOR = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,6})?)x?", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


class FaultKind(StrEnum):
    """See the module."""

    ERRORS = "errors"
    LATENCY = "latency"
    PATH = "path"
    MISMATCH = "mismatch"
    LEAK = "leak"
    BOTH = "both"


class Condition(NamedTuple):
    """How well an arm is in one second."""

    error_rate: float
    slowness: float = 1.0
    """The factor by which latencies are longer than usual."""
    broken: frozenset[int] = frozenset()
    """The paths, by their number, of which every request fails."""
    mismatch_rate: float = 0.0
    """Of copies whose answers are compared."""


class Fault(msgspec.Struct, frozen=True):
    """``size`` is a share (0 to 1), a factor, a number of paths, or seconds."""

    kind: FaultKind
    size: float

    def __str__(self) -> str:
        sizes = {FaultKind.LATENCY: f"{self.size:g}x", FaultKind.PATH: f"{self.size:g}"}
        sizes[FaultKind.LEAK] = format_duration(self.size)
        return f"{self.kind}={sizes.get(self.kind, f'{self.size * 100:g}%')}"

    @property
    def is_shared(self) -> bool:
        """Whether both arms have it, so that nobody should act on it."""
        return self.kind is FaultKind.BOTH


_USUAL_SIZES: Final = {FaultKind.LEAK: "10m", FaultKind.BOTH: "20%"}
_SAMPLES: Final = {
    FaultKind.ERRORS: "errors=5%",
    FaultKind.LATENCY: "latency=3x",
    FaultKind.PATH: "path=1",
    FaultKind.MISMATCH: "mismatch=1%",
}
_SHARES: Final = frozenset({FaultKind.ERRORS, FaultKind.BOTH, FaultKind.MISMATCH})


def parse_fault(text: str) -> Fault:
    """A fault as the module has it. Raises ValueError with what is wrong and what is allowed."""
    name, _, size = text.partition("=")
    if name not in set(FaultKind):
        raise ValueError(f"{show(text)} is not a fault; write errors=5%, latency=3x, path=1, mismatch=1%, leak or both")
    kind = FaultKind(name)
    size = size or _USUAL_SIZES.get(kind, "")
    if not size:
        raise ValueError(f"`{kind}` needs a size; write it as {_SAMPLES[kind]}")
    if kind in _SHARES:
        return Fault(kind, parse_percent(size) / 100)
    if kind is FaultKind.LEAK:
        return Fault(kind, _parse_leak(size))
    return Fault(kind, _parse_number(kind, size))


def _parse_leak(size: str) -> float:
    seconds = parse_duration(size)
    if seconds <= 0:
        raise ValueError("`leak` needs a time in which latencies double, such as leak=10m")
    return seconds


def _parse_number(kind: FaultKind, size: str) -> float:
    pattern = _FACTOR if kind is FaultKind.LATENCY else _COUNT
    found = pattern.fullmatch(size)
    number = float(size.removesuffix("x")) if found else 0.0
    if not 0 < number <= LARGEST_FACTOR:
        raise ValueError(f"{show(size)} is no size of `{kind}`; write it as {_SAMPLES[kind]}")
    return number


def pick_broken(faults: Iterable[Fault], paths: int, dice: Random) -> frozenset[int]:
    """Which paths, of so many, fail wholly once the faults are there."""
    wanted = int(sum(fault.size for fault in faults if fault.kind is FaultKind.PATH))
    return frozenset(dice.sample(range(paths), min(wanted, paths)))


def strike(faults: Iterable[Fault], usual: Condition, broken: frozenset[int], since: float) -> Condition:
    """How the candidate is ``since`` seconds after the faults began."""
    error_rate, slowness, _, mismatch_rate = usual
    for fault in faults:
        if fault.kind in {FaultKind.ERRORS, FaultKind.BOTH}:
            error_rate = max(error_rate, fault.size)
        elif fault.kind is FaultKind.LATENCY:
            slowness *= fault.size
        elif fault.kind is FaultKind.LEAK:
            slowness *= 2 ** (floor(since / fault.size * LEAK_STEPS) / LEAK_STEPS)
        elif fault.kind is FaultKind.MISMATCH:
            mismatch_rate = max(mismatch_rate, fault.size)
    return Condition(error_rate, min(slowness, LARGEST_FACTOR), broken, mismatch_rate)
