"""What a child is born with, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.runtime.process import (
    FAILED,
    GIVING_WAY_NICENESS,
    GIVING_WAY_OOM_SCORE,
    WATCHED,
    give_way,
    release_signals,
    spawn,
)


@pytest.fixture(autouse=True)
def _blocked() -> Iterator[None]:
    """Signals are blocked, as in the master."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    yield
    while signal.sigtimedwait(WATCHED, 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def status_of(pid: int) -> int:
    """How a child ended; negative: by which signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_ends_with_what_its_body_returns() -> None:
    """The master reads the outcome from the status."""
    assert status_of(spawn("w0", lambda: 7)) == 7


def test_an_exception_ends_a_child_with_its_own_status(capfd: pytest.CaptureFixture[str]) -> None:
    """A child that breaks is logged, and never runs on as a second master."""

    def fail() -> int:
        raise RuntimeError("broken")

    assert status_of(spawn("w0", fail)) == FAILED
    assert "process_failed" in capfd.readouterr().out + capfd.readouterr().err


def test_a_child_has_a_name_of_its_own() -> None:
    """An operator sees in ps which process does what."""

    def look() -> int:
        return 0 if Path("/proc/self/comm").read_text() == "crossfade:w12\n" else 1

    assert status_of(spawn("w12", look)) == 0


def test_a_signal_that_comes_too_early_is_not_lost() -> None:
    """SIGTERM during the start of a child counts when the child is ready for it."""

    def wait() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        release_signals()
        return 0

    assert status_of(spawn("w0", wait)) == -signal.SIGTERM


def test_a_terminals_signals_are_left_to_the_master() -> None:
    """Ctrl-C reaches the whole group; children wait for the master's word."""

    def survive() -> int:
        release_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
        return 5

    assert status_of(spawn("w0", survive)) == 5


def test_a_child_ends_when_its_parent_is_killed() -> None:
    """Nothing is left behind by kill -9 of a master."""
    reader, writer = os.pipe()

    def linger() -> int:
        release_signals()
        os.write(writer, b"ready")
        signal.pause()
        return 0

    def parent() -> int:
        spawn("w0", linger)
        signal.pause()
        return 0

    pid = spawn("parent", parent)
    os.close(writer)
    assert os.read(reader, 5) == b"ready"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert os.read(reader, 1) == b""  # end of file: the last holder of the writing end, the grandchild, is gone
    os.close(reader)


def test_who_gives_way_is_served_last_and_killed_first() -> None:
    """When processor time or memory is short, it is not the users who are short of it."""

    def look() -> int:
        before = os.nice(0)
        give_way()
        score = int(Path("/proc/self/oom_score_adj").read_text())
        return 0 if (os.nice(0) - before, score) == (GIVING_WAY_NICENESS, GIVING_WAY_OOM_SCORE) else 1

    assert status_of(spawn("comparer", look)) == 0
