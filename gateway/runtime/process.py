"""The birth of a child process, and what every child does first.

Signals are blocked in the master (it waits for them with sigtimedwait), and children inherit that. A child resets what
it inherited, and unblocks once its loop listens (`release_signals`), so none that comes in between is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What the master waits for."""

FAILED = 70
"""Exit status of a child that died of an exception: EX_SOFTWARE of sysexits(3)."""

GIVING_WAY_NICENESS = 5
"""About a third of the processor time that others get when there is too little for all (sched(7))."""

GIVING_WAY_OOM_SCORE = 500
"""As if it held half of the machine's memory more than it does (proc_pid_oom_score_adj(5))."""

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_NAME = 15
_NAME_BYTES = 15

log = structlog.get_logger()


def spawn(name: str, body: Callable[[], int]) -> int:
    """Fork a child that runs ``body`` and exits with its result; returns its pid. An exception is logged: status 70."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(name, parent, body)
    return pid


def _live(name: str, parent: int, body: Callable[[], int]) -> None:
    """The whole life of a child. Leaves by os._exit, so that nothing of the master's runs twice."""
    status = FAILED
    try:
        _settle_in(name, parent)
        status = body()
    except BaseException:  # the last place to say why this process ends
        log.critical("process_failed", exc_info=True)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _settle_in(name: str, parent: int) -> None:
    logs.name_process(name)
    name_process(name)
    # A terminal sends Ctrl-C and its hang-up to everyone; what they mean is for the master to decide.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with(parent)


def end_with(parent: int) -> None:
    """Get SIGTERM when ``parent`` ends, however it ends (prctl(2), PR_SET_PDEATHSIG)."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:  # it ended before we asked
        os._exit(0)


def name_process(name: str) -> None:
    """Show ``crossfade:name`` as the command in ps and top; 15 bytes of it, the kernel's limit."""
    _prctl(_PR_SET_NAME, ctypes.create_string_buffer(f"crossfade:{name}".encode()[:_NAME_BYTES]))


def release_signals() -> None:
    """Let signals through again; called when this process is ready to act on them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)


def give_way() -> None:
    """Let other processes have what there is too little of: processor time, and memory, for which one is killed."""
    os.nice(GIVING_WAY_NICENESS)
    with contextlib.suppress(OSError):  # a container may forbid it; then the kernel chooses by size alone
        Path("/proc/self/oom_score_adj").write_text(str(GIVING_WAY_OOM_SCORE), encoding="ascii")


def _prctl(option: int, argument: int | ctypes.Array[ctypes.c_char]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
