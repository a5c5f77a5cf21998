"""Clients that never stop asking, and keep account of every request that failed."""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 45.0
PAUSE_SECONDS = 0.002
"""Between two requests of a client: continuous, but leaving the machine some breath."""


class Load:
    """``clients`` threads that ask ``path`` on kept-alive connections while the ``with`` block lasts."""

    def __init__(self, port: int, path: str, clients: int = 4, pause_seconds: float = PAUSE_SECONDS) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._port = port
        self._path = path
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, count: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Return when so many more requests have been answered."""
        goal, deadline = self.answered + count, time.monotonic() + seconds
        while self.answered < goal:
            assert time.monotonic() < deadline, f"{self.answered} of {goal}; failures: {self.failures[:5]}"
            time.sleep(0.01)

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        while not self._stop.is_set():
            try:
                self._ask(connection, number)
            except (OSError, http.client.HTTPException) as error:
                self._note(repr(error))
                connection.close()  # http.client opens it again
            time.sleep(self._pause_seconds)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, number: int) -> None:
        connection.request("GET", self._path, headers={"X-User-ID": f"user-{number}-{self.answered % 100}"})
        response = connection.getresponse()
        response.read()
        if response.status == http.client.OK:
            with self._lock:
                self.answered += 1
        else:
            self._note(f"status {response.status}")

    def _note(self, failure: str) -> None:
        with self._lock:
            self.failures.append(failure)
