"""The bench of the metrics is run as its users run it, with a small configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_it_says_how_long_the_copy_and_both_formats_take() -> None:
    """A row for each format, with as many samples as so many routes, paths and arms give."""
    command = [sys.executable, "-m", "bench.metrics_render", "--routes", "2", "--paths", "3"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr
    assert "2 routes of 3 paths on 2 arms" in finished.stdout
    assert "text 0.0.4" in finished.stdout
    assert "OpenMetrics 1.0" in finished.stdout
