from __future__ import annotations

import pytest

from gateway.settings.cpus import PERIOD_V1, QUOTA_V1, QUOTA_V2, usable_cpus


def count(affinity: int, files: dict[str, str]) -> int:
    """The CPUs of a machine whose cgroup has these files."""

    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return usable_cpus(affinity, read)


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({QUOTA_V2: "max 100000\n"}, 8),
        ({QUOTA_V2: "200000 100000\n"}, 2),
        ({QUOTA_V2: "150000 100000\n"}, 2),
        ({QUOTA_V2: "50000 100000\n"}, 1),
        ({QUOTA_V2: "9900000 100000\n"}, 8),
        ({QUOTA_V1: "-1\n", PERIOD_V1: "100000\n"}, 8),
        ({QUOTA_V1: "300000\n", PERIOD_V1: "100000\n"}, 3),
        ({QUOTA_V1: "300000\n", PERIOD_V1: "0\n"}, 8),
        ({QUOTA_V2: "what?\n", QUOTA_V1: "100000\n", PERIOD_V1: "100000\n"}, 1),
    ],
)
def test_the_smaller_of_mask_and_quota_counts(files: dict[str, str], cpus: int) -> None:
    """Both versions of cgroups are read; what can't be read bounds nothing."""
    assert count(8, files) == cpus


def test_there_is_always_one() -> None:
    """The machine that runs this test has a CPU, too."""
    assert usable_cpus() >= 1
