"""What the questions about copies share: a gateway that copies, its load, and what came of it."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from bench import load
from bench.cases import Case
from bench.load import Load
from bench.processes import cpu_seconds_of, resident_bytes_of
from tests.e2e.exposition import scrape, sum_by
from tests.e2e.gateway import Gateway

HEAD = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, access_log: off, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: http://127.0.0.1:{baseline}, new: http://127.0.0.1:{candidate}, nobody: http://127.0.0.1:9}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 0}}}}
routes:
"""
ROUTE = "- {{name: {name}, match: {match}, baseline: legacy, candidate: {candidate}, rollout: shop{shadow}}}\n"

EVERYTHING = '{percent: 100, compare: {ignore: ["$.at", "$.answer"]}}'
"""Copied and compared, but for what no two answers of the upstream have in common."""

CONNECTIONS = 32
SAMPLE_SECONDS = 0.05
SETTLE_SECONDS = 60.0
COMPARED = ("match", "mismatch", "noise")


def head(baseline_port: int, candidate_port: int) -> str:
    """The beginning of a configuration: one worker, and nobody on the candidate."""
    return HEAD.format(baseline=baseline_port, candidate=candidate_port)


def route(name: str, match: str, shadow: str = "", candidate: str = "new") -> str:
    """A route of that configuration; ``shadow`` is the block in braces, nothing for shadow off."""
    return ROUTE.format(name=name, match=match, candidate=candidate, shadow=f", shadow: {shadow}" if shadow else "")


def steady(name: str, path: str, per_second: int) -> Case:
    """So many small GETs in a second, as far as the machine can; 0 for as many as it can."""
    pause_ms = CONNECTIONS * 1000 // per_second if per_second else 0
    return Case(name, name, path=path, connections=CONNECTIONS, pause_ms=pause_ms)


class Turn(NamedTuple):
    """Some seconds of load, and what they cost."""

    load: Load
    worker_seconds: float
    """Of processor time, until all copies were settled."""
    comparer_seconds: float
    worker_bytes: int
    """The most resident memory that it had."""
    comparer_bytes: int
    outcomes: Counter[str]
    """What came of copies: results, and reasons where there is one."""

    @property
    def compared(self) -> int:
        """Pairs."""
        return sum(self.outcomes[result] for result in COMPARED)

    @property
    def worker_us(self) -> float:
        """The worker's processor time per request, in microseconds."""
        return self.worker_seconds / self.load.requests * 1e6


def take_turn(gateway: Gateway, case: Case, seconds: float, copied: str = "") -> Turn:
    """Load a gateway, and wait until it is known what came of all copies of the route ``copied``, if there is one."""
    pids = [gateway.pids(name)[0] for name in ("w0", "compa")]
    before = Counter(outcomes_of(gateway, copied))
    asked = requests_of(gateway, copied)
    began = [cpu_seconds_of(pid) for pid in pids]
    with watching(pids) as peaks:
        seen = load.apply(case, gateway.url, seconds)
        if copied:
            gateway.wait_until(lambda: is_settled(gateway, copied, before, asked, seen.requests), SETTLE_SECONDS)
    spent = [cpu_seconds_of(pid) - start for pid, start in zip(pids, began, strict=True)]
    outcomes = outcomes_of(gateway, copied)
    outcomes.subtract(before)
    return Turn(seen, spent[0], spent[1], peaks[0], peaks[1], +outcomes)


def list_uncompared(turns: list[Turn]) -> str:
    """What came of all other copies, as people read it."""
    rest: Counter[str] = Counter()
    for turn in turns:
        rest += turn.outcomes
    return ", ".join(f"{reason} {count:,}" for reason, count in rest.most_common() if reason not in COMPARED) or "none"


def outcomes_of(gateway: Gateway, name: str) -> Counter[str]:
    """What came of the copies of a route until now."""
    found: Counter[str] = Counter()
    shown = sum_by(scrape(gateway)["crossfade_shadow"], "_total", "route", "result", "reason")
    for (each, result, reason), count in shown.items():
        if each == name:
            found[reason or result] += count
    return found


def requests_of(gateway: Gateway, name: str) -> int:
    """How many requests a route had until now."""
    return sum_by(scrape(gateway)["crossfade_requests"], "_total", "route")[name,]


def is_settled(gateway: Gateway, name: str, before: Counter[str], asked: int, at_least: int) -> bool:
    """Whether every request that has been counted since has an outcome, and all that were answered are counted."""
    settled = outcomes_of(gateway, name).total() - before.total()
    return settled >= at_least and settled == requests_of(gateway, name) - asked


@contextlib.contextmanager
def watching(pids: list[int]) -> Iterator[list[int]]:
    """The most resident memory that each process had, in bytes; grows while the block lasts."""
    peaks = [resident_bytes_of(pid) for pid in pids]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            peaks[:] = [max(peak, resident_bytes_of(pid)) for peak, pid in zip(peaks, pids, strict=True)]

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()
