"""A bounded, realistic load: a few thousand people who look, order, read a slow report and download an export.

Requests begin at a steady mean rate with random gaps, over kept-alive connections. At most `SHOPPERS` are under way at
once: a gateway that slows down gets fewer requests, never an avalanche.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from gateway.core.types import Arm
from gateway.demo.shop import EXPORT_BYTES, FAULT_HEADER, PRODUCTS, VERSIONS
from gateway.demo.tally import Answer, Tally

USERS = 3000
RESTING = 600
"""So many others come before the same user again, some seconds. Who orders and looks at once would find their answers
differ by the order, as a copy is always a little later."""

REQUESTS_PER_SECOND = 200.0
SHOPPERS = 48
REQUEST_SECONDS = 10.0

KEPT_AWAY = frozenset({"breaker", "unhealthy"})
"""The reasons of a gateway that keeps a request from the candidate: such an answer proves nothing about sides."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that somebody makes."""

    template: str
    """Method and path as the figures name them."""
    path: str
    status: int = 200
    """What the shop answers when all is well."""
    order: dict[str, int] | None = None
    """The JSON body of a write."""

    @property
    def method(self) -> str:
        """The first word of the template."""
        return self.template.partition(" ")[0]


@dataclass(slots=True)
class Visits:
    """What people do, by chance: mostly looking, some buying, now and then something heavy."""

    chance: random.Random
    latest: dict[str, str] = field(default_factory=dict)
    """Where each user's latest order is found."""

    def choose(self, user: str) -> Visit:
        """The user's next request."""
        kinds = (self._list, self._look, self._list_orders, self._order, self._read_order, self._report, self._export)
        kind = self.chance.choices(kinds, weights=(20, 40, 12, 12, 12, 3, 1))[0]
        return kind(user)

    def _list(self, _user: str) -> Visit:
        return Visit("GET /api/products", "/api/products")

    def _look(self, _user: str) -> Visit:
        return Visit("GET /api/products/{id}", f"/api/products/{self.chance.randint(1, PRODUCTS)}")

    def _list_orders(self, _user: str) -> Visit:
        return Visit("GET /api/orders", "/api/orders")

    def _order(self, _user: str) -> Visit:
        order = {"product": self.chance.randint(1, PRODUCTS), "quantity": self.chance.randint(1, 5)}
        return Visit("POST /api/orders", "/api/orders", status=201, order=order)

    def _read_order(self, user: str) -> Visit:
        """The latest order, which may have been placed on the other side; who has none yet, orders."""
        path = self.latest.get(user)
        return Visit("GET /api/orders/{id}", path) if path else self._order(user)

    def _report(self, _user: str) -> Visit:
        return Visit("GET /api/reports/daily", "/api/reports/daily")

    def _export(self, _user: str) -> Visit:
        return Visit("GET /api/exports/orders", "/api/exports/orders")


class Load:
    """Shoppers who report every answer to a tally."""

    def __init__(self, url: str, tally: Tally, chance: random.Random, clock: Clock = time.monotonic) -> None:
        self._url = url
        self._tally = tally
        self._chance = chance
        self._clock = clock
        self._visits = Visits(chance)
        self._resting: deque[int] = deque(maxlen=RESTING)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Shop as long as the block lasts; requests under way at its end are finished."""
        stop = asyncio.Event()
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with aiohttp.ClientSession(self._url, timeout=timeout) as session:
            shoppers = [asyncio.create_task(self._shop(session, stop)) for _ in range(SHOPPERS)]
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(*shoppers)

    async def _shop(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        """One request after the other, with pauses of random length whose mean gives the rate."""
        due = self._clock()
        while not stop.is_set():
            due = max(self._clock(), due + self._chance.expovariate(REQUESTS_PER_SECOND / SHOPPERS))
            await _wait(stop, due - self._clock())
            if not stop.is_set():
                self._tally.note(await self.visit(session, self._choose_user()))

    def _choose_user(self) -> str:
        """Somebody who has not been here for a while."""
        number = self._chance.randrange(USERS)
        while number in self._resting:
            number = self._chance.randrange(USERS)
        self._resting.append(number)
        return f"user-{number:04}"

    async def visit(self, session: aiohttp.ClientSession, user: str) -> Answer:
        """Make the user's next request, and judge the answer. Never raises for what the other side does."""
        visit = self._visits.choose(user)
        epoch, began_at = self._tally.epoch, self._clock()
        try:
            async with session.request(
                visit.method, visit.path, json=visit.order, headers={"X-User-ID": user}
            ) as response:
                latency_seconds = self._clock() - began_at
                is_right = self._is_right(user, visit, response, await response.read())
        except (aiohttp.ClientError, TimeoutError):
            return Answer(self._clock(), user, visit.template, arm=None, is_right=False)
        return Answer(
            ended_at=self._clock(),
            user=user,
            path=visit.template,
            arm=_read_arm(response),
            is_right=is_right,
            is_staged=FAULT_HEADER in response.headers,
            latency_seconds=latency_seconds,
            epoch=None if response.headers.get("X-Crossfade-Reason") in KEPT_AWAY else epoch,
        )

    def _is_right(self, user: str, visit: Visit, response: aiohttp.ClientResponse, body: bytes) -> bool:
        """Whether the promised service gave the expected answer, whole."""
        if response.status == 201:  # noqa: PLR2004 - Created
            self._visits.latest[user] = response.headers.get("Location", "/api/orders/0")
        arm = _read_arm(response)
        is_whole = len(body) == EXPORT_BYTES if "/exports/" in visit.path else bool(body)
        is_from_arm = arm is not None and response.headers.get("X-Shop") == VERSIONS[arm]
        return response.status == visit.status and is_from_arm and is_whole


def _read_arm(response: aiohttp.ClientResponse) -> Arm | None:
    """The arm that the gateway says it chose (``server.expose: true``)."""
    name = response.headers.get("X-Crossfade-Arm", "")
    return Arm(name) if name in {*Arm} else None


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Until the time is up or the load ends."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
