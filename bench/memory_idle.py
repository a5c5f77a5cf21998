"""What an idle keep-alive connection costs in memory.

``python -m bench.memory_idle [--connections N] [--proxies NAME...] [--tls]``

Each connection has served one request and then waits, as a browser's does. The figure is the growth of the whole
process tree's proportional memory (the kernel's socket buffers are not in it), divided by the number of connections.
The promise is less than 16 KiB.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import time
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from bench import arena, load
from bench.arena import Arena, Contender
from bench.cases import CASES, KIB, MIB, Case
from bench.command import add_proxies, carry_out, chosen
from bench.processes import ANY_CERTIFICATE, BenchError
from bench.proxies import Proxy, Setup

REQUEST = b"GET /api/orders/7 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: user-%d\r\n\r\n"
SETTLE_SECONDS = 1.0  # counts, timers and collectors of a proxy come to rest
WARM_UP_SECONDS = 1.0  # what a proxy allocates once, for any load, is not a connection's


def grow(contender: Contender, connections: int) -> tuple[int, int]:
    """Resident bytes without and with so many idle connections."""
    case = replace(contender.setup.case, connections=64)
    load.apply(case, contender.setup.url, WARM_UP_SECONDS)
    time.sleep(SETTLE_SECONDS)
    before = contender.process.resident_bytes()
    with contextlib.ExitStack() as stack:
        for number in range(connections):
            stack.callback(connect(contender.setup, number).close)
        time.sleep(SETTLE_SECONDS)
        contender.process.check_alive()
        return before, contender.process.resident_bytes()


def connect(setup: Setup, number: int) -> socket.socket:
    """A connection that has had the answer to one request. Raises `BenchError` when it had none."""
    stream = socket.create_connection(("127.0.0.1", setup.port), timeout=5)
    if setup.case.tls:
        stream = ANY_CERTIFICATE.wrap_socket(stream)
    stream.sendall(REQUEST % number)
    # The answer is far smaller than a segment, so it comes in one piece.
    if not stream.recv(65536).startswith(b"HTTP/1.1 200"):
        raise BenchError(f"connection {number} was not served")
    return stream


def show(proxies: list[Proxy], case: Case) -> None:
    """Print a row per proxy."""
    table = Table("proxy", "before, MiB", f"with {case.connections:,}, MiB", "bytes each", "KiB each")
    with arena.opened() as place:
        for proxy in proxies:
            table.add_row(proxy.name, *_row(place, proxy, case))
    Console().print(table)


def _row(place: Arena, proxy: Proxy, case: Case) -> tuple[str, ...]:
    with place.contender(proxy, case) as contender:
        before, after = grow(contender, case.connections)
    each = (after - before) / case.connections
    return f"{before / MIB:.1f}", f"{after / MIB:.1f}", f"{each:,.0f}", f"{each / KIB:.1f}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.memory_idle", description="Memory of idle connections.")
    add_proxies(parser)
    parser.add_argument("--connections", type=int, default=10_000, help="how many (default 10,000)")
    parser.add_argument("--tls", action="store_true", help="the same under TLS")
    options = parser.parse_args()
    case = replace(CASES["get-2"], connections=options.connections, tls=options.tls)
    carry_out(lambda: show(chosen(options.proxies), case))


if __name__ == "__main__":
    main()
