"""A real Prometheus that scrapes what a test tells it to, and answers its queries."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.e2e import servers

SCRAPE_INTERVAL = "400ms"
PATIENCE_SECONDS = 60.0

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    port: int

    def query(self, expression: str, at: float | None = None) -> dict[Labels, float]:
        """The vector that an expression gives now, or ``at`` a time in seconds since the epoch: by sorted labels."""
        asked = {"query": expression} if at is None else {"query": expression, "time": f"{at:.3f}"}
        result = self.ask(f"/api/v1/query?{urlencode(asked)}")["result"]
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in result}

    def value(self, expression: str, at: float | None = None) -> float | None:
        """The one number that an expression gives; None when it gives nothing."""
        found = self.query(expression, at)
        assert len(found) <= 1, found
        return next(iter(found.values()), None)

    def ask(self, target: str) -> Any:
        """What the HTTP API answers under ``data``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", target)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def wait_until(self, condition: Callable[[], object], seen: Callable[[], object] = lambda: "") -> None:
        """Return when ``condition`` holds; fail with what was ``seen`` when it does not in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"Prometheus does not show it: {seen()}"
            time.sleep(0.05)


@contextlib.contextmanager
def prometheus(folder: Path, jobs: Sequence[dict[str, Any]]) -> Iterator[Prometheus]:
    """Debian's Prometheus with these ``scrape_configs``; it keeps what it has below ``folder``."""
    program = shutil.which("prometheus", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "prometheus is not installed"
    folder.mkdir()
    configuration = folder / "prometheus.yml"  # JSON is YAML
    settings = {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_INTERVAL, "evaluation_interval": "1m"}
    configuration.write_text(json.dumps({"global": settings, "scrape_configs": list(jobs)}))
    port = servers.free_port()
    options = [
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with servers.running([program, *options], folder) as process:
        servers.wait_until_it_listens(port, process)
        found = Prometheus(port)
        found.wait_until(lambda: _is_ready(port), (folder / "output.log").read_text)
        yield found


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
