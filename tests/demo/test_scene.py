"""The demo's child processes: they serve, follow the file, and never outlive the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.core.types import Arm, Mode
from gateway.demo import scene
from gateway.demo.configuration import pace_of
from gateway.demo.scene import find_free_ports, run_child, set_scene
from gateway.errors import CommandError

PACE = pace_of(60, with_fault=True)

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]

STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]

ORPHAN = """
import os, signal, sys
from gateway.demo.scene import run_child
with run_child([sys.executable, "-c", "import time; time.sleep(60)"], sys.stderr.fileno()) as child:
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def output(tmp_path):
    """Where children write."""
    with (tmp_path / "output").open("wb") as file:
        yield file.fileno()


def _has_ended(pid):
    """Gone, or a zombie that whoever adopted it has not reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_child_ends_with_the_block(output):
    """By SIGTERM, when that is enough."""
    with run_child(SLEEPER, output) as child:
        assert child.poll() is None

    assert child.returncode == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed(output, tmp_path, monkeypatch):
    """The demo ends even when something in it hangs."""
    monkeypatch.setattr(scene, "END_SECONDS", 0.05)
    with run_child(STUBBORN, output) as child:
        while not (tmp_path / "output").stat().st_size:
            time.sleep(0.01)

    assert child.returncode == -signal.SIGKILL


def test_a_child_ends_when_the_demo_is_killed():
    """Even kill -9 leaves nothing running."""
    demo = subprocess.run([sys.executable, "-c", ORPHAN], check=False, stdout=subprocess.PIPE, text=True)
    child = int(demo.stdout)
    while not _has_ended(child):
        time.sleep(0.01)

    assert demo.returncode == -signal.SIGKILL


def test_free_ports_are_different():
    """The gateway and its admin API don't get the same one."""
    assert len(set(find_free_ports(5))) == 5


async def test_an_edit_is_in_force_when_edit_returns():
    """In mode shadow nobody is the new shop's, whatever a person sets; once it is live, the very next request is."""
    with set_scene(PACE) as here:
        await here.wait_until_ready()
        await _set_percent(here, 100)
        arms = [await _ask(here)]
        for mode in (Mode.LIVE, Mode.SHADOW):
            await here.edit(mode)
            arms.append(await _ask(here))
        diary = await here.read_diary()

    assert arms == [Arm.BASELINE, Arm.CANDIDATE, Arm.BASELINE]
    assert (diary.asked - diary.copied, diary.failed) == (2, 0), "one to see that it is ready, and ours"


async def test_a_child_that_does_not_start_is_explained(tmp_path, monkeypatch):
    """The error says who is missing, and carries the last lines that the children wrote."""
    monkeypatch.setattr(scene, "READY_SECONDS", 0.0)
    stage = scene.Scene(tmp_path, {}, PACE)
    stage.log.write_text("port in use\n")

    with pytest.raises(CommandError, match=r"nothing answers at http://127\.0\.0\.1:[0-9]+\nport in use"):
        await stage.wait_until_ready()


async def _set_percent(here, percent):
    async with aiohttp.ClientSession(here.admin_url) as session:
        await session.put("/api/v1/rollouts/shop/percent", json={"percent": percent}, raise_for_status=True)


async def _ask(here):
    async with aiohttp.ClientSession() as session:
        url = f"{here.url}/api/products"
        async with session.get(url, headers={"X-User-ID": "ann"}, raise_for_status=True) as response:
            return response.headers["X-Crossfade-Arm"]
