"""Whatever a candidate does with its copies, users hear nothing of it, and it costs no more than was allowed."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.exposition import scrape, sum_by
from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Said, Shop, say, say_json, shop
from tests.e2e.users import ask_all, await_comparing, await_copies, settled_of, totals_of
from tests.e2e.wire import ask, connected, get

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}, dead: http://127.0.0.1:9}}
rollouts: {{shop: {{key: client_ip, percent: 0}}}}
routes:
{routes}
"""
ROUTE = """\
  - name: {name}
    match: /{name}
    baseline: legacy
    candidate: {candidate}
    rollout: shop
    shadow: {{percent: 100, body: 256KiB, concurrency: 4, timeout: {timeout}}}
"""
FAULTS = ("warms", "hangs", "refuses", "slow", "endless", "garbage", "cut", "stalls", "bomb", "fails", "large", "dies")
HASTY = {"hangs", "stalls"}
"""Whose copies are given up soon; all others have the time that a busy machine takes."""

ASKED = 30
GROWTH_KIB = 40 * 1024
"""Of a process, over all faults: what copies may keep at once is less, and one body of those that are sent is more."""

RIGHT = {"it is": "right"}
LARGE = os.urandom(120_000)
MIB = bytes(1 << 20)
BOMB = gzip.compress(bytes(128 << 20), 9)


def answer_well(asked: Asked) -> Said:
    """The baseline."""
    return say(LARGE) if asked.path in {"/large", "/dies"} else say_json(RIGHT)


def answer_badly(asked: Asked) -> Said:
    """The candidate, by path."""
    match asked.path:
        case "/bomb":
            return say(BOMB, "Content-Encoding: gzip", "Content-Type: application/json")
        case "/fails":
            return say_json(RIGHT, status=500)
        case "/large" | "/dies" | "/warms":
            return answer_well(asked)
        case _:
            return trickle(asked.path)


async def trickle(path: str) -> AsyncIterator[bytes]:
    """An answer that is none."""
    if path in {"/hangs", "/slow"}:
        await asyncio.sleep(60 if path == "/hangs" else 0.15)
        yield say_json(RIGHT)
    if path == "/endless":
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30)
        for _ in range(1024):
            yield MIB
    if path == "/garbage":
        yield b"\x00\xffgarbage\r\n\r\n"
        yield b""
    if path in {"/cut", "/stalls"}:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        await asyncio.sleep(0 if path == "/cut" else 60)
        yield b""


@pytest.fixture(scope="module")
def candidate() -> Iterator[Shop]:
    """It does everything wrong."""
    with shop(answer_badly) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(candidate: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Everything is copied, by a route for each fault."""
    routes = "".join(map(describe, FAULTS))
    with shop(answer_well) as baseline:
        text = CONFIGURATION.format(legacy=baseline.url, new=candidate.url, routes=routes)
        with Gateway(text, tmp_path_factory.mktemp("faults")) as running:
            await_comparing(running, "/warms", "warms")
            yield running


def describe(fault: str) -> str:
    """Its route."""
    candidate, timeout = "dead" if fault == "refuses" else "new", "1s" if fault in HASTY else "30s"
    return ROUTE.format(name=fault, candidate=candidate, timeout=timeout)


def measure_kib(pid: int) -> int:
    """Resident memory of a process."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


@contextmanager
def bounded(gateway: Gateway) -> Iterator[None]:
    """Neither the worker nor the comparer takes much more memory inside than before."""
    before = {pid: measure_kib(pid) for name in ("w0", "compa") for pid in gateway.pids(name)}
    assert len(before) == 2
    yield
    for pid, kib in before.items():
        assert measure_kib(pid) < kib + GROWTH_KIB, pid


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        ("hangs", {"timeout", "concurrency", "breaker"}),
        ("refuses", {"connect", "breaker"}),
        ("slow", {"match", "concurrency"}),
        ("endless", {"body_size", "concurrency"}),
        ("garbage", {"protocol", "concurrency", "breaker"}),
        ("cut", {"reset", "concurrency", "breaker"}),
        ("stalls", {"timeout", "concurrency", "breaker"}),
        ("bomb", {"mismatch", "concurrency", "comparer_busy"}),
        ("fails", {"mismatch", "concurrency"}),
    ],
)
def test_users_hear_nothing_of_what_a_candidate_does(gateway: Gateway, fault: str, outcomes: set[str]) -> None:
    """All answers are right, memory is bounded, and of each copy it is known what came of it, and why."""
    with bounded(gateway):
        bodies = ask_all(gateway, [f"/{fault}"] * ASKED)
        totals = await_copies(gateway, fault, ASKED)

    assert [json.loads(body) for body in bodies] == [RIGHT] * ASKED
    gateway.wait_until(lambda: sum(outcomes_of(gateway, fault).values()) == ASKED)
    found = outcomes_of(gateway, fault)
    assert outcomes >= set(found)
    assert found.keys() & outcomes - {"concurrency", "breaker", "comparer_busy"}, found
    assert totals["skipped"] == {reason: found[reason] for reason in totals["skipped"]}


def outcomes_of(gateway: Gateway, route: str) -> dict[str, int]:
    """What came of copies by the metric: reasons, and results where there is none."""
    found = sum_by(scrape(gateway)["crossfade_shadow"], "_total", "route", "result", "reason")
    return {reason or result: count for (name, result, reason), count in found.items() if name == route}


def test_what_can_not_be_copied_is_counted_with_the_reason(gateway: Gateway) -> None:
    """A body that is too long, a request for another protocol, and a client that leaves before it has its answer."""
    reasons = ("body_size", "upgrade", "client_gone")

    def skipped() -> list[int]:
        return [totals_of(gateway, "warms")["skipped"].get(reason, 0) for reason in reasons]

    assert skipped() == [0, 0, 0]
    long = b"GET /warms HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
    assert ask(gateway, long).first == b"200"
    assert ask(gateway, get("/warms", "Connection: Upgrade", "Upgrade: parrot")).first == b"200"
    with connected(gateway) as client:
        client.send(b"GET /warms HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    gateway.wait_until(lambda: all(skipped()))

    assert skipped() == [1, 1, 1]


def test_a_comparer_that_stands_still_costs_nobody_anything(gateway: Gateway) -> None:
    """What it can't take is skipped and counted, and it goes on where it was."""
    (comparer,), asked = gateway.pids("compa"), 0

    def is_skipped() -> bool:
        nonlocal asked
        assert set(ask_all(gateway, ["/large"] * 50)) == {LARGE}
        asked += 50
        return "comparer_busy" in outcomes_of(gateway, "large")

    with bounded(gateway):
        os.kill(comparer, signal.SIGSTOP)
        try:
            gateway.wait_until(is_skipped)
        finally:
            os.kill(comparer, signal.SIGCONT)
        totals = await_copies(gateway, "large", asked)

    assert totals["match"] > 0
    assert (totals["error"], totals["mismatch"]) == (0, 0)
    assert settled_of(totals) == asked


def test_a_comparer_that_dies_is_replaced_and_goes_on(gateway: Gateway) -> None:
    """Its successor compares on; users hear nothing of that either."""
    (comparer,) = gateway.pids("compa")
    os.kill(comparer, signal.SIGKILL)
    assert set(ask_all(gateway, ["/dies"] * 5)) == {LARGE}
    gateway.wait_until(lambda: gateway.pids("compa") not in ([], [comparer]))

    before = outcomes_of(gateway, "dies").get("match", 0)

    def is_compared() -> bool:
        ask_all(gateway, ["/dies"])
        return outcomes_of(gateway, "dies").get("match", 0) > before

    gateway.wait_until(is_compared)
