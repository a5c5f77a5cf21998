"""What scraping a large gateway costs its users: the time of a scrape, and that of requests beside and without it.

``python -m bench.metrics_scrape`` starts a gateway with 200 routes of 10 paths and 2 arms before nginx, has every path
asked for on both arms, and then scrapes it in both formats while a client goes on asking.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from gateway.telemetry.metrics import OPENMETRICS_TYPE, TEXT_TYPE
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server, nginx

ROUTES, PATHS, USERS, SCRAPES = 200, 10, 6, 5
CALM_SECONDS = 3.0
PAUSE_SECONDS = 0.002
"""Between two requests of the client that looks on: a user, not a load."""


def build_configuration(server: Server) -> str:
    """Every route splits its users between two backends, the same server both."""
    routes = "".join(
        f"  - {{name: r{route}, match: /r{route}/**, baseline: legacy, candidate: new, rollout: shop, "
        f"paths: [{', '.join(f'/r{route}/p{path}' for path in range(PATHS))}]}}\n"
        for route in range(ROUTES)
    )
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, access_log: off}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts: {{shop: {{key: [header:X-User-ID], percent: 50}}}}
routes:
{routes}"""


def ask_for_everything(port: int) -> None:
    """Each of a few users asks for each path once, so that every series is there."""
    ask = _asker(port)
    for route in range(ROUTES):
        for path in range(PATHS):
            for user in range(USERS):
                ask(f"/r{route}/p{path}", {"X-User-ID": f"user-{user}"})


def _asker(port: int) -> Callable[[str, dict[str, str]], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(path: str, headers: dict[str, str]) -> bytes:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read()

    return ask


@contextmanager
def client(port: int) -> Iterator[list[float]]:
    """One that goes on asking; how long each of its requests took, in seconds."""
    seconds: list[float] = []
    stop = threading.Event()

    def run() -> None:
        ask = _asker(port)
        while not stop.is_set():
            begun = time.perf_counter()
            ask("/r1/p1", {"X-User-ID": "user-1"})
            seconds.append(time.perf_counter() - begun)
            time.sleep(PAUSE_SECONDS)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


def scrape(port: int, accept: str) -> tuple[float, int]:
    """Seconds of the quickest of a few scrapes, and how many bytes it gave."""
    ask = _asker(port)
    times: list[float] = []
    size = 0
    for _ in range(SCRAPES):
        begun = time.perf_counter()
        size = len(ask("/metrics", {"Accept": accept}))
        times.append(time.perf_counter() - begun)
    return min(times), size


def measure(gateway: Gateway, grid: Grid) -> None:
    """Fill the table: without a scrape, then with one after the other."""
    ask_for_everything(gateway.port)
    with client(gateway.port) as seconds:
        time.sleep(CALM_SECONDS)
    grid.add_row("none", "", "", *_quantiles(seconds))
    for name, accept in (("text 0.0.4", TEXT_TYPE), ("OpenMetrics 1.0", OPENMETRICS_TYPE)):
        with client(gateway.port) as seconds:
            taken, size = scrape(gateway.admin_port, accept)
        grid.add_row(name, f"{taken * 1e3:.0f} ms", f"{size / (1 << 20):.1f} MiB", *_quantiles(seconds))


def _quantiles(seconds: list[float]) -> tuple[str, ...]:
    ascending = sorted(seconds)
    return tuple(f"{ascending[int(len(ascending) * share)] * 1e3:.2f} ms" for share in (0.5, 0.95, 0.99))


def main() -> None:
    """Print the table."""
    grid = Grid("scrapes", "quickest", "size", "user's p50", "p95", "p99")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "nginx").mkdir()
        (folder / "gateway").mkdir()
        with nginx(folder / "nginx") as server, Gateway(build_configuration(server), folder / "gateway") as gateway:
            measure(gateway, grid)
    Console(width=100).print(f"{ROUTES} routes of {PATHS} paths on 2 arms, 2 workers", grid)


if __name__ == "__main__":
    main()
