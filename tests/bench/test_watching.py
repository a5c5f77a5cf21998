"""The benches about figures, the access log and tracing are run as their users run them, at a small size."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run_bench(*arguments: str, module: str) -> subprocess.CompletedProcess[str]:
    """``python -m MODULE ARGUMENTS``."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not all(map(shutil.which, ("nginx", "wrk", "openssl"))), reason="needs nginx, wrk and openssl")
def test_the_cost_of_watching_is_shown_for_each_way() -> None:
    """One short turn of each gives a row with its cost; nothing failed, and nothing was dropped to save work."""
    finished = run_bench("--seconds", "0.2", "--rounds", "1", module="bench.observability")

    assert finished.returncode == 0, finished.stderr
    for name in ("nginx", "log off", "log all", "tracing 1 %"):
        assert re.search(rf"{name} +│ +[\d.]+ µs", finished.stdout), finished.stdout


def test_the_figures_are_compared_with_the_loads_log() -> None:
    """A worker and the controller are killed on the way; what is not excused is 0, else the bench fails."""
    finished = run_bench("--requests", "6000", "--delayed", "0", module="bench.counting")

    assert finished.returncode == 0, finished.stderr
    assert re.search(r"otherwise missing +│ 0 ", finished.stdout), finished.stdout
    assert re.search(r"counted more than once +│ 0 ", finished.stdout), finished.stdout


def test_invented_paths_are_shown_with_the_memory_they_took() -> None:
    """A row for each process that counts, and the labels that there are in the end."""
    finished = run_bench("--paths", "4000", module="bench.paths")

    assert finished.returncode == 0, finished.stderr
    assert "paths in /metrics: 101" in finished.stdout
    for process in ("worker 0", "worker 1", "controller"):
        assert re.search(rf"{process} +│", finished.stdout), finished.stdout
