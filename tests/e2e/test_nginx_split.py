"""The scheme ``nginx`` against nginx itself: the same keys, the same arms."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from gateway.core.hashing import scheme_of
from gateway.core.types import Hash

PERCENTAGES = [0.01, 1, 5, 33.33, 50, 99.99]
KEYS = [f"{prefix}{number}" for number in range(100) for prefix in ("", "user-", "8a6e0804-2bd0-4672-b79d-")]

CONFIGURATION = """
pid nginx.pid;
error_log error.log;
events {{ worker_connections 16; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {splits}
    server {{ listen unix:{address}; location / {{ return 200 "{answer}"; }} }}
}}
"""


def write_configuration(folder: Path) -> Path:
    """One ``split_clients`` per percentage; the answer names the arm under each."""
    splits = [
        f'split_clients "$arg_key" $arm{number} {{ {percent}% candidate; * baseline; }}'
        for number, percent in enumerate(PERCENTAGES)
    ]
    answer = " ".join(f"$arm{number}" for number in range(len(PERCENTAGES)))
    path = folder / "nginx.conf"
    path.write_text(CONFIGURATION.format(splits="\n    ".join(splits), address=folder / "http.sock", answer=answer))
    return path


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket: no port to be free."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Called by the first request."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


@pytest.fixture
def nginx() -> Iterator[UnixConnection]:
    """A connection to an nginx of our own. It listens when the command that starts it returns."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "nginx is missing: install the Debian package nginx-light"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        command = [program, "-p", name, "-c", str(write_configuration(folder)), "-e", "error.log"]
        subprocess.run(command, check=True)
        connection = UnixConnection(folder / "http.sock")
        try:
            yield connection
        finally:
            connection.close()
            subprocess.run([*command, "-s", "stop"], check=True)


def test_nginx_sends_the_same_keys_to_the_candidate(nginx: UnixConnection) -> None:
    """300 keys at six percentages: `split_clients` and the scheme ``nginx`` agree on every one."""
    scheme = scheme_of(Hash.NGINX, "unused")
    limits = [scheme.threshold(percent) for percent in PERCENTAGES]
    ours, theirs = [], []

    for key in KEYS:
        nginx.request("GET", f"/?key={key}")
        theirs.append(nginx.getresponse().read().decode().split())
        position = scheme.position(key.encode())
        ours.append(["candidate" if position < limit else "baseline" for limit in limits])

    assert ours == theirs
    assert {arm for arms in theirs for arm in arms} == {"baseline", "candidate"}
