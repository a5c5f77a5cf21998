"""Rollouts driven through many transitions while processes are killed, and what must be true each time.

An operator acts without a pause and the plan moves by itself, as its holds and cooldowns are a second long. At a moment
that a seed chooses the master, the controller or a worker is killed, often in the middle of a transition. The audit log
is a chain: each event of the rollout begins where the one before it ended, so a state that is none of the two sides of
a transition, a transition that was lost or one that came back would all break it.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from tests.e2e.gateway import Gateway

CONFIGURATION: Final = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {url}, new: {url}}}
rollouts:
  shop:
    key: header:X-User-ID
    start: auto
    cooldown: 1s
    retry: 1000
    stages: [{{percent: 20, hold: 1s}}, {{percent: 50, hold: 1s, approval: manual}}, {{percent: 100, hold: 1s}}]
    gates: []
    guard: []
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
ACTIONS: Final = ("pause", "resume", "promote", "step-back", "rollback", "percent", "unset")
PAUSE_SECONDS: Final = 0.01
LONGEST_SECONDS: Final = 0.4
"""Between being ready and being killed."""
USERS: Final = 40
PAGE: Final = 200
LOOKS: Final = 100

Standing = tuple[str, float]


@dataclass
class Operator:
    """Wants something else all the time; each wish has a reason of its own, by which its event is found."""

    gateway: Gateway
    dice: random.Random
    confirmed: list[str] = field(default_factory=list)
    """The reasons of what was answered with 200."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def act(self, is_over: threading.Event) -> None:
        """Until it is over, or nobody answers."""
        while not is_over.wait(PAUSE_SECONDS):
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                self._wish(self.dice.choice(ACTIONS), f"wish {next(self._numbers)}")

    def _wish(self, action: str, reason: str) -> None:
        method = {"percent": "PUT", "unset": "DELETE"}.get(action, "POST")
        path = "percent" if method != "POST" else action
        wish: dict[str, Any] = {"reason": reason}
        wish |= (
            {"percent": self.dice.randrange(101)} if method == "PUT" else {"force": True} if method == "POST" else {}
        )
        headers = {"Content-Type": "application/json"}
        status, _ = self.gateway.ask(f"/api/v1/rollouts/shop/{path}", method, json.dumps(wish), headers)
        if status == http.client.OK:
            self.confirmed.append(reason)


class Killing:
    """See the module. ``check`` raises AssertionError for what must not be."""

    def __init__(self, gateway: Gateway, seed: int) -> None:
        self.gateway = gateway
        self.transitions = 0
        self.kinds: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self._dead = 0
        self._dice = random.Random(seed)
        self._operator = Operator(gateway, random.Random(seed + 1))

    def run(self, kills: int) -> None:
        """Kill so often, and check after each."""
        for _ in range(kills):
            self._kill_amid(self._dice.choice(["master", "contr", "w"]))
            self.check()

    @property
    def confirmed(self) -> int:
        """How many of the operator's wishes were answered with 200."""
        return len(self._operator.confirmed)

    def check(self) -> None:
        """The log is a chain, has all that was confirmed, and ends where the rollout stands; users are there, too."""
        found = next((seen for _ in range(LOOKS) if (seen := self._look()) is not None), None)
        assert found is not None, "it never stands still"
        standing, log, served = found
        self.transitions, self.kinds = len(log), Counter(event["kind"] for event in log)
        for before, after in itertools.pairwise(log):
            assert before["to"] == after["from"], (before, after)
        assert not set(self._operator.confirmed) - {event["reason"] for event in log}
        assert standing == stood(log[-1]["to"]), log[-3:]
        assert is_share(served, standing[1]), (served, standing)

    def _look(self) -> tuple[Standing, list[dict[str, Any]], int] | None:
        """How the rollout stands, its log, and how many users the candidate has; None when it moved meanwhile."""
        before = self._stand()
        served, log = self._count_candidates(), self._read_log()
        return (before, log, served) if log and before == self._stand() and log == self._read_log() else None

    def _stand(self) -> Standing:
        shown = self.gateway.ask("/api/v1/rollouts/shop")[1]
        return stood(shown)

    def _read_log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = []
        query = f"/api/v1/events?rollout=shop&limit={PAGE}"
        page = self.gateway.ask(query)[1]
        log += page["items"]
        while page["next"]:
            page = self.gateway.ask(f"{query}&after={page['next']}")[1]
            log += page["items"]
        return log

    def _count_candidates(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        arms = []
        for user in range(USERS):
            connection.request("GET", "/status/200", headers={"X-User-ID": f"user-{user}"})
            response = connection.getresponse()
            response.read()
            arms.append(response.headers["X-Crossfade-Arm"])
        connection.close()
        return arms.count("candidate")

    # Killing.

    def _kill_amid(self, victim: str) -> None:
        """While the operator acts."""
        is_over = threading.Event()
        acting = threading.Thread(target=self._operator.act, args=(is_over,))
        acting.start()
        time.sleep(self._dice.uniform(0, LONGEST_SECONDS))
        self._kill(victim)
        is_over.set()
        acting.join()
        self._revive(victim)
        self.killed[victim] += 1

    def _kill(self, victim: str) -> None:
        process = self.gateway.process.pid if victim == "master" else self._dice.choice(self.gateway.pids(victim))
        self._dead = process
        os.kill(process, signal.SIGKILL)

    def _revive(self, victim: str) -> None:
        gateway = self.gateway
        if victim == "master":
            gateway.destroy()
            gateway.process.wait()
            gateway.start()
        else:
            count = {"contr": 1, "w": 2}[victim]
            gateway.wait_until(lambda: self._dead not in gateway.pids() and len(gateway.pids(victim)) == count)
            gateway.wait_until(gateway.is_ready)


def stood(side: dict[str, Any]) -> Standing:
    """State and share, of an event's side or of a rollout."""
    return side["state"], side["percent"]


def is_share(served: int, percent: float) -> bool:
    """Whether so many of the users may be a share: all of 100 %, none of 0 %, and about it else."""
    if percent in {0, 100}:
        return served == USERS * percent / 100
    return abs(served - USERS * percent / 100) <= USERS * 0.4
