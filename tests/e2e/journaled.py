"""Writes that the candidate alone takes, a rollback, and a baseline that gets them, while processes are killed.

The candidate takes everything. Users write on, one thing after the other, while workers and the controller die at
moments that a seed chooses; who hears no answer tries again with the same ``Idempotency-Key``. Then the rollout is
rolled back and reconciled, the controller being killed amid that, too.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Said, say, shop
from tests.e2e.test_commands import crossfade
from tests.e2e.writers import SECRET, Writer, Writes, list_distinct, sort_by_user, write

if TYPE_CHECKING:
    from types import TracebackType

CONFIGURATION: Final = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2}}
admin: {{listen: 127.0.0.1:0}}
store: sqlite:state.db
backends: {{legacy: {legacy}, new: {new}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 100, guard: []}}}}
routes:
  - name: orders
    match: /**
    baseline: legacy
    candidate: new
    rollout: shop
    journal: {{methods: [POST]}}
"""
AUTHORIZATION: Final = "Bearer of-whoever-reconciles"
RATE: Final = 1000


def take(_asked: Asked) -> Said:
    """What both shops answer."""
    return say(b"taken", "Set-Cookie: session=" + SECRET, status=201)


class Journaled:
    """See the module. ``check`` raises AssertionError for what must not be."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.writers: list[Writer] = []
        self._dice = random.Random(seed)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.baseline, self.candidate = (self._stack.enter_context(shop(take)) for _ in range(2))
        text = CONFIGURATION.format(legacy=self.baseline.url, new=self.candidate.url)
        self.gateway = self._stack.enter_context(Gateway(text, self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def folders_and_files(self) -> list[Path]:
        """The journal's."""
        journal = self.folder / "state.db.journal"
        return [journal, *journal.rglob("*")]

    @property
    def written(self) -> Writes:
        """What users were answered, in order."""
        return sort_by_user(body for writer in self.writers for body in writer.written)

    def write(self, users: int, writes: int, kills: Sequence[str] = ()) -> None:
        """Have users write, and kill a process of each of these names amid that, evenly spread.

        Where nobody is killed nobody tries again, so their writes need no key of their own.
        """
        begun = len(self.candidate.asked)
        steps = [(begun + users * writes * number // (len(kills) + 1), each) for number, each in enumerate(kills, 1)]

        def kill_amid() -> None:
            for count, victim in steps:
                self.kill_when(victim, partial(self._has_taken, count))

        self.writers += write(self.gateway, users, writes, kill_amid, are_named=bool(kills))

    def _has_taken(self, count: int) -> bool:
        return len(self.candidate.asked) >= count

    def kill_when(self, victim: str, condition: Callable[[], object]) -> None:
        """One of the processes whose names begin so, or ``master``: all of them; and wait for what comes after."""
        gateway = self.gateway
        gateway.wait_until(condition)
        if victim == "master":
            gateway.destroy()
            gateway.start()
            return
        before = gateway.pids(victim)
        dead = self._dice.choice(before)
        os.kill(dead, signal.SIGKILL)
        gateway.wait_until(lambda: dead not in gateway.pids() and len(gateway.pids(victim)) == len(before))
        gateway.wait_until(gateway.is_ready)

    def roll_back(self) -> None:
        """From now on the baseline answers everybody; until now it has had nothing."""
        path, headers = "/api/v1/rollouts/shop/rollback", {"Content-Type": "application/json"}
        assert self.gateway.ask(path, "POST", "{}", headers)[0] == 200
        assert self.baseline.asked == []

    def reconcile(self, rate: int = RATE) -> tuple[int, list[dict[str, Any]]]:
        """The command: its status, and the lines that it prints as JSON."""
        known = ["-H", f"Authorization: {AUTHORIZATION}", "--rate", str(rate)]
        status, out, _ = crossfade(self.gateway, "reconcile", "shop", "--json", *known)
        return status, [json.loads(line) for line in out.splitlines()]

    def call(self, *, is_dry: bool = False) -> list[dict[str, Any]]:
        """The API, which the command calls: its lines."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.admin_port, timeout=30)
        wish = json.dumps({"dry_run": is_dry, "rate": RATE})
        connection.request("POST", "/api/v1/rollouts/shop/reconcile", wish, {"Content-Type": "application/json"})
        response = connection.getresponse()
        lines = [json.loads(line) for line in response.read().splitlines()]
        connection.close()
        assert response.status == 200, lines
        return lines

    def reconcile_amid_kill(self, count: int) -> int:
        """The command's status when the controller is killed after the baseline has had so many writes."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.reconcile, count)  # in a second, so that as many are left for another
            self.kill_when("contr", lambda: len(self.baseline.asked) >= count)
            return running.result()[0]

    def check(self) -> None:
        """The baseline, which honours keys, has each write that was answered once, in order, and nothing else."""
        assert list_distinct(self.baseline.asked) == self.written
        assert {each for writer in self.writers for each in writer.statuses} == {201}


def count(writes: Writes) -> int:
    """Of all users."""
    return sum(map(len, writes.values()))
