"""Processes under measurement: how they start and end, what CPU time and memory their whole tree has used.

Figures come from ``/proc`` (see proc(5)), so that every proxy is measured the same way, whatever it is written in and
however many processes it has.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 3.0  # between SIGTERM and SIGKILL: a bench need not drain
READY_SECONDS = 30.0  # a table of 10,000 routes takes some proxies seconds to load
ANY_CERTIFICATE = ssl.create_default_context()
ANY_CERTIFICATE.check_hostname = False
ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE
REPOSITORY = Path(__file__).resolve().parent.parent


class BenchError(Exception):
    """A bench can't be run here, or a process in it did not do its part; the message says which."""


class Process:
    """A command in a process group of its own."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def __repr__(self) -> str:
        return f"<Process {self.name} {self.popen.pid}>"

    def tree(self) -> list[int]:
        """The process and all its living descendants."""
        pids = [self.popen.pid]
        for pid in pids:  # grows as it is walked
            pids += _children(pid)
        return pids

    def cpu_seconds(self) -> float:
        """User and system time of the tree, including children that have ended and were waited for."""
        return sum(map(cpu_seconds_of, self.tree()))

    def resident_bytes(self) -> int:
        """Proportional resident memory of the tree: pages that several processes share count once."""
        return sum(map(_proportional_bytes, self.tree()))

    def check_alive(self) -> None:
        """Raise `BenchError` with the end of the log when the process has ended."""
        if self.popen.poll() is not None:
            raise BenchError(f"{self.name} ended with {self.popen.returncode}:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End the whole group: politely, then for good."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        # The group outlives its leader when the leader died first, so it is signalled even after wait().
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)


@contextlib.contextmanager
def running(name: str, command: list[str], folder: Path, ready_url: str) -> Iterator[Process]:
    """Start ``command``, wait until ``ready_url`` answers 200, and stop it at the end.

    Raises `BenchError` when it ends early or is not ready in `READY_SECONDS`.
    """
    process = Process(name, command, folder)
    try:
        _await_ready(process, ready_url)
        yield process
    finally:
        process.stop()


def _await_ready(process: Process, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        process.check_alive()
        if status_of(url) == 200:
            return
        time.sleep(0.05)
    raise BenchError(
        f"{process.name} did not answer {url} within {READY_SECONDS:g} s:\n{process.log.read_text()[-2000:]}"
    )


def status_of(url: str) -> int:
    """The status of a GET, 0 when nobody answers. Certificates are not verified: ours are self-signed."""
    try:
        with urllib.request.urlopen(url, timeout=2, context=ANY_CERTIFICATE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepare() -> None:
    """Let many files be open, and turn SIGTERM into an exception, so that every ``finally`` runs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "GOMAXPROCS": "1"}


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def cpu_seconds_of(pid: int) -> float:
    """User and system time of one process, and of its children that have ended and were waited for; 0: it is gone."""
    with contextlib.suppress(OSError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, after_name[11:15])) / TICKS_PER_SECOND  # utime, stime, cutime, cstime
    return 0.0


def resident_bytes_of(pid: int) -> int:
    """Resident memory of one process, shared pages included. Raises `BenchError` when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} has no memory")


def _proportional_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
