"""Real servers for the tests of the store: started once where they are wanted, on ports of their own."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UP_SECONDS = 30.0
_PAUSE_SECONDS = 0.01


class RedisServer:
    """A `redis-server` that keeps nothing on disk, unless ``options`` say so. It may be stopped and started again."""

    def __init__(self, folder: Path, *options: str, flag: str = "--port", is_sentinel: bool = False) -> None:
        self.port = find_port()
        self.host = "127.0.0.1"
        self.within: tuple[str, ...] = ()
        """The command that runs it somewhere else."""
        self._folder = folder
        self._options = (flag, str(self.port), "--bind", self.host, "--dir", str(folder), *options)
        self._is_sentinel = is_sentinel
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the whole server."""
        return f"redis://{self.host}:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        options = ["--save", "", "--appendonly", "no", *self._options]
        if self._is_sentinel:
            (self._folder / "sentinel.conf").touch()
            options = ["sentinel.conf", *self._options, "--sentinel"]
        command = [*self.within, "redis-server", *options, "--logfile", f"{self.port}.log"]
        self._process = subprocess.Popen(command, cwd=self._folder)
        wait_until(self._listens)

    def stop(self) -> None:
        """At once, as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None, "not started"
        return self._process.pid

    def ask(self, *command: str | int) -> object:
        """What it answers."""
        with Redis(self.host, self.port) as client:
            return client.execute_command(*command)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0


@contextmanager
def running(*servers: RedisServer) -> Iterator[None]:
    """While they run."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.stop()


def find_port() -> int:
    """One that nobody listens on, with room for a cluster's bus 10,000 above it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55_000:
            return port


def wait_until(is_so) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + _UP_SECONDS
    while True:
        try:
            if is_so():
                return
        except RedisError:
            pass
        assert time.monotonic() < deadline
        time.sleep(_PAUSE_SECONDS)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Signed by itself, for this machine."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def lead_by_sentinel(master: RedisServer, sentinel: RedisServer) -> None:
    """Let the Sentinel know the server by the name of ``main``, and act when it is silent for half a second."""
    sentinel.ask("SENTINEL", "MONITOR", "main", "127.0.0.1", master.port, 1)
    sentinel.ask("SENTINEL", "SET", "main", "down-after-milliseconds", 500)
    sentinel.ask("SENTINEL", "SET", "main", "failover-timeout", 2000)


def form_cluster(node: RedisServer) -> None:
    """Of one node, with all slots."""
    node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_until(lambda: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"))
