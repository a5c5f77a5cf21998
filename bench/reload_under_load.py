"""Whether reloading hurts: who fails, and how long a change takes, when the file is rewritten under load.

``python -m bench.reload_under_load [--seconds N] [--workers N]``

It is rewritten five times a second. Each version names its route after itself and ``server.expose`` is on, so every
answer tells under which version it was decided. Probes on several connections, spread over the workers by the kernel,
watch for that; a change is in force when the last probe has seen it or a newer one. The promise: no failed request,
each change in force everywhere within a second.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from bench import arena, load
from bench.cases import CASES, Case
from bench.command import carry_out
from bench.load import Load
from bench.processes import BenchError
from bench.proxies import Command, Proxy, Setup
from bench.proxies.crossfade import configuration, crossfade

INTERVAL_SECONDS = 0.2
PROBES = 16  # the chance that one of two workers has none of them is 1 in 32,768
PROBE_SECONDS = 0.01  # between a probe's requests: how finely times are seen
LAST_WAIT_SECONDS = 2.0  # for the last change, twice what is promised
VERSION = re.compile(rb"\r\nx-crossfade-route:[ \t]*version-(\d+)\r\n", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)\r\n", re.IGNORECASE)
REQUEST = b"GET /api/orders/7 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: user-%d\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Author:
    """Writes the versions of one gateway's configuration."""

    setup: Setup
    workers: int

    @property
    def path(self) -> Path:
        """The file that the gateway watches."""
        return self.setup.folder / "gateway.yaml"

    def write(self, version: int) -> None:
        """Put a version in the place of the one before, whole, as editors and deployment tools do."""
        draft = self.path.with_suffix(".new")
        draft.write_text(yaml.safe_dump(self._version(version), sort_keys=False))
        draft.replace(self.path)

    def _version(self, version: int) -> dict[str, object]:
        rollout = {"key": ["header:X-User-ID", "client_ip"], "percent": version % 101}
        route = {
            "name": f"version-{version}",
            "match": "/**",
            "baseline": "legacy",
            "candidate": "new",
            "rollout": "shop",
        }
        whole = configuration(self.setup)
        server = whole["server"]
        assert isinstance(server, dict)
        server |= {"workers": self.workers, "expose": True}
        return whole | {"rollouts": {"shop": rollout}, "routes": [route]}


@dataclass(slots=True)
class Sightings:
    """When each version was written, and when each probe first saw it or a newer one."""

    written: list[float] = field(default_factory=list)
    seen: list[dict[int, float]] = field(default_factory=lambda: [{} for _ in range(PROBES)])
    failed: int = 0

    def see(self, probe: int, version: int, now: float) -> None:
        """A probe was answered under ``version``."""
        mine = self.seen[probe]
        for earlier in range(version, -1, -1):
            if earlier in mine:
                return
            mine[earlier] = now

    def is_everywhere(self, version: int) -> bool:
        """Whether every probe has seen it."""
        return all(version in mine for mine in self.seen)

    def delays(self) -> list[float]:
        """Seconds from writing each change to the last probe's seeing it. Raises `BenchError` when one never did."""
        if not self.is_everywhere(len(self.written) - 1):
            raise BenchError("the last change did not come into force everywhere")
        return [
            max(mine[version] for mine in self.seen) - self.written[version] for version in range(1, len(self.written))
        ]


class Trial:
    """One gateway, reloaded while probes watch."""

    def __init__(self, author: Author, seconds: float) -> None:
        self.author = author
        self.changes = int(seconds / INTERVAL_SECONDS)
        self.sightings = Sightings([time.monotonic()])  # version 0 is in force already

    async def run(self) -> Sightings:
        """Write every version, then wait for the last."""
        probes = [asyncio.create_task(self._probe(number)) for number in range(PROBES)]
        try:
            await self._write_all()
            await self._await_last()
        finally:
            for probe in probes:
                probe.cancel()
            await asyncio.gather(*probes, return_exceptions=True)
        return self.sightings

    async def _write_all(self) -> None:
        for version in range(1, self.changes + 1):
            await asyncio.sleep(INTERVAL_SECONDS)
            self.sightings.written.append(time.monotonic())
            self.author.write(version)

    async def _await_last(self) -> None:
        deadline = time.monotonic() + LAST_WAIT_SECONDS
        while time.monotonic() < deadline and not self.sightings.is_everywhere(self.changes):  # noqa: ASYNC110  polled
            await asyncio.sleep(PROBE_SECONDS)

    async def _probe(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.author.setup.port)
        try:
            while True:
                writer.write(REQUEST % number)
                version = await read_version(reader)
                self.sightings.see(number, version, time.monotonic())
                await asyncio.sleep(PROBE_SECONDS)
        except (OSError, EOFError, BenchError):
            self.sightings.failed += 1
        finally:
            writer.close()


async def read_version(reader: asyncio.StreamReader) -> int:
    """Read one answer; returns the version that it was decided under. Raises `BenchError` for any other answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length, version = LENGTH.search(head), VERSION.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None or version is None:
        raise BenchError(f"unexpected answer: {head.decode('latin-1')}")
    await reader.readexactly(int(length[1]))
    return int(version[1])


def try_reloading(case: Case, seconds: float, workers: int) -> tuple[Load, Sightings]:
    """Reload under load; returns what the load and what the probes saw."""

    def configure(setup: Setup) -> Command:
        command = crossfade(setup)
        Author(setup, workers).write(0)
        return command

    with arena.opened() as place, place.contender(Proxy("crossfade", "gateway", configure), case) as contender:
        loader = load.start(case, contender.setup.url)
        try:
            sightings = asyncio.run(Trial(Author(contender.setup, workers), seconds).run())
            return loader.finish(), sightings
        finally:
            loader.kill()


def show(case: Case, seconds: float, workers: int) -> None:
    """Print what came of it. Raises `BenchError` when a request failed or a change was never seen."""
    seen, sightings = try_reloading(case, seconds, workers)
    if seen.failed or sightings.failed:
        raise BenchError(f"{seen.failed} of {seen.requests} requests failed, and {sightings.failed} of {PROBES} probes")
    delays = sightings.delays()
    table = Table("what", "how much")
    table.add_row("requests", f"{seen.requests:,}, 0 failed")
    table.add_row("changes", f"{len(delays)}, one every {INTERVAL_SECONDS * 1000:.0f} ms, {workers} workers")
    table.add_row("in force everywhere, median", f"{statistics.median(delays) * 1000:.0f} ms")
    table.add_row("in force everywhere, slowest", f"{max(delays) * 1000:.0f} ms")
    Console().print(table)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.reload_under_load", description="Reloads under load.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long (default 20)")
    parser.add_argument("--workers", type=int, default=2, help="of the gateway (default 2)")
    options = parser.parse_args()
    carry_out(lambda: show(CASES["get-12"], options.seconds, options.workers))


if __name__ == "__main__":
    main()
