"""How many CPUs this process may use: what `workers: auto` means.

The affinity mask says which CPUs the scheduler may choose, a cgroup quota how much of them the container has paid
for; the smaller counts. Without the quota a container with half a CPU on a machine of 64 would start 64 workers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

QUOTA_V2 = "/sys/fs/cgroup/cpu.max"
QUOTA_V1 = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
PERIOD_V1 = "/sys/fs/cgroup/cpu/cpu.cfs_period_us"

Reader = Callable[[str], str]


def usable_cpus(affinity: int | None = None, read: Reader | None = None) -> int:
    """Whole CPUs, at least 1. Part of a CPU counts as one.

    ``affinity`` and ``read`` stand for the scheduler's mask and the cgroup's files; tests give their own.
    """
    allowed = len(os.sched_getaffinity(0)) if affinity is None else affinity
    quota = _read_quota(read or _read_text)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _read_text(path: str) -> str:
    return Path(path).read_text(encoding="ascii")


def _read_quota(read: Reader) -> float | None:
    """CPUs that the cgroup grants, v2 before v1; None without a bound."""
    for read_version in (_read_quota_v2, _read_quota_v1):
        try:
            return read_version(read)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return None


def _read_quota_v2(read: Reader) -> float | None:
    quota, period = read(QUOTA_V2).split()
    return None if quota == "max" else int(quota) / int(period)


def _read_quota_v1(read: Reader) -> float | None:
    quota = int(read(QUOTA_V1))
    return None if quota < 0 else quota / int(read(PERIOD_V1))
