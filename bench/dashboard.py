"""What those who watch the dashboard cost: bytes for each of them, CPU for the controller.

``python -m bench.dashboard [--seconds N] [--viewers N] [--rate N]``

A gateway with 200 rollouts of 20 paths each, before nginx, while a client asks for all of them, so that every row
changes all the time. The stream is read as a browser reads it, packed, and as a script does. The controller's CPU is
taken without anybody watching, with one viewer, and with twenty.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table as Grid

from bench.cases import KIB
from bench.command import carry_out
from bench.processes import BenchError, cpu_seconds_of
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server, nginx

ROLLOUTS, PATHS, USERS = 200, 20, 7
MOST_BYTES = 20 * KIB
"""Per viewer and second."""
MOST_CPU = 0.10
"""Of a core, for all viewers together."""
WARM_UP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What was measured while so many watched."""

    title: str
    viewers: int
    first_bytes: float
    """Of a viewer's first second: all rows."""
    bytes_per_second: float
    """Of a viewer, after that."""
    cpu: float
    """Of the controller, as a share of a core."""


def build_configuration(server: Server) -> str:
    """A plan for each rollout, and the default guard."""
    rollouts = "".join(
        f"  r{number}: {{key: [header:X-User-ID], start: auto, "
        "stages: [{percent: 50, hold: 1h, gates: [requests >= 1000000]}, {percent: 100}]}\n"
        for number in range(ROLLOUTS)
    )
    routes = "".join(
        f"  - {{name: route-{number}, match: /r{number}/**, baseline: legacy, candidate: new, rollout: r{number}, "
        f"paths: [{', '.join(f'/r{number}/p{path}' for path in range(PATHS))}]}}\n"
        for number in range(ROLLOUTS)
    )
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, access_log: off}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts:
{rollouts}routes:
{routes}"""


@contextlib.contextmanager
def load(port: int, per_second: float) -> Iterator[None]:
    """One client that asks for every path in turn, as one of a few users, at this pace."""
    stop = threading.Event()
    thread = threading.Thread(target=_ask, args=(port, per_second, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _ask(port: int, per_second: float, stop: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    begun = time.monotonic()
    for number in itertools.count():
        if stop.is_set():
            return
        path = f"/r{number % ROLLOUTS}/p{number // ROLLOUTS % PATHS}"
        connection.request("GET", path, headers={"X-User-ID": f"user-{number % USERS}"})
        connection.getresponse().read()
        time.sleep(max(0.0, begun + number / per_second - time.monotonic()))


async def watch(session: aiohttp.ClientSession, coding: str) -> list[tuple[float, int]]:
    """Read the stream until it is cancelled; when how many bytes came."""
    seen: list[tuple[float, int]] = []
    begun = time.monotonic()
    with contextlib.suppress(asyncio.CancelledError):
        async with session.get("/api/v1/stream", headers={"Accept-Encoding": coding}) as response:
            while chunk := await response.content.readany():
                seen.append((time.monotonic() - begun, len(chunk)))
    return seen


async def take_turn(gateway: Gateway, title: str, viewers: int, coding: str, seconds: float) -> Turn:
    """Let so many watch for so long."""
    (pid,) = gateway.pids("contr")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(gateway.admin, connector=connector, auto_decompress=False) as session:
        watching = [asyncio.create_task(watch(session, coding)) for _ in range(viewers)]
        await asyncio.sleep(1)
        before = cpu_seconds_of(pid)
        await asyncio.sleep(seconds)
        cpu = (cpu_seconds_of(pid) - before) / seconds
        for task in watching:
            task.cancel()
        seen = await asyncio.gather(*watching)
    first = sum(size for chunks in seen for at, size in chunks if at < 1)
    later = sum(size for chunks in seen for at, size in chunks if at >= 1)
    return Turn(title, viewers, first / max(1, viewers), later / max(1, viewers) / seconds, cpu)


async def measure(gateway: Gateway, viewers: int, seconds: float) -> list[Turn]:
    """All turns, one after the other."""
    await asyncio.sleep(WARM_UP_SECONDS)
    return [
        await take_turn(gateway, title, count, coding, seconds)
        for title, count, coding in (
            ("nobody", 0, "gzip"),
            ("a script, not packed", 1, "identity"),
            ("a browser", 1, "gzip"),
            (f"{viewers} browsers", viewers, "gzip"),
        )
    ]


def show(viewers: int, seconds: float, per_second: float) -> None:
    """Print the turns. Raises `BenchError` when a viewer gets too much, or all cost too much."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as name:
        folder = Path(name)
        for part in ("nginx", "gateway"):
            (folder / part).mkdir()
        with (
            nginx(folder / "nginx") as server,
            Gateway(build_configuration(server), folder / "gateway") as gateway,
            load(gateway.port, per_second),
        ):
            turns = asyncio.run(measure(gateway, viewers, seconds))
    alone = turns[0].cpu
    grid = Grid("who watches", "first second", "then, per second", "controller's CPU", "more than unwatched")
    for turn in turns:
        sizes = (
            (f"{turn.first_bytes / KIB:.1f} KiB", f"{turn.bytes_per_second / KIB:.2f} KiB")
            if turn.viewers
            else ("", "")
        )
        grid.add_row(turn.title, *sizes, f"{turn.cpu:.1%}", f"{turn.cpu - alone:+.1%}" if turn.viewers else "")
    Console(width=110).print(
        grid, f"{ROLLOUTS} rollouts of {PATHS} paths, {per_second:g} requests/s, {seconds:g} s each"
    )
    if max(turn.bytes_per_second for turn in turns) > MOST_BYTES or turns[-1].cpu - alone > MOST_CPU:
        raise BenchError("watching costs too much")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.dashboard", description="What those who watch cost.")
    parser.add_argument("--seconds", type=float, default=30, help="of each turn (default 30)")
    parser.add_argument("--viewers", type=int, default=20, help="at once (default 20)")
    parser.add_argument("--rate", type=float, default=400, help="requests per second meanwhile (default 400)")
    options = parser.parse_args()
    carry_out(lambda: show(options.viewers, options.seconds, options.rate))


if __name__ == "__main__":
    main()
