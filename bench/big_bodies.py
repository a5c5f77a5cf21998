"""Whether memory grows with the body: 1 GiB down and up through a proxy whose reader is slow.

``python -m bench.big_bodies [--proxies NAME...]``

The sender is as fast as it may be; the reader first reads nothing at all for a while, then at a bounded rate. A proxy
without back-pressure would hold what is between them. The figure is the highest proportional memory of its process tree
during the transfer above what it had before. The promise is less than 32 MiB.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from bench import arena
from bench.arena import Arena, Contender
from bench.cases import CASES, GIB, MIB
from bench.command import add_proxies, carry_out, chosen
from bench.processes import BenchError, Process
from bench.proxies import Proxy

STALL_SECONDS = 2.0  # nothing is read: whatever a proxy is willing to buffer, it buffers now
BYTES_PER_SECOND = 128 * MIB  # well below what every proxy can do, and still 1 GiB in eight seconds
SAMPLE_SECONDS = 0.05
SILENCE_SECONDS = 30.0  # a transfer that stands still this long has failed


class Peak:
    """The highest memory of a process tree while it is watched."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ended = threading.Event()
        self._before = self._highest = process.resident_bytes()

    @property
    def growth_bytes(self) -> int:
        """Above what it was at the beginning."""
        return self._highest - self._before

    @contextlib.contextmanager
    def watching(self) -> Iterator[Peak]:
        """Sample until left."""
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._highest = max(self._highest, self._process.resident_bytes())


def read_slowly(read_into: Callable[[memoryview], int], total_bytes: int) -> int:
    """Read up to ``total_bytes``: late, and then at `BYTES_PER_SECOND`. Returns how many came before the end."""
    chunk = memoryview(bytearray(MIB))
    time.sleep(STALL_SECONDS)
    began, count = time.monotonic(), 0
    while count < total_bytes:
        got = read_into(chunk[: min(MIB, total_bytes - count)])
        if not got:
            break
        count += got
        time.sleep(max(0.0, began + count / BYTES_PER_SECOND - time.monotonic()))
    return count


class Sink(socketserver.StreamRequestHandler):
    """A service that reads a request's body slowly and answers with how long it was."""

    disable_nagle_algorithm = True
    timeout = SILENCE_SECONDS

    def handle(self) -> None:
        """Serve one connection."""
        while self.rfile.readline().rstrip():
            headers = http.client.parse_headers(self.rfile)
            length = int(headers.get("Content-Length", 0))
            count = read_slowly(self.rfile.readinto, length) if length else 0
            answer = b"%d" % count
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


class SinkServer(socketserver.ThreadingTCPServer):
    """Serves `Sink`, a thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run the slow service; gives its port."""
    with SinkServer(("127.0.0.1", 0), Sink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


def download(contender: Contender) -> int:
    """Fetch 1 GiB with a slow reader; returns the bytes that came."""
    connection = http.client.HTTPConnection("127.0.0.1", contender.setup.port, timeout=SILENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/files/1gib", headers={"X-User-ID": "user-1"})
        return read_slowly(connection.getresponse().readinto, GIB)


def upload(contender: Contender) -> int:
    """Send 1 GiB to the slow service; returns the bytes that it says it read."""
    with socket.create_connection(("127.0.0.1", contender.setup.port), timeout=SILENCE_SECONDS) as connection:
        connection.sendall(
            b"PUT /post HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: user-1\r\nContent-Length: %d\r\n\r\n" % GIB
        )
        for _ in range(GIB // MIB):
            connection.sendall(ZEROS)
        answer = http.client.HTTPResponse(connection, method="PUT")
        answer.begin()
        return int(answer.read())


ZEROS = bytes(MIB)


def measure(contender: Contender, transfer: Callable[[Contender], int]) -> int:
    """By how many bytes the proxy grew during a transfer. Raises `BenchError` when the body did not arrive whole."""
    with Peak(contender.process).watching() as peak:
        count = transfer(contender)
    if count != GIB:
        raise BenchError(f"{contender.name}: {count} of {GIB} bytes arrived")
    return peak.growth_bytes


def show(proxies: list[Proxy]) -> None:
    """Print a row per proxy."""
    table = Table("proxy", "1 GiB down: growth, MiB", "1 GiB up: growth, MiB")
    with arena.opened() as place, sink() as sink_port:
        for proxy in proxies:
            table.add_row(proxy.name, *_row(place, proxy, sink_port))
    Console().print(table)


def _row(place: Arena, proxy: Proxy, sink_port: int) -> tuple[str, str]:
    case = CASES["download-1g"]
    with place.contender(proxy, case) as contender:
        down = measure(contender, download)
    with place.contender(proxy, case, sink_port) as contender:
        up = measure(contender, upload)
    return f"{down / MIB:.1f}", f"{up / MIB:.1f}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.big_bodies", description="Memory under 1 GiB bodies.")
    add_proxies(parser)
    options = parser.parse_args()
    carry_out(lambda: show(chosen(options.proxies)))


if __name__ == "__main__":
    main()
