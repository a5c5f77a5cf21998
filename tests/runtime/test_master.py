"""The master keeps its children alive, and ends them in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.runtime.inheritance import Inheritance
from gateway.runtime.master import Master
from gateway.runtime.process import release_signals
from tests.runtime.gateways import child, inherited, status_of


class Diary:
    """A pipe into which the children write what happens to them, one word at a time."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def write(self, word: str) -> None:
        """In a child."""
        os.write(self._writer, word.encode() + b"\n")

    def read(self, count: int) -> list[str]:
        """Wait for so many words."""
        text = b""
        while text.count(b"\n") < count:
            text += os.read(self._reader, 1)
        return text.decode().split()

    def close(self) -> None:
        """Both ends."""
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def diary() -> Iterator[Diary]:
    """An empty one."""
    diary = Diary()
    yield diary
    diary.close()


def obedient(diary: Diary, name: str, ignored: int = 0) -> int:
    """Lives until SIGTERM, and says when; ignores so many."""
    left = [ignored]

    def end(*_: object) -> None:
        diary.write(f"{name}-ended" if not left[0] else f"{name}-stayed")
        if not left[0]:
            os._exit(0)
        left[0] -= 1

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, lambda *_: diary.write(f"{name}-reloads"))
    diary.write(f"{name}-{os.getpid()}")
    release_signals()
    while True:
        signal.pause()


def master_of(inheritance: Inheritance, diary: Diary, ignored: int = 0) -> Callable[[], int]:
    """A master with a controller, a comparer and two workers who write a diary."""

    def body() -> int:
        return Master(
            inheritance,
            controller=lambda _inheritance: obedient(diary, "controller"),
            worker=lambda _inheritance, slot: obedient(diary, f"w{slot}", ignored),
            comparer=lambda _inheritance: obedient(diary, "comparer"),
        ).run()

    return body


def test_workers_end_first_and_the_controller_last(tmp_path: Path, diary: Diary) -> None:
    """The comparer hears the last of the workers, the admin API answers to the last; the status is 0."""
    with inherited(tmp_path) as inheritance, child("master", master_of(inheritance, diary)) as pid:
        diary.read(4)
        os.kill(pid, signal.SIGTERM)

        assert status_of(pid) == 0
        ends = diary.read(4)
        assert set(ends[:2]) == {"w0-ended", "w1-ended"}
        assert ends[2:] == ["comparer-ended", "controller-ended"]


@pytest.mark.parametrize("name", ["w1", "comparer"])
def test_a_dead_child_has_a_successor_at_once(tmp_path: Path, diary: Diary, name: str) -> None:
    """Whatever killed it, and whoever it was."""
    with inherited(tmp_path) as inheritance, child("master", master_of(inheritance, diary)) as pid:
        victim = next(word for word in diary.read(4) if word.startswith(f"{name}-"))
        os.kill(int(victim.partition("-")[2]), signal.SIGKILL)
        (successor,) = diary.read(1)

        assert successor.startswith(f"{name}-")
        assert successor != victim
        os.kill(pid, signal.SIGTERM)
        assert status_of(pid) == 0


def test_sighup_is_for_the_controller(tmp_path: Path, diary: Diary) -> None:
    """It alone reads configurations."""
    with inherited(tmp_path) as inheritance, child("master", master_of(inheritance, diary)) as pid:
        diary.read(4)
        # What the master is sent is not for its own disposition: it waits for it.
        os.kill(pid, signal.SIGHUP)

        assert diary.read(1) == ["controller-reloads"]
        os.kill(pid, signal.SIGTERM)
        assert status_of(pid) == 0


def test_who_loses_patience_is_heard(tmp_path: Path, diary: Diary) -> None:
    """A second signal kills workers that are still busy; the end is in order all the same."""
    with inherited(tmp_path) as inheritance, child("master", master_of(inheritance, diary, ignored=5)) as pid:
        diary.read(4)
        os.kill(pid, signal.SIGTERM)
        assert set(diary.read(2)) == {"w0-stayed", "w1-stayed"}
        os.kill(pid, signal.SIGTERM)

        assert status_of(pid) == 0
        assert diary.read(2) == ["comparer-ended", "controller-ended"]
