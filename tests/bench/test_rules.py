"""The bench of the rules is run as its users run it, with a few rollouts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_it_says_what_a_second_of_watching_takes() -> None:
    """A row for candidates that are well and one for those that are not, each with its CPU time."""
    command = [sys.executable, "-m", "bench.rules", "--rollouts", "2"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr
    assert "2 rollouts of 10 rules" in finished.stdout
    for candidates in ("well", "a little bad"):
        assert re.search(rf"{candidates} +│ +\d+ ms", finished.stdout), finished.stdout
