"""One process writes at a time, and the next knows when it was cut off."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from gateway.telemetry.turns import Turns


def in_a_child(body: Callable[[], None]) -> int:
    """Run it in a process of its own; its pid."""
    pid = os.fork()
    if pid == 0:
        body()
        os._exit(0)
    return pid


def test_a_turn_that_ended_well_leaves_no_mark() -> None:
    """Again and again."""
    turns = Turns()
    for _ in range(3):
        with turns.take() as was_cut_off:
            assert not was_cut_off


def test_a_holder_that_is_killed_lets_go_and_leaves_its_mark() -> None:
    """The next one begins a line of its own, and the one after it need not."""
    turns = Turns()
    ready, go = os.pipe()

    def hold() -> None:
        with turns.take():
            os.write(go, b"x")
            signal.pause()

    pid = in_a_child(hold)
    os.read(ready, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    with turns.take() as was_cut_off:
        assert was_cut_off
    with turns.take() as was_cut_off:
        assert not was_cut_off
    os.close(ready)
    os.close(go)


def test_a_turn_that_failed_counts_as_cut_off() -> None:
    """Half a line may have been written."""
    turns = Turns()
    with pytest.raises(OSError, match="full"), turns.take():
        raise OSError("full")

    with turns.take() as was_cut_off:
        assert was_cut_off


def test_turns_do_not_overlap() -> None:
    """Each process sees what the one before left, whole."""
    turns = Turns()
    file = os.memfd_create("counter")

    def count() -> None:
        for _ in range(500):
            with turns.take():
                number = int(os.pread(file, 20, 0) or b"0")
                os.pwrite(file, b"%d" % (number + 1), 0)

    for pid in [in_a_child(count) for _ in range(3)]:
        os.waitpid(pid, 0)

    assert os.pread(file, 20, 0) == b"1500"
    os.close(file)
