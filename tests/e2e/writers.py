"""People who write, each one thing after the other, over several connections in turn; and shops that keep the order.

Who gets no answer tries again with the same ``Idempotency-Key``, as it should be done (draft-ietf-httpapi-idempotency-
key-header, section 2.6): then each write happened at least once, and whoever honours the key has it once.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable
from itertools import count, cycle
from typing import Final

from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Shop

CONNECTIONS: Final = 4
"""Of each writer: the kernel deals them to the workers."""

PATIENCE_SECONDS: Final = 45
PAUSE_SECONDS: Final = 0.05
SECRET: Final = "a-secret-of-theirs"

_NUMBERS: Final = count()

Writes = dict[str, list[str]]
"""Of each user the bodies, in order."""


class Writer(threading.Thread):
    """One user with so many writes. ``named`` ones carry an ``Idempotency-Key`` of their own."""

    def __init__(self, gateway: Gateway, user: str, writes: int, *, is_named: bool) -> None:
        super().__init__(daemon=True)
        self.written: list[str] = []
        """What was answered, in order."""
        self.statuses: set[int] = set()
        self._gateway = gateway
        self.user = user
        self._left = [f"{user} {number}" for number in range(writes)]
        self._is_named = is_named

    def run(self) -> None:
        """Write all of it, or until there is no answer and no way to try again."""
        connections = [self._connect() for _ in range(CONNECTIONS)]
        for connection, body in zip(cycle(connections), self._left, strict=False):
            if not self._write(connection, body):
                break
            self.written.append(body)
        for connection in connections:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._gateway.port, timeout=PATIENCE_SECONDS)

    def _write(self, connection: http.client.HTTPConnection, body: str) -> bool:
        """Until it is answered; whether it was."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                self.statuses.add(self._try(connection, body))
            except (OSError, http.client.HTTPException):
                connection.close()
                if not self._is_named:
                    return False
                time.sleep(PAUSE_SECONDS)
                connection.port = self._gateway.port  # one that was started again has another
            else:
                return True
        return False

    def _try(self, connection: http.client.HTTPConnection, body: str) -> int:
        headers = {"X-User-ID": self.user, "Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}"}
        if self._is_named:
            headers["Idempotency-Key"] = key_of(body)
        connection.request("POST", "/orders", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status


def key_of(body: str) -> str:
    """The own key of a write."""
    return f"own-{body.replace(' ', '-')}"


def write(
    gateway: Gateway, users: int, writes: int, meanwhile: Callable[[], object] = int, *, are_named: bool | None = None
) -> list[Writer]:
    """So many users with so many writes each; every other one has keys of their own, unless it is told who.

    ``meanwhile`` is done amid.
    """
    writers = []
    for _ in range(users):
        number = next(_NUMBERS)
        is_named = number % 2 == 0 if are_named is None else are_named
        writers.append(Writer(gateway, f"user-{number}", writes, is_named=is_named))
    for writer in writers:
        writer.start()
    meanwhile()
    for writer in writers:
        writer.join()
    return writers


def sort_by_user(bodies: Iterable[str]) -> Writes:
    """In the order in which they are given."""
    found: Writes = {}
    for body in bodies:
        found.setdefault(body.partition(" ")[0], []).append(body)
    return found


def list_writes(shop: Shop) -> Writes:
    """All that came, in order; whoever wrote twice is found twice."""
    return sort_by_user(asked.content.decode() for asked in list(shop.asked) if asked.method == b"POST")


def list_distinct(asked: Iterable[Asked]) -> Writes:
    """What a shop that honours ``Idempotency-Key`` has done, in order."""
    first = {each.text("Idempotency-Key"): each.content.decode() for each in reversed([*asked])}
    return sort_by_user(reversed(first.values()))
