"""The real gateway as a test drives it: the command in a process, on free ports."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.servers import ROOT

START_SECONDS = 60.0
STOP_SECONDS = 60.0
IN_FORCE_SECONDS = 45.0
"""No promises, but patience: the machine may be busy."""


def write(path: Path, text: str) -> None:
    """Truncate and write, as a shell does."""
    path.write_text(text)


class Gateway:
    """``crossfade run`` with this configuration, ready when the ``with`` block begins.

    ``listen`` and ``admin.listen`` should ask for port 0: the log says what they got.
    """

    def __init__(self, config_text: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.path = folder / "gateway.yaml"
        self.path.write_text(config_text)
        self.port = 0
        self.ports: list[int] = []
        self.admin_port = 0
        self.stdout = folder / "gateway.out"
        self.stderr = folder / "gateway.err"
        self._folder = folder
        self._env = env or {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.destroy()

    @property
    def url(self) -> str:
        """Of the first listener."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        """Of the admin API."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The master."""
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        """Start it, and wait until it is ready. By now somebody else may have the ports that it had before."""
        self.ports, self.port, self.admin_port = [], 0, 0
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "-c", str(self.path)],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._env},
                stdout=out,
                stderr=err,
                process_group=0,
            )
        self.wait_until(lambda: self._find_addresses() and self.is_ready(), START_SECONDS)

    def stop(self) -> None:
        """SIGTERM; it must end well and have nothing to complain of."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        finally:
            self.destroy()

        assert status == 0, self.stderr.read_text()
        assert "Traceback" not in self.stderr.read_text(), self.stderr.read_text()

    def destroy(self) -> None:
        """Leave nothing of it behind."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    # What it says.

    def events(self, name: str) -> list[dict[str, Any]]:
        """All log records of this name so far."""
        lines = self.stderr.read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [record for record in records if record["event"] == name]

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of an admin call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of a request through the gateway."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        try:
            return self.ask("/readyz")[0] == 200
        except OSError:
            return False

    # What is done to it.

    def edit(self, text: str, replace: Callable[[Path, str], None] = write) -> float:
        """Change the file, and wait until every worker serves what it says; returns how many seconds that took."""
        began = time.monotonic()
        replace(self.path, text)
        self.wait_until(lambda: self.serves(text), IN_FORCE_SECONDS)
        return time.monotonic() - began

    def serves(self, text: str) -> bool:
        """Whether this configuration is in force in every worker."""
        try:
            return bool(self.ask("/api/v1/config")[1].get("yaml") == text and self.is_ready())
        except OSError:
            return False

    def pids(self, name: str = "") -> list[int]:
        """Its children whose name begins so: ``w`` the workers, ``w0`` the first, ``contr`` the controller."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _is_child(entry, self.process.pid, f"crossfade:{name}")
        ]

    def wait_until(self, condition: Callable[[], object], seconds: float = IN_FORCE_SECONDS) -> None:
        """Return when ``condition`` holds; fail with the log when it does not in time, or the gateway has ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.destroy()
                raise AssertionError(f"the gateway did not get there (exit {self.process.returncode})\n{self._log()}")
            time.sleep(0.02)

    def _log(self) -> str:
        return self.stderr.read_text()

    def _find_addresses(self) -> bool:
        for started in self.events("gateway_started"):
            self.ports = [int(address.rpartition(":")[2]) for address in started["listen"]]
            self.port, self.admin_port = self.ports[0], int(started["admin"].rpartition(":")[2])
        return bool(self.port)


def _is_child(entry: Path, parent: int, name: str) -> bool:
    try:
        comm, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return comm.startswith(name) and rest.split()[0] != "Z" and int(rest.split()[1]) == parent
