"""How many pairs of answers the comparer takes, and what happens when there are more.

``python -m bench.comparing [--pairs N] [--rounds N] [--seconds N] [--rate N]``

Alone: the comparer of a gateway that serves nobody gets pairs over its own socket, as a worker would send them, as fast
as it reads them. Each holds two JSON answers of 2 KiB. The figure is pairs per second of its processor time: reading,
decoding, comparing and reporting.

Overload: one worker, and answers of 64 KiB no two of which are alike, at more of them than can be compared. Users of a
route that is copied and of one that is not take turns.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from bench import arena, copies
from bench.cases import MIB
from bench.command import carry_out
from bench.copies import Turn, list_uncompared, steady, take_turn
from bench.processes import BenchError, cpu_seconds_of
from gateway.core.noise import TWINS_NEEDED
from gateway.core.shadowing import Pair, Reply
from gateway.runtime.link import frame
from tests.e2e.gateway import Gateway

NAME = "all"
SHADOW = "{percent: 100, compare: {noise: 5}}"
HEAD = b"".join(
    line + b"\r\n"
    for line in (
        b"HTTP/1.1 200 OK",
        b"Server: nginx/1.22.1",
        b"Date: Sat, 21 Nov 2026 05:19:28 GMT",
        b"Content-Type: application/json",
        b"Content-Length: 2048",
        b"Connection: keep-alive",
        b"Cache-Control: no-cache",
    )
)
ORDER: dict[str, Any] = {
    "request_id": "",
    "answered_at": 0.0,
    "customer": {"name": "Ada Lovelace", "email": "ada@example.com", "is_new": False, "discount": None},
    "items": [
        {"sku": f"A-{number:04}", "name": f"thing number {number}", "price": 1.25 * number, "count": 2, "tags": ["new"]}
        for number in range(20)
    ],
    "total": 475.0,
}
BATCH = 100
"""Different pairs of each kind, which are sent again and again."""
PATIENCE_SECONDS = 60.0
LEAST_PER_SECOND = 3_000


class Kind(NamedTuple):
    """What the pairs of one row have in common."""

    title: str
    result: str
    is_stamped: bool = False
    is_respelt: bool = False
    is_packed: bool = False


KINDS = (
    Kind("equal bytes", "match"),
    Kind("equal, in other bytes", "match", is_respelt=True),
    Kind("2 fields differ, learnt as noise", "noise", is_stamped=True),
    Kind("the same in gzip", "noise", is_stamped=True, is_packed=True),
)


# The comparer alone.


def answer(kind: Kind, number: int, *, is_other: bool) -> Reply:
    """One side's answer."""
    order = copy.deepcopy(ORDER)
    if kind.is_stamped:
        order |= {"request_id": f"{number:08}-{is_other}", "answered_at": 1_763_702_368.25 + number + is_other}
    if kind.is_respelt and is_other:
        order = dict(reversed(order.items()))
    body = json.dumps(order).encode()
    if not kind.is_packed:
        return Reply(200, HEAD, body)
    return Reply(200, HEAD + b"Content-Encoding: gzip\r\n", gzip.compress(body, mtime=0))


def pack(kind: Kind, number: int, *, is_twin: bool = False) -> bytes:
    """A pair as it goes over the wire."""
    first, other = answer(kind, number, is_other=False), answer(kind, number, is_other=True)
    pair = Pair(NAME, f"/{kind.title}", "GET", f"request-{number:08}", time.time(), first, other, is_twin)
    return frame(msgspec.msgpack.encode(pair), "Pair")


@contextmanager
def connected(pid: int) -> Iterator[socket.socket]:
    """A connection to the comparer, which has said that it is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(PATIENCE_SECONDS)
        way.connect(find_address(pid))
        way.recv(1)
        yield way


def find_address(pid: int) -> bytes:
    """Where a comparer listens: the one abstract socket of its own (proc_pid_net(5))."""
    inodes = {f"{each.readlink()}" for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    for line in Path("/proc/net/unix").read_text().splitlines():
        columns = line.split()
        if columns[-1].startswith("@crossfade-") and f"socket:[{columns[6]}]" in inodes and columns[3] == "00010000":
            return b"\0" + columns[-1][1:].encode()
    raise BenchError("the comparer does not listen")


def totals_of(gateway: Gateway) -> Counter[str]:
    """What came of all pairs, by the API."""
    totals = gateway.ask(f"/api/v1/mismatches?route={NAME}")[1]["totals"]
    return Counter({result: totals[result] for result in copies.COMPARED})


def compare(gateway: Gateway, kind: Kind, pairs: int) -> tuple[float, float]:
    """Pairs per second of processor time, and of anybody's. Raises `BenchError` when one came to another result."""
    (pid,) = gateway.pids("compa")
    before, began, begun_at = totals_of(gateway), cpu_seconds_of(pid), time.monotonic()
    batch = b"".join(pack(kind, number) for number in range(BATCH))
    with connected(pid) as way:
        for _ in range(pairs // BATCH):
            way.sendall(batch)
        sent = pairs // BATCH * BATCH
        gateway.wait_until(lambda: totals_of(gateway).total() - before.total() >= sent, PATIENCE_SECONDS)
    taken = time.monotonic() - begun_at
    spent = cpu_seconds_of(pid) - began
    found = totals_of(gateway) - before
    if found != Counter({kind.result: sent}):
        raise BenchError(f"{kind.title}: {dict(found)}")
    return sent / spent, sent / taken


def teach(gateway: Gateway) -> None:
    """Let it see so many twins of each kind that it knows what is noise."""
    (pid,) = gateway.pids("compa")
    with connected(pid) as way:
        for kind in KINDS:
            way.sendall(b"".join(pack(kind, number, is_twin=True) for number in range(2 * TWINS_NEEDED)))


def show_alone(pairs: int, rounds: int) -> None:
    """Print a row for each kind. Raises `BenchError` when there are fewer than promised."""
    table = Table("two answers of 2 KiB", "per second of CPU", "µs", "per second", "target")
    with (
        tempfile.TemporaryDirectory() as name,
        Gateway(copies.head(9, 9) + copies.route(NAME, "/**", SHADOW), Path(name)) as gateway,
    ):
        teach(gateway)
        rates = {kind: [compare(gateway, kind, pairs) for _ in range(rounds)] for kind in KINDS}
    for kind, measured in rates.items():
        of_cpu, of_time = (median(each) for each in zip(*measured, strict=True))
        table.add_row(kind.title, f"{of_cpu:,.0f}", f"{1e6 / of_cpu:.0f}", f"{of_time:,.0f}", f"{LEAST_PER_SECOND:,}")
    Console(width=120).print(table, f"{pairs:,} pairs of each, {rounds} rounds, medians")
    if any(median(each[0] for each in measured) < LEAST_PER_SECOND for measured in rates.values()):
        raise BenchError(f"the comparer takes fewer than {LEAST_PER_SECOND} pairs per second")


# More than it takes.


def overload(seconds: float, rounds: int, per_second: int) -> dict[str, list[Turn]]:
    """Let a route that is copied and one that is not take turns."""
    turns: dict[str, list[Turn]] = {"off": [], "on": []}
    with arena.opened() as place, tempfile.TemporaryDirectory() as name:
        text = copies.head(place.upstream.baseline_port, place.upstream.candidate_port)
        text += copies.route("off", "/large/off/**") + copies.route("on", "/large/on/**", copies.EVERYTHING)
        with Gateway(text, Path(name)) as gateway:
            for number in range(1 + rounds):
                for route in turns:
                    case = steady(route, f"/large/{route}/7", per_second)
                    turn = take_turn(gateway, case, seconds if number else 1.0, route if route == "on" else "")
                    turns[route] += [turn] if number else []
    return turns


def show_overload(seconds: float, rounds: int, per_second: int) -> None:
    """Print a row for each route. Raises `BenchError` when a user's request failed, or nothing was dropped."""
    columns = ("requests/s", "p50", "p99", "failed", "compared/s", "not compared", "worker", "comparer")
    table = Table("shadow", *columns)
    turns = overload(seconds, rounds, per_second)
    for route, taken in turns.items():
        table.add_row(route, *list_cells(taken))
    Console(width=150).print(table, f"{rounds} rounds of {seconds:g} s, medians; memory is the most there was")
    if any(turn.load.failed for taken in turns.values() for turn in taken):
        raise BenchError("a request failed")
    if not any(turn.outcomes["comparer_busy"] for turn in turns["on"]):
        raise BenchError("the comparer could take it all")


def list_cells(taken: list[Turn]) -> list[str]:
    """The figures of one route."""
    return [
        f"{median(turn.load.requests / turn.load.seconds for turn in taken):,.0f}",
        f"{median(turn.load.p50_ms for turn in taken):.2f} ms",
        f"{median(turn.load.p99_ms for turn in taken):.2f} ms",
        f"{sum(turn.load.failed for turn in taken)}",
        f"{median(turn.compared / turn.load.seconds for turn in taken):,.0f}",
        list_uncompared(taken),
        f"{max(turn.worker_bytes for turn in taken) / MIB:.0f} MiB",
        f"{max(turn.comparer_bytes for turn in taken) / MIB:.0f} MiB",
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.comparing", description="How much the comparer takes.")
    parser.add_argument("--pairs", type=int, default=20_000, help="of each kind and round (default 20,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn under overload (default 3)")
    parser.add_argument("--rate", type=int, default=1_000, help="requests per second then (default 1,000)")
    options = parser.parse_args()
    carry_out(lambda: show_alone(options.pairs, options.rounds))
    carry_out(lambda: show_overload(options.seconds, options.rounds, options.rate))


if __name__ == "__main__":
    main()
