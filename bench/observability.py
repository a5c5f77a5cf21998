"""What counting, the access log and tracing cost, beside nginx.

``python -m bench.observability [--seconds N] [--rounds N]``

One gateway as it is with the log off, one that writes every request into a pipe that is read, one that traces 1 % and
exports the spans, and nginx: all are up at once and take turns, and each is compared with its neighbours of the same
round, so that the machine's moods fall on all of them. Counting can't be turned off; what it may cost is in the first
row's ratio to nginx.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from bench import arena, load
from bench.arena import Arena, Contender
from bench.cases import CASES, Case
from bench.command import carry_out
from bench.cpu_per_request import WARM_UP_SECONDS, take_turn
from bench.processes import BenchError, Process
from bench.proxies import ALL, Command, Proxy, Setup
from bench.proxies.crossfade import configuration, crossfade

QUIET, LOGGING, TRACING = "log off", "log all", "tracing 1 %"
NGINX = ALL["nginx"]
TARGETS = {QUIET: "at most 1.5 times nginx", LOGGING: "at most +25 %", TRACING: "at most +3 %"}

DROPPED = re.compile(r"^(crossfade_\w+_dropped_total) (\S+)$", re.MULTILINE)

Turns = dict[str, list[float]]
"""CPU per request of each contender, in microseconds, round by round."""


def logging_to(pipe: Path) -> Callable[[Setup], Command]:
    """Every request in the access log, which goes into ``pipe``."""

    def configure(setup: Setup) -> Command:
        command = crossfade(setup)
        whole = configuration(setup)
        server = whole["server"]
        assert isinstance(server, dict)
        setup.write("gateway.yaml", yaml.safe_dump(whole | {"server": server | {"access_log": "all"}}))
        return ["sh", "-c", 'exec "$@" > "$0"', str(pipe), *command]

    return configure


def tracing_to(port: int) -> Callable[[Setup], Command]:
    """A trace of every hundredth request, to a collector on ``port``."""

    def configure(setup: Setup) -> Command:
        command = crossfade(setup)
        telemetry = {"otlp": f"http://127.0.0.1:{port}", "sample": "1%"}
        setup.write("gateway.yaml", yaml.safe_dump(configuration(setup) | {"telemetry": telemetry}))
        return command

    return configure


@contextlib.contextmanager
def read_pipe(place: Arena) -> Iterator[Path]:
    """A named pipe, and a process that reads what comes out of it."""
    pipe = place.folder / "access.pipe"
    os.mkfifo(pipe)
    reader = Process("reader", ["sh", "-c", 'exec cat "$0" > /dev/null', str(pipe)], place.folder)
    try:
        yield pipe
    finally:
        reader.stop()


def measure(case: Case, seconds: float, rounds: int) -> Turns:
    """Let all take turns. Raises `BenchError` when a request failed, or a line or span was dropped, not written."""
    with arena.opened() as place, read_pipe(place) as pipe, contextlib.ExitStack() as stack:
        proxies = [
            NGINX,
            Proxy(QUIET, "gateway", crossfade),
            Proxy(LOGGING, "gateway", logging_to(pipe)),
            # nginx answers 200 to the exporter, as a collector would, and reads no spans.
            Proxy(TRACING, "gateway", tracing_to(place.upstream.candidate_port)),
        ]
        contenders = [stack.enter_context(place.contender(proxy, case)) for proxy in proxies]
        for contender in contenders:
            load.apply(case, contender.setup.url, min(WARM_UP_SECONDS, seconds))
        turns = take_turns(contenders, seconds, rounds)
        for contender in contenders[1:]:
            check_nothing_dropped(contender)
        return turns


def take_turns(contenders: list[Contender], seconds: float, rounds: int) -> Turns:
    """Every other round goes backwards, so that nobody is always behind the same one."""
    turns: Turns = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders if number % 2 else contenders[::-1]:
            figures = take_turn(contender, seconds)
            if figures.failed:
                raise BenchError(f"{contender.name}: {figures.failed} requests failed")
            turns[contender.name].append(figures.cpu_us)
    return turns


def check_nothing_dropped(contender: Contender) -> None:
    """Raise `BenchError` when the gateway saved work by dropping it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{contender.setup.spare_port}/metrics") as answer:
        text = answer.read().decode()
    dropped = {name: float(value) for name, value in DROPPED.findall(text) if float(value)}
    if dropped:
        raise BenchError(f"{contender.name}: {dropped}")


def compare(turns: Turns, name: str, other: str) -> float:
    """The median, over the rounds, of one's CPU per request to another's in the same round."""
    return statistics.median(mine / its for mine, its in zip(turns[name], turns[other], strict=True))


def show(seconds: float, rounds: int) -> None:
    """Print a row for each."""
    turns = measure(CASES["get-12"], seconds, rounds)
    table = Table("gateway", "CPU per request", "to nginx", "more than with the log off", "target")
    table.add_row("nginx", f"{statistics.median(turns[NGINX.name]):.1f} µs", "1.00")
    for name in (QUIET, LOGGING, TRACING):
        more = "" if name == QUIET else f"{compare(turns, name, QUIET) - 1:+.1%}"
        row = (f"{statistics.median(turns[name]):.1f} µs", f"{compare(turns, name, NGINX.name):.2f}", more)
        table.add_row(name, *row, TARGETS[name])
    Console(width=100).print(table, f"{rounds} rounds of {seconds:g} s, medians of each round's ratios")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.observability", description="What watching costs.")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one turn (default 1.5)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default 15)")
    options = parser.parse_args()
    carry_out(lambda: show(options.seconds, options.rounds))


if __name__ == "__main__":
    main()
