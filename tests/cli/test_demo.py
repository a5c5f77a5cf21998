"""``crossfade demo``, as a shell sees it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "gateway", "demo"]


def _list_children_of(session):
    """Processes whose configuration or shop lies in the demo's directory."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if session in cmdline.read_text():
                found.append(cmdline.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_ctrl_c_ends_the_demo_and_all_that_it_started():
    """Exit status 130, no traceback, no process left."""
    with subprocess.Popen([*COMMAND, "--no-fault"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        directory = next(line.split()[-1] for line in demo.stdout if "configuration" in line).rpartition("/")[0]
        running = _list_children_of(directory)
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate()

    assert demo.returncode == 130, errors
    assert "Traceback" not in errors
    assert len(running) >= 3
    assert _list_children_of(directory) == []
    assert not Path(directory).exists()


def test_too_short_a_story_is_wrong_usage():
    """Exit status 2 with the bounds."""
    outcome = subprocess.run([*COMMAND, "--seconds", "1"], check=False, capture_output=True, text=True)

    assert outcome.returncode == 2
    assert "15<=x<=3600" in outcome.stderr
