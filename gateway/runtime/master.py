"""The master: holds the sockets, starts the children, starts again what dies, and ends them in order.

It has no event loop and does no other work, so that nothing in it can fail: it sleeps in sigtimedwait(2) until a child
dies (SIGCHLD), someone asks it to end (SIGTERM, SIGINT) or to reload (SIGHUP), or a restart is due.

The end: no new connections, workers finish what is under way (``server.timeouts.drain``), who is late is killed, then
the comparer compares what is left, then the controller ends, so that the admin API answers to the last. A second
SIGTERM or SIGINT kills without waiting.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from gateway.runtime.backoff import Backoff
from gateway.runtime.process import WATCHED, spawn
from gateway.runtime.sockets import show_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.runtime.inheritance import Inheritance

DRAIN_MARGIN_SECONDS = 5.0
"""Beyond the drain time, before a worker that should have ended is killed: for its last copies, pairs, journal entries
and counts, each of which takes a second at the most."""

CONTROLLER_STOP_SECONDS = 6.0
"""It has a few calls to make: what is owed to a store that may hang takes some three seconds, notices that wait two."""

COMPARER_STOP_SECONDS = 3.0
"""It has a second for what is left, and one for the controller to hear of it."""

IDLE_SECONDS = 3600.0
"""How long to sleep when nothing is due; a signal ends it at once."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Child:
    """A place for one process, and the process that fills it now (pid 0: none)."""

    name: str
    body: Callable[[], int]
    pid: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    """When to start the next one, on the monotonic clock."""
    backoff: Backoff = field(default_factory=Backoff)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process. It can't be another's: only we reap it."""
        if self.pid:
            os.kill(self.pid, number)


class Master:
    """The process that `crossfade run` becomes; ``controller``, ``worker`` and ``comparer``: its children's lives."""

    def __init__(
        self,
        inheritance: Inheritance,
        controller: Callable[[Inheritance], int],
        worker: Callable[[Inheritance, int], int],
        comparer: Callable[[Inheritance], int],
    ) -> None:
        self._inheritance = inheritance
        self._controller = Child("controller", partial(controller, inheritance))
        self._workers = [Child(f"w{slot}", partial(worker, inheritance, slot)) for slot in range(inheritance.slots)]
        self._comparer = Child("comparer", partial(comparer, inheritance))
        self._children = [self._controller, *self._workers, self._comparer]

    def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        addresses = [show_address(door.sockets[0]) for door in self._inheritance.doors]
        admin = show_address(self._inheritance.admin)
        log.info("gateway_started", listen=addresses, admin=admin, workers=self._inheritance.slots)
        self._start_due()
        while not self._is_asked_to_end(self._next_due()):
            self._reap()
            self._start_due()
        self._end()
        log.info("gateway_stopped")
        return 0

    def _is_asked_to_end(self, timeout_seconds: float) -> bool:
        """Wait for a signal, for at most that long."""
        caught = signal.sigtimedwait(WATCHED, timeout_seconds)
        if caught is None:
            return False
        if caught.si_signo == signal.SIGHUP:
            self._controller.signal(signal.SIGHUP)
        return caught.si_signo in {signal.SIGTERM, signal.SIGINT}

    def _next_due(self) -> float:
        now = time.monotonic()
        return max(0.0, min((child.due_at - now for child in self._children if not child.pid), default=IDLE_SECONDS))

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if not child.pid and child.due_at <= now:
                child.pid, child.started_at = spawn(child.name, child.body), now

    def _reap(self) -> None:
        """Take note of every child that has ended, and decide when its successor starts."""
        now = time.monotonic()
        for pid, status in _ended():
            for child in self._children:
                if child.pid == pid:
                    child.pid = 0
                    wait = child.backoff.wait_seconds(now - child.started_at)
                    child.due_at = now + wait
                    log.error("child_died", name=child.name, pid=pid, status=status, restart_seconds=wait)

    def _end(self) -> None:
        log.info("gateway_stopping")
        kept = self._inheritance.keepsake.newest()
        drain_seconds = kept.drain_seconds if kept else 0.0
        self._inheritance.close_doors()
        self._end_all(self._workers, drain_seconds + DRAIN_MARGIN_SECONDS)
        self._end_all([self._comparer], COMPARER_STOP_SECONDS)
        self._end_all([self._controller], CONTROLLER_STOP_SECONDS)
        self._inheritance.close()

    def _end_all(self, children: Iterable[Child], seconds: float) -> None:
        """SIGTERM, and SIGKILL to those that live on after ``seconds`` or when someone loses patience."""
        for child in children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self._await_end(children) and time.monotonic() < deadline:
            if self._is_asked_to_end(max(0.0, deadline - time.monotonic())):
                break
        for child in children:
            if child.pid:
                log.warning("child_killed", name=child.name, pid=child.pid)
                child.signal(signal.SIGKILL)
                os.waitpid(child.pid, 0)
                child.pid = 0

    def _await_end(self, children: Iterable[Child]) -> bool:
        """Reap without replacing; whether any of ``children`` still lives."""
        for pid, _ in _ended():
            for child in self._children:
                if child.pid == pid:
                    child.pid = 0
        return any(child.pid for child in children)


def _ended() -> Iterable[tuple[int, int]]:
    """(pid, exit status; negative: the signal) of every child that has ended and was not reaped."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)
