"""What the runtime's tests share: a small configuration, and children that are never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.runtime.inheritance import Inheritance
from gateway.runtime.launch import inherit
from gateway.runtime.process import WATCHED, spawn

TEXT = """\
version: 1
server: {listen: 127.0.0.1:0, workers: 2, timeouts: {drain: 1s}}
admin: {listen: 127.0.0.1:0}
backends: {legacy: http://127.0.0.1:1}
routes: [{name: shop, match: /shop/**, backend: legacy}]
"""


@contextlib.contextmanager
def inherited(folder: Path, text: str = TEXT) -> Iterator[Inheritance]:
    """What a master that was given ``text`` would hold; ``folder`` is where it works, so its store is there too."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    with contextlib.chdir(folder):
        inheritance = inherit(path, {})
        try:
            yield inheritance
        finally:
            inheritance.close()


@contextlib.contextmanager
def child(name: str, body: Callable[[], int]) -> Iterator[int]:
    """A child as the master makes it; killed at the end if it still lives."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    pid = spawn(name, body)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def status_of(pid: int) -> int:
    """Wait for a child; how it ended, negative: by which signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
