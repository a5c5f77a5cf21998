"""The load: wrk in a closed loop, a fixed number of connections that each wait for their answer."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.cases import Case
from bench.processes import BenchError

SCRIPT = Path(__file__).with_name("load.lua")
MARK = "FIGURES "
LONGER_THAN_ANY_RUN = "1h"  # wrk knows whole seconds only; we end it by SIGINT, after which it prints its figures


class Load(msgspec.Struct, frozen=True):
    """What wrk saw."""

    requests: int
    seconds: float
    bytes: int
    p50_ms: float
    p99_ms: float
    failed: int
    """Broken connections, time-outs, and statuses of 400 and above."""

    def served(self, case: Case) -> float:
        """Requests' worth of work: of a download also the part of an answer that the end cut off."""
        return self.bytes / case.answer_bytes if case.answer_bytes else self.requests


@dataclass(slots=True)
class Loader:
    """A running wrk."""

    popen: subprocess.Popen[str]

    def finish(self) -> Load:
        """End it and read its figures. Raises `BenchError` when it printed none."""
        self.popen.send_signal(signal.SIGINT)
        output, _ = self.popen.communicate()
        for line in output.splitlines():
            if line.startswith(MARK):
                return msgspec.json.decode(line.removeprefix(MARK), type=Load)
        raise BenchError(f"wrk failed:\n{output}")

    def kill(self) -> None:
        """End it without figures; nothing happens when it has ended."""
        self.popen.kill()
        self.popen.wait()


def start(case: Case, base_url: str) -> Loader:
    """Begin to load ``base_url`` as ``case`` says."""
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{LONGER_THAN_ANY_RUN}", "--timeout", "60s", "-s", str(SCRIPT)]
    values = [case.method, case.path, case.headers, case.body_bytes, case.users, case.routes, case.pause_ms]
    command += [base_url, "--", *map(str, values)]
    return Loader(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))


def apply(case: Case, base_url: str, seconds: float) -> Load:
    """Load ``base_url`` for ``seconds``; returns when wrk has ended."""
    loader = start(case, base_url)
    try:
        time.sleep(seconds)
        return loader.finish()
    finally:
        loader.kill()
