"""A load that keeps an exact log of itself: what it asked, what it must get, what it got, when, and how long it took.

The figures of a gateway are held against this log. Where each user belongs is worked out here from the definition of
the split, not with the gateway's own code. Connections are closed loops: each waits for its answer before it asks
again, and opens anew when it was broken off.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, Self, cast

import uvloop
from mmh3 import mmh3_32_uintdigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

PERCENT = 30
SALT = "shop"
BACKENDS = {"baseline": "legacy", "candidate": "new"}

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, access_log: off}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: http://127.0.0.1:{baseline}, new: http://127.0.0.1:{candidate}}}
rollouts: {{shop: {{key: [header:X-User-ID], percent: {percent}, salt: {salt}, guard: []}}}}
routes:
  - name: orders
    match: /api/orders/**
    baseline: legacy
    candidate: new
    rollout: shop
    failover: off
    breaker: off
    paths: [/api/orders/{{number}}, /api/orders/{{number}}/items]
  - name: search
    match: /api/search/**
    baseline: legacy
    candidate: new
    rollout: shop
    failover: off
    breaker: off
  - {{name: rest, match: /static/**, backend: legacy}}
"""

LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)\r\n")
PORT = re.compile(rb"\r\nX-Port: (\d+)\r\n")
PATIENCE_SECONDS = 30
BROKEN = 0
"""In the place of a code: the connection was broken off before an answer."""


class Place(NamedTuple):
    """Where a request is counted, as `crossfade_requests_total` has it."""

    route: str
    path: str
    arm: str
    backend: str
    method: str
    code: int


class Ask(NamedTuple):
    """One request, and where it must be counted."""

    place: Place
    target: str
    user: str


class Entry(NamedTuple):
    """One request that is over."""

    place: Place
    latency_seconds: float
    at: float
    """Of the monotonic clock."""


def configure(ports: tuple[int, int]) -> str:
    """Two routes that split their users, one that does not, and nothing for other paths."""
    return CONFIGURATION.format(baseline=ports[0], candidate=ports[1], percent=PERCENT, salt=SALT)


def arm_of(user: str) -> str:
    """Where the split sends a user, by its definition."""
    position = mmh3_32_uintdigest(f"{SALT}:{user}".encode(), 0)
    return "candidate" if position * 100 < PERCENT << 32 else "baseline"


def mix(count: int) -> Iterator[Ask]:
    """Requests over all routes, path templates, arms, methods and codes, in a fixed order."""
    codes = itertools.cycle([200] * 7 + [404, 201, 500] + [200] * 5 + [503, 400])
    for number, code in zip(range(count), codes, strict=False):
        user = f"user-{number * 7919 % 997}"
        route, path, target, method = _choose(number)
        if not route:
            yield Ask(Place("", "", "", "", method, 404), target, user)
            continue
        arm = "baseline" if route == "rest" else arm_of(user)
        yield Ask(Place(route, path, arm, BACKENDS[arm], method, code), f"{target}?code={code}", user)


def _choose(number: int) -> tuple[str, str, str, str]:
    choices = (
        ("orders", "/api/orders/{number}", f"/api/orders/{number}", "GET"),
        ("orders", "/api/orders/{number}/items", f"/api/orders/{number}/items", "GET"),
        ("search", "/api/search/{id}/offers", f"/api/search/{number:08x}-0a/offers", "GET"),
        ("search", "/api/search/all", "/api/search/all", "DELETE"),
        ("rest", "/static/logo.png", "/static/logo.png", "GET"),
        ("", "", "/nowhere", "GET"),
        ("orders", "/api/orders/{number}", f"/api/orders/{number}", "OPTIONS"),
    )
    return choices[number * 31 % len(choices)]


def delayed(count: int) -> Iterator[Ask]:
    """Requests whose backend takes from 100 to 600 ms, each its own time; the candidate takes half as long again."""
    for number in range(count):
        user = f"user-{number * 7919 % 997}"
        arm = arm_of(user)
        delay_ms = 100 * 6 ** (number * 389 % 1009 / 1009) * (1.5 if arm == "candidate" else 1)
        name = ("orders", "/api/orders/{number}", f"/api/orders/{number}")
        route, path, target = name if number % 3 else ("search", "/api/search/all", "/api/search/all")
        yield Ask(Place(route, path, arm, BACKENDS[arm], "GET", 200), f"{target}?delay={delay_ms:.3f}", user)


class FigureLoad:
    """``connections`` closed loops that ask for all of ``asks``; the ``with`` block ends when all are over.

    With the ``ports`` of the two backends it also looks at who answered.
    """

    def __init__(
        self, port: int, asks: Iterable[Ask], ports: tuple[int, int] | None = None, connections: int = 16
    ) -> None:
        self.entries: list[Entry] = []
        self.surprises: list[str] = []
        """Answers that are not those of their place."""
        self.broken: list[Connection] = []
        """The connections that were broken off, each as it then was."""
        self.asks = iter(asks)
        self.port = port
        self.connections = connections
        self._arms = dict(zip(map(str, ports or ()), ("baseline", "candidate"), strict=False))
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.asks = iter(())
        self._thread.join()
        if self._failure is not None and kind is None:
            raise self._failure

    def wait_for(self, count: int) -> None:
        """Return when so many requests have been answered since the beginning."""
        while len(self.entries) < count:
            assert self._thread.is_alive(), f"the load ended at {len(self.entries)} of {count}"
            time.sleep(0.01)

    def tally(self) -> Counter[Place]:
        """How often each place was answered."""
        return Counter(entry.place for entry in self.entries)

    def answered_last(self, seconds: float) -> Counter[Place]:
        """What the connections that broke were answered in the last ``seconds`` before they did."""
        return Counter(
            entry.place
            for connection in self.broken
            for entry in connection.entries
            if entry.at >= connection.broken_at - seconds
        )

    def quantile(self, share: float, is_wanted: Callable[[Place], bool]) -> float:
        """The nearest-rank quantile of the latencies of some places, in seconds."""
        ascending = sorted(entry.latency_seconds for entry in self.entries if is_wanted(entry.place))
        return ascending[ceil(share * len(ascending)) - 1]

    def note(self, ask: Ask, answer: bytes, entry: Entry) -> None:
        """Log a request that is over."""
        self.entries.append(entry)
        port = PORT.search(answer)
        is_from = self._arms.get(port[1].decode()) if port is not None else ask.place.arm
        if entry.place != ask.place or (self._arms and is_from != ask.place.arm):
            self.surprises.append(f"{ask} was answered {answer!r}")

    def _run(self) -> None:
        try:
            uvloop.run(self._ask_all())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask_in_turn() for _ in range(self.connections)))

    async def _ask_in_turn(self) -> None:
        loop = asyncio.get_running_loop()
        connection: Connection | None = None
        while connection is None or connection.broken_at:
            connection = Connection(self, loop.create_future())
            try:
                await loop.create_connection(lambda made=connection: made, "127.0.0.1", self.port)
            except OSError:
                connection.broken_at = time.monotonic()
                await asyncio.sleep(0.05)
                continue
            await connection.over


class Connection(asyncio.Protocol):
    """One closed loop, until nothing is left to ask or it is broken off. ``entries`` are those of this connection."""

    def __init__(self, load: FigureLoad, over: asyncio.Future[None]) -> None:
        self.over = over
        self.entries: list[Entry] = []
        self.broken_at = 0.0
        self._load = load
        self._ask: Ask | None = None
        self._asked_at = 0.0
        self._latency_seconds = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask_next()

    def data_received(self, received: bytes) -> None:
        now = time.monotonic()
        if not self._received:
            self._latency_seconds = now - self._asked_at
        self._received += received
        end = self._received.find(b"\r\n\r\n")
        length = LENGTH.search(self._received, 0, end + 2) if end >= 0 else None
        if length is not None and len(self._received) >= end + 4 + int(length[1]):
            self._note(self._received, now)
            self._ask_next()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._ask is not None:
            self.broken_at = time.monotonic()
            self._load.broken.append(self)
        if not self.over.done():
            self.over.set_result(None)

    def _ask_next(self) -> None:
        self._received = b""
        self._ask = ask = next(self._load.asks, None)
        if ask is None:
            self._transport.close()
            return
        request = f"{ask.place.method} {ask.target} HTTP/1.1\r\nHost: shop\r\nX-User-ID: {ask.user}\r\n\r\n".encode()
        self._asked_at = time.monotonic()
        self._transport.write(request)

    def _note(self, answer: bytes, now: float) -> None:
        ask = self._ask
        assert ask is not None
        entry = Entry(ask.place._replace(code=int(answer[9:12])), self._latency_seconds, now)
        self.entries.append(entry)
        self._load.note(ask, answer, entry)
