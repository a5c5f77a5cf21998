"""Real servers to stand behind the gateway: nginx, gunicorn and aiohttp, each a process of its own on a free port.

All three offer the same paths, as far as each can: ``/status/CODE``, ``/bytes/SIZE``, ``/gzip/SIZE`` and ``/empty``;
gunicorn and aiohttp also ``/echo``, ``/chunked/SIZE`` and ``/slow/SECONDS``, aiohttp ``/ws``. Every answer says in
``X-Server`` who gave it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0

SIZES = (0, 1, 1000, 65_536, 1_000_000, 10 << 20)
"""What nginx has as files below ``/bytes/``."""

STATUSES = (200, 201, 400, 404, 418, 500, 502, 503, 504)

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 512; }}
http {{
    access_log off; keepalive_requests 1000000; client_max_body_size 0; default_type application/octet-stream;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        add_header X-Server {name} always;
        location /bytes/ {{ root {folder}; }}
        location /gzip/ {{ gzip on; gzip_types *; alias {folder}/bytes/; }}
        location = /empty {{ return 204; }}
        {statuses}
    }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    scheme: str = "http"

    @property
    def url(self) -> str:
        """As a configuration names it."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def content(size: int) -> bytes:
    """What every ``/bytes/SIZE`` and ``/chunked/SIZE`` answers."""
    pattern = bytes(range(256))
    return (pattern * (size // 256 + 1))[:size]


@contextlib.contextmanager
def nginx(folder: Path, name: str = "nginx") -> Iterator[Server]:
    """Debian's nginx."""
    port = free_port()
    (folder / "bytes").mkdir()
    for size in SIZES:
        (folder / "bytes" / str(size)).write_bytes(content(size))
    statuses = " ".join(f"location = /status/{code} {{ return {code} '{code}'; }}" for code in STATUSES)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, name=name, statuses=statuses))
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is not installed"
    with running([program, "-p", str(folder), "-c", str(configuration)], folder) as process:
        wait_until_it_listens(port, process)
        yield Server(name, port, process)


@contextlib.contextmanager
def gunicorn(folder: Path, name: str = "gunicorn") -> Iterator[Server]:
    """A WSGI application under gunicorn, with threads and kept-alive connections."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"]
    options = [
        "--threads",
        "8",
        "--keep-alive",
        "60",
        "--graceful-timeout",
        "1",
        "--no-control-socket",
        "tests.e2e.wsgi_application:respond",
    ]
    with running([*command, *_known(options)], folder, {"SERVER_NAME_SHOWN": name}) as process:
        wait_until_it_listens(port, process)
        yield Server(name, port, process)


@contextlib.contextmanager
def aiohttp(
    folder: Path, name: str = "aiohttp", port: int = 0, tls: tuple[Path, Path] | None = None
) -> Iterator[Server]:
    """An aiohttp application; with ``tls``, the files of a certificate and its key, it speaks HTTPS."""
    port = port or free_port()
    command = [sys.executable, "-m", "tests.e2e.aiohttp_application", str(port), *map(str, tls or ())]
    with running(command, folder, {"SERVER_NAME_SHOWN": name}) as process:
        wait_until_it_listens(port, process)
        yield Server(name, port, process, "https" if tls else "http")


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, ended with all its descendants."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, process_group=0)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to the group of who does not listen."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when someone accepts on ``port``; fail when ``process`` has ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not listen on {port}")


def _known(options: list[str]) -> list[str]:
    """Without what this gunicorn does not have: its control socket came late."""
    from gunicorn import __version__  # noqa: PLC0415 - only here

    return [option for option in options if option != "--no-control-socket" or int(__version__.split(".")[0]) >= 25]
